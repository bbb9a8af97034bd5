"""RuntimeClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, oldlabels, printing, served
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import placement
from kijabi.api.resource import Object

RESOURCE = served.find("node.k8s.io/v1", "runtimeclasses")
COLUMNS = (printing.NAME, printing.text("Handler", "What the container runtime calls it."), printing.AGE)

# The names of Go's fields, and what they are when they are nothing.
_TOLERATION = {
    "Key": ("key", ""),
    "Operator": ("operator", ""),
    "Value": ("value", ""),
    "Effect": ("effect", ""),
    "TolerationSeconds": ("tolerationSeconds", None),
}


def validate_create(obj: Object) -> Errors:
    found = checks.required_word(obj.get("handler"), "handler", names.dns_label)
    # Upstream checks it as it does a container's limits, and says so.
    fixed = (obj.get("overhead") or {}).get("podFixed") or {}
    found += checks.amounts(fixed, "overhead.limits", checks.container_resource_name)
    huge = [name for name in fixed if name.startswith("hugepages-")]
    if huge and "cpu" not in fixed and "memory" not in fixed:
        found.append(field.forbidden("overhead", "HugePages require cpu or memory"))
    scheduling = obj.get("scheduling") or {}
    found += placement.node_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
    given = scheduling.get("tolerations") or []
    found += placement.tolerations(given, "scheduling.tolerations")
    for position, toleration in enumerate(given):
        if toleration in given[:position]:
            shown = {name: toleration.get(key, zero) for name, (key, zero) in _TOLERATION.items()}
            found.append(field.duplicate(f"scheduling.tolerations[{position}]", shown))
    return found


def warn_create(obj: Object) -> list[str]:
    given = (obj.get("scheduling") or {}).get("nodeSelector") or {}
    return [f"scheduling.nodeSelector: {oldlabels.ADVICE[key]}" for key in given if key in oldlabels.ADVICE]


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def validate_update(new: Object, old: Object) -> Errors:
    return checks.immutable(new.get("handler"), old.get("handler"), "handler")


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj.get("handler", ""), printing.age(obj, now)]
