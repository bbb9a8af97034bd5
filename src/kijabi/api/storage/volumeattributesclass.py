"""VolumeAttributesClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.storage import csi

RESOURCE = served.find("storage.k8s.io/v1", "volumeattributesclasses")
COLUMNS = (printing.NAME, printing.text("DriverName", "The driver that knows the parameters."), printing.AGE)


def validate_create(obj: Object) -> Errors:
    found = csi.qualified(obj.get("driverName"), "driverName")
    if not obj.get("parameters"):
        found.append(field.required("parameters", "must contain at least one key/value pair"))
    return found + csi.parameters(obj.get("parameters"), "parameters")


def validate_update(new: Object, old: Object) -> Errors:
    found: Errors = []
    if new.get("driverName") != old.get("driverName"):
        found.append(field.forbidden("driverName", "updates to driverName are forbidden."))
    if (new.get("parameters") or {}) != (old.get("parameters") or {}):
        found.append(field.forbidden("parameters", "updates to parameters are forbidden."))
    return found


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj.get("driverName", ""), printing.age(obj, now)]
