"""PodDisruptionBudgets."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("policy/v1", "poddisruptionbudgets")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Min Available", "The minimum number of pods that must be available."),
    printing.text("Max Unavailable", "The maximum number of pods that may be unavailable."),
    printing.number("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
    printing.AGE,
)


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    found: Errors = []
    if low is not None and high is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        found.append(field.invalid("spec", spec, text))
    for key, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            found += checks.int_or_percent(value, f"spec.{key}")
            found += checks.at_most_100_percent(value, f"spec.{key}")
    found += checks.selector(spec.get("selector"), "spec.selector")
    choices = ("AlwaysAllow", "IfHealthyBudget")
    path = "spec.unhealthyPodEvictionPolicy"
    return found + checks.optional(spec.get("unhealthyPodEvictionPolicy"), path, choices)


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def validate_status(new: Object, old: Object) -> Errors:
    counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return checks.not_negative(new.get("status") or {}, "status", *counts)


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        printing.name(obj),
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        (obj.get("status") or {}).get("disruptionsAllowed", 0),
        printing.age(obj, now),
    ]
