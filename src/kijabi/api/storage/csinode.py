"""CSINodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kijabi.api import checks, field, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.storage import csi

RESOURCE = served.find("storage.k8s.io/v1", "csinodes")
COLUMNS = (printing.NAME, printing.number("Drivers", "CSI drivers on the node"), printing.AGE)

_LONGEST_ID = 256


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["drivers"] = spec.get("drivers") or None
    for driver in spec["drivers"] or ():
        driver["topologyKeys"] = driver.get("topologyKeys") or None


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, driver in enumerate(obj["spec"].get("drivers") or ()):
        path, name = f"spec.drivers[{position}]", driver.get("name", "")
        found += _driver(driver, path)
        if name in seen:
            found.append(field.duplicate(f"{path}.name", name))
        seen.add(name)
        found += _keys(driver.get("topologyKeys") or (), path)
    return found


def _driver(driver: Object, path: str) -> Errors:
    found = csi.driver_name(driver.get("name"), f"{path}.name")
    node = driver.get("nodeID", "")
    if not node:
        found.append(field.required(f"{path}.nodeID"))
    elif len(node) > _LONGEST_ID:
        found.append(field.invalid(f"{path}.nodeID", node, f"must be {_LONGEST_ID} characters or less"))
    return found + checks.not_negative(driver.get("allocatable") or {}, f"{path}.allocatable", "count")


def _keys(keys: Sequence[str], path: str) -> Errors:
    # Upstream tells of them at the driver.
    found: Errors = []
    for position, key in enumerate(keys):
        if not key:
            found.append(field.required(path))
        if key in keys[:position]:
            found.append(field.duplicate(path, key))
        found += checks.word(key, path, names.label_key)
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found = validate_create(new)
    for before in old["spec"].get("drivers") or ():
        for driver in new["spec"].get("drivers") or ():
            # How much fits on the node may change under the driver.
            keys = ("name", "nodeID", "topologyKeys")
            if driver.get("name") == before.get("name") and any(driver.get(k) != before.get(k) for k in keys):
                found.append(field.immutable("spec.drivers", _shown(driver)))
    return found


def _shown(driver: Object) -> Object:
    """With the names of Go's fields, as messages show it."""
    shown = {"Name": driver.get("name", ""), "NodeID": driver.get("nodeID", "")}
    return {**shown, "TopologyKeys": driver.get("topologyKeys"), "Allocatable": None}


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), len((obj.get("spec") or {}).get("drivers") or ()), printing.age(obj, now)]
