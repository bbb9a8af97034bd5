"""DeviceClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import parts, selectors

RESOURCE = served.find("resource.k8s.io/v1", "deviceclasses")
GENERATION = True
COLUMNS = (printing.NAME, printing.AGE)


def default(obj: Object) -> None:
    obj.setdefault("spec", {})


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found = selectors.validate(spec.get("selectors") or [], "spec.selectors")
    found += parts.configurations(spec.get("config") or [], "spec.config", parts.configuration)
    name = spec.get("extendedResourceName")
    if name is not None and not checks.is_extended(name):
        found.append(field.invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), printing.age(obj, now)]
