"""CSINodes."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("storage.k8s.io/v1", "csinodes")
COLUMNS = (printing.NAME, printing.number("Drivers", "CSI drivers on the node"), printing.AGE)


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        path = f"spec.drivers[{position}]"
        found += [field.required(f"{path}.{key}") for key in ("name", "nodeID") if not driver.get(key)]
        if driver.get("name", "") in seen:
            found.append(field.duplicate(f"{path}.name", driver.get("name", "")))
        seen.add(driver.get("name", ""))
        found += checks.not_negative(driver.get("allocatable") or {}, f"{path}.allocatable", "count")
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), len((obj.get("spec") or {}).get("drivers") or ()), printing.age(obj, now)]
