"""PriorityClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served, zeros
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("scheduling.k8s.io/v1", "priorityclasses")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.number("Value", "The priority of pods of this class."),
    Column("Global-Default", "boolean", description="Whether pods without a class get this one."),
    printing.AGE,
    printing.text("PreemptionPolicy", "Whether such pods make room for themselves."),
)
# Above this only the system's own classes.
HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def default(obj: Object) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
    zeros.show(obj, {"value": 0})
    zeros.hide(obj, "globalDefault", "description")


def validate_create(obj: Object) -> Errors:
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    found: Errors = []
    if name.startswith("system-"):
        if SYSTEM.get(name) != value:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            why = f"{name} is not a known system priority class"
            if name in SYSTEM:
                why = f"value of {name} PriorityClass must be {SYSTEM[name]}"
            found.append(field.forbidden("metadata.name", text + why))
    elif value > HIGHEST_USER_PRIORITY:
        text = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        found.append(field.forbidden("value", text))
    policy, choices = obj.get("preemptionPolicy", ""), ("PreemptLowerPriority", "Never")
    if not policy:
        found.append(field.required("preemptionPolicy"))
    elif policy not in choices:
        found.append(field.not_supported("preemptionPolicy", policy, choices, ordered=True))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found: Errors = []
    if new.get("value", 0) != old.get("value", 0):
        found.append(field.forbidden("value", "may not be changed in an update."))
    return found + checks.immutable(new.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy")


def columns(obj: Object, now: float) -> list[Any]:
    return [
        printing.name(obj),
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        printing.age(obj, now),
        obj.get("preemptionPolicy", ""),
    ]
