"""PodDisruptionBudgets."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, conditions, field, metadata, printing, served, zeros
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


NAME_RULE = metadata.segment
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def default(obj: Object) -> None:
    obj.setdefault("spec", {})


def prepare_create(obj: Object) -> None:
    obj["status"] = dict.fromkeys(_COUNTS, 0)


def prepare_status(new: Object, old: Object) -> None:
    zeros.show(new.setdefault("status", {}), dict.fromkeys(_COUNTS, 0))


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    found: Errors = []
    if low is not None and high is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        found.append(field.invalid("spec", _shown(spec), text))
    for key, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            found += checks.int_or_percent(value, f"spec.{key}")
            found += checks.at_most_100_percent(value, f"spec.{key}")
    found += checks.selector(spec.get("selector"), "spec.selector")
    choices = ("AlwaysAllow", "IfHealthyBudget")
    path = "spec.unhealthyPodEvictionPolicy"
    if spec.get("unhealthyPodEvictionPolicy", choices[0]) not in choices:
        found.append(field.not_supported(path, spec["unhealthyPodEvictionPolicy"], choices))
    return found


def _shown(spec: Object) -> Object:
    """The spec with the names of Go's fields, as messages show it."""
    keys = ("minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy")
    return {key[0].upper() + key[1:]: spec.get(key) for key in keys}


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def validate_status(new: Object, old: Object) -> Errors:
    told = new.get("status") or {}
    found = conditions.validate(told.get("conditions"), "status.conditions")
    return found + checks.not_negative(told, "status", *_COUNTS)


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        printing.name(obj),
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        (obj.get("status") or {}).get("disruptionsAllowed", 0),
        printing.age(obj, now),
    ]
