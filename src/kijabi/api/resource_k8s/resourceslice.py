"""ResourceSlices: the devices of a node, or of several."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("resource.k8s.io/v1", "resourceslices")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Node", "The node whose devices these are."),
    printing.text("Driver", "The driver that provides them."),
    printing.text("Pool", "The pool they belong to."),
    printing.AGE,
)
_MOST_DEVICES = 128


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found = checks.required_word(spec.get("driver"), "spec.driver", names.dns_subdomain)
    pool = spec.get("pool") or {}
    if not pool.get("name"):
        found.append(field.required("spec.pool.name"))
    if pool.get("resourceSliceCount", 0) <= 0:
        text = "must be greater than zero"
        found.append(field.invalid("spec.pool.resourceSliceCount", pool.get("resourceSliceCount", 0), text))
    found += checks.not_negative(pool, "spec.pool", "generation")
    places = [key for key in ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection") if spec.get(key)]
    text = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
    if not places and not spec.get("sharedCounters"):
        found.append(field.required("spec", text))
    elif len(places) > 1:
        found.append(field.invalid("spec", "{" + ", ".join(f"`{place}`" for place in places) + "}", text))
    return found + _devices(spec.get("devices") or [])


def _devices(devices: list[Object]) -> Errors:
    if len(devices) > _MOST_DEVICES:
        return [field.too_many("spec.devices", len(devices), _MOST_DEVICES)]
    found: Errors = []
    seen: set[str] = set()
    for position, device in enumerate(devices):
        path = f"spec.devices[{position}].name"
        name = device.get("name", "")
        found += checks.required_word(name, path, names.dns_label)
        if name in seen:
            found.append(field.duplicate(path, name))
        seen.add(name)
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    found = validate_create(new)
    for key in ("nodeName", "driver"):
        found += checks.immutable(spec.get(key, ""), before.get(key, ""), f"spec.{key}")
    name, was = (spec.get("pool") or {}).get("name"), (before.get("pool") or {}).get("name")
    return found + checks.immutable(name, was, "spec.pool.name")


def fields(obj: Object) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.nodeName": spec.get("nodeName", ""), "spec.driver": spec.get("driver", "")}


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name", "")
    return [printing.name(obj), spec.get("nodeName", ""), spec.get("driver", ""), pool, printing.age(obj, now)]
