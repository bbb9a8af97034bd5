"""ResourceSlices: the devices of a node, or of several."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, resource, served, timestamps, zeros
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import devices, parts
from kijabi.kit import clock

RESOURCE = served.find("resource.k8s.io/v1", "resourceslices")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Node", "The node whose devices these are."),
    printing.text("Driver", "The driver that provides them."),
    printing.text("Pool", "The pool they belong to."),
    printing.AGE,
)
_MOST_DEVICES, _MOST_ADVANCED, _MOST_SETS = 128, 64, 8
_WHERE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("driver", "")
    zeros.show(spec.setdefault("pool", {}), {"name": "", "generation": 0, "resourceSliceCount": 0})
    for device in spec.get("devices") or ():
        for amount in (device.get("capacity") or {}).values():
            zeros.show(amount, {"value": "0"})
        for taint in device.get("taints") or ():
            if not taint.get("timeAdded"):
                taint["timeAdded"] = timestamps.format_time(clock.SYSTEM.time())


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    return _validate(obj["spec"], None)


def validate_update(new: Object, old: Object) -> Errors:
    return _validate(new["spec"], old.get("spec") or {})


def _validate(spec: Object, before: Object | None) -> Errors:
    pool = spec.get("pool") or {}
    found = parts.driver_name(spec.get("driver"), "spec.driver")
    found += parts.pool_name(pool.get("name", ""), "spec.pool.name")
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        found.append(field.invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        found.append(field.invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))
    if before is not None:
        was = before.get("pool") or {}
        found += checks.immutable(pool.get("name", ""), was.get("name", ""), "spec.pool.name")
        for key in ("driver", "nodeName"):
            found += checks.immutable(spec.get(key), before.get(key), f"spec.{key}")
    return found + _place(spec) + _contents(spec)


def _place(spec: Object) -> Errors:
    found, given = devices.places(spec, "spec", "must be either unset or set to a non-empty string")
    terms = (spec.get("nodeSelector") or {}).get("nodeSelectorTerms") or []
    if spec.get("nodeSelector") is not None and len(terms) != 1:
        path, text = "spec.nodeSelector.nodeSelectorTerms", "must have exactly one node selector term"
        found.append(field.invalid(path, terms, text))
    apart = spec.get("perDeviceNodeSelection")
    if apart:
        given.append("perDeviceNodeSelection")
    elif apart is not None:
        found.append(field.invalid("spec.perDeviceNodeSelection", apart, "must be either unset or set to true"))
    if not given:
        found.append(field.required("spec", _WHERE))
    elif len(given) > 1:
        shown = "{" + ", ".join(f"`{key}`" for key in given) + "}"
        found.append(field.invalid("spec", shown, f"{_WHERE}, but multiple fields are set"))
    return found


def _contents(spec: Object) -> Errors:
    listed, sets = spec.get("devices") or [], spec.get("sharedCounters") or []
    found: Errors = []
    if listed and sets:
        found.append(field.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in listed)
    placed = bool(spec.get("perDeviceNodeSelection"))

    def check(device: Object, path: str) -> Errors:
        return devices.validate(device, path, placed)

    most = _MOST_ADVANCED if advanced else _MOST_DEVICES
    found += parts.distinct(listed, most, "spec.devices", check, _name)
    return found + parts.distinct(sets, _MOST_SETS, "spec.sharedCounters", devices.counter_set, _name)


def _name(one: Object) -> str:
    found: str = one.get("name", "")
    return found


def fields(obj: Object) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.nodeName": spec.get("nodeName", ""), "spec.driver": spec.get("driver", "")}


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name", "")
    return [printing.name(obj), spec.get("nodeName", ""), spec.get("driver", ""), pool, printing.age(obj, now)]
