"""What a Job does about pods that fail (``podFailurePolicy``), and when it is done (``successPolicy``).

Source: "Pod failure policy" and "Success policy" in the documentation of Jobs.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names
from kijabi.api.batch import indexes
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MOST_RULES = _MOST_PATTERNS = 20
_MOST_CODES = 255
_LONGEST_INDEXES = 64 * 1024


def default(spec: Object) -> None:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return
    # Upstream's field is no pointer and always written.
    policy["rules"] = policy.get("rules") or None
    for rule in policy["rules"] or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def _choice(value: str | None, path: str, choices: tuple[str, ...]) -> Errors:
    if not value:
        listed = " ".join(f'"{choice}"' for choice in choices)
        return [field.required(path, f"valid values: [{listed}]")]
    return checks.optional(value, path, choices)


def failure(spec: Object, path: str) -> Errors:
    rules = spec["podFailurePolicy"].get("rules") or []
    where = field.child(path, "rules")
    found = [field.too_many(where, len(rules), _MOST_RULES)] if len(rules) > _MOST_RULES else []
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {c.get("name", "") for key in ("containers", "initContainers") for c in pod.get(key) or ()}
    for position, rule in enumerate(rules):
        found += _failure_rule(spec, rule, field.index(where, position), containers)
    return found


def _failure_rule(spec: Object, rule: Object, path: str, containers: set[str]) -> Errors:
    action, where = rule.get("action"), field.child(path, "action")
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        found = [field.invalid(where, action, "requires the backoffLimitPerIndex to be set")]
    else:
        found = _choice(action, where, _ACTIONS)
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if codes is not None:
        found += _exit_codes(codes, field.child(path, "onExitCodes"), containers)
    if patterns:
        found += _conditions(patterns, field.child(path, "onPodConditions"))
    if codes is not None and patterns:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        found.append(field.invalid(path, field.OMITTED, text))
    elif codes is None and not patterns:
        text = "specifying one of OnExitCodes and OnPodConditions is required"
        found.append(field.invalid(path, field.OMITTED, text))
    return found


def _exit_codes(codes: Object, path: str, containers: set[str]) -> Errors:
    found = _choice(codes.get("operator"), field.child(path, "operator"), _OPERATORS)
    name = codes.get("containerName")
    if name is not None and name not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        found.append(field.invalid(field.child(path, "containerName"), name, text))
    values, where = codes.get("values") or [], field.child(path, "values")
    if not values:
        found.append(field.invalid(where, codes.get("values"), "at least one value is required"))
    elif len(values) > _MOST_CODES:
        found.append(field.too_many(where, len(values), _MOST_CODES))
    for position, value in enumerate(values):
        if value == 0 and codes.get("operator") == "In":
            text = "must not be 0 for the In operator"
            found.append(field.invalid(field.index(where, position), value, text))
        if value in values[:position]:
            found.append(field.duplicate(field.index(where, position), value))
    if values != sorted(values):
        found.append(field.invalid(where, values, "must be ordered"))
    return found


def _conditions(patterns: list[Object], path: str) -> Errors:
    found = [field.too_many(path, len(patterns), _MOST_PATTERNS)] if len(patterns) > _MOST_PATTERNS else []
    for position, pattern in enumerate(patterns):
        where = field.index(path, position)
        found += checks.word(pattern.get("type", ""), field.child(where, "type"), names.label_key)
        found += _choice(pattern.get("status"), field.child(where, "status"), _STATUSES)
    return found


def shown_success(policy: Object) -> Any:
    """A success policy with the names of Go's fields, as messages show it."""
    rules = [
        {"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")}
        for rule in policy.get("rules") or ()
    ]
    return {"Rules": rules or None}


def success(spec: Object, path: str) -> Errors:
    """Of an Indexed job."""
    rules = spec["successPolicy"].get("rules") or []
    where = field.child(path, "rules")
    found: Errors = []
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        found.append(field.required(where, text))
    elif len(rules) > _MOST_RULES:
        found.append(field.too_many(where, len(rules), _MOST_RULES))
    for position, rule in enumerate(rules):
        found += _success_rule(spec.get("completions") or 0, rule, field.index(where, position))
    return found


def _success_rule(completions: int, rule: Object, path: str) -> Errors:
    wanted, text = rule.get("succeededCount"), rule.get("succeededIndexes")
    found: Errors = []
    if wanted is None and text is None:
        found.append(field.required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    listed = 0
    if text is not None:
        where = field.child(path, "succeededIndexes")
        if len(text) > _LONGEST_INDEXES:
            found.append(field.too_long(where, _LONGEST_INDEXES))
        try:
            listed = indexes.count(indexes.parse(text, completions))
        except indexes.Malformed as error:
            found.append(field.invalid(where, text, f"error parsing succeededIndexes: {error}"))
    if wanted is None:
        return found
    where = field.child(path, "succeededCount")
    found += checks.not_negative(rule, path, "succeededCount")
    if wanted > completions:
        why = f"must be less than or equal to {completions} (the number of specified completions)"
        found.append(field.invalid(where, wanted, why))
    if text is not None and wanted > listed:
        why = f"must be less than or equal to {listed} (the number of indexes in the specified succeededIndexes field)"
        found.append(field.invalid(where, wanted, why))
    return found
