"""What the workload kinds have in common: selectors that must match templates, replicas, rolling-update numbers."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, labels
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import advice, validation
from kijabi.api.resource import Object


def selector(spec: Object, word: str, path: str = "spec") -> tuple[labels.Selector | None, Errors]:
    """The selector (``None`` where it cannot be used) and what is wrong with it. ``word`` names the kind in texts."""
    value = spec.get("selector")
    where = field.child(path, "selector")
    if value is None:
        return labels.NOTHING, [field.required(where)]
    found = checks.selector(value, where)
    if not value.get("matchLabels") and not value.get("matchExpressions"):
        found.append(field.invalid(where, value, f"empty selector is invalid for {word}"))
    try:
        return labels.from_label_selector(value), found
    except labels.Malformed:
        return None, found


def template(
    spec: Object, chosen: labels.Selector, word: str, path: str = "spec", validated: Object | None = None
) -> Errors:
    """The pod template of a workload whose pods run for ever. ``validated`` stands in for it where it needs changes."""
    where = field.child(path, "template")
    pod = spec.get("template") or {}
    found: Errors = []
    told = (pod.get("metadata") or {}).get("labels")
    if not chosen.everything and not chosen.matches(told):
        text = "`selector` does not match template `labels`"
        found.append(field.invalid(field.child(where, "metadata", "labels"), told, text))
    found += validation.validate_template(validated if validated is not None else pod, where)
    inner = pod.get("spec") or {}
    if inner.get("restartPolicy") != "Always":
        problem = field.not_supported(
            field.child(where, "spec", "restartPolicy"), inner.get("restartPolicy", ""), ("Always",)
        )
        found.append(problem)
    if inner.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {word} is not Supported"
        found.append(field.forbidden(field.child(where, "spec", "activeDeadlineSeconds"), text))
    return found


def number(value: Any) -> int:
    """The number in an int-or-percent, ``25%`` being 25; 0 where there is none."""
    if isinstance(value, str):
        return int(value[:-1]) if checks.is_percent(value) else 0
    return int(value or 0)


def replica_status(told: Object, before: Object, limits: tuple[tuple[str, str], ...], *counts: str) -> Errors:
    """Counts are not negative; of each pair in ``limits`` the first is not above the second, named as texts do."""
    found = checks.not_negative(told, "status", *counts)
    for small, large in limits:
        if told.get(small, 0) > told.get(large.removeprefix("status."), 0):
            found.append(field.invalid(f"status.{small}", told.get(small, 0), f"cannot be greater than {large}"))
    if "collisionCount" in before and told.get("collisionCount", 0) < before["collisionCount"]:
        problem = field.invalid("status.collisionCount", told.get("collisionCount", 0), "cannot be decremented")
        found.append(problem)
    return found


def shown_strategy(strategy: Object, **rolling: str) -> Object:
    """An update strategy as upstream's messages show it: the names of Go's fields. ``rolling`` maps theirs to ours."""
    given = strategy.get("rollingUpdate")
    inner = None if given is None else {name: given.get(key) for name, key in rolling.items()}
    return {"Type": strategy.get("type", ""), "RollingUpdate": inner}


def name_warnings(obj: Object) -> list[str]:
    return advice.hostname(obj["metadata"].get("name", ""), "Pod names and hostnames")


def template_warnings(obj: Object) -> list[str]:
    return advice.of_template(obj["spec"].get("template"), "spec.template")


def change_warnings(new: Object, old: Object) -> list[str]:
    """An update that leaves the spec as it is says nothing of its template."""
    changed = new["metadata"].get("generation") != old["metadata"].get("generation")
    return template_warnings(new) if changed else []
