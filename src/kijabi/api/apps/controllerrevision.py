"""ControllerRevisions: what a workload's template was at some time."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served, zeros
from kijabi.api.checks import Errors
from kijabi.api.predicates import pods
from kijabi.api.resource import Object

RESOURCE = served.find("apps/v1", "controllerrevisions")
COLUMNS = (
    printing.NAME,
    printing.text("Controller", "Controller of the object"),
    printing.text("Revision", "The number of the revision."),
    printing.AGE,
)


def default(obj: Object) -> None:
    zeros.show(obj, {"revision": 0})


def validate_create(obj: Object) -> Errors:
    found = checks.not_negative(obj, "", "revision")
    if obj.get("data") is None:
        found.append(field.required("data", "data is mandatory"))
    elif not isinstance(obj["data"], dict):
        found.append(field.required("data", "data must be a valid JSON object"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found = checks.not_negative(new, "", "revision")
    return found + checks.immutable(new.get("data"), old.get("data"), "data")


def columns(obj: Object, now: float) -> list[Any]:
    owner = pods.controller(obj)
    shown = printing.NONE
    if owner is not None:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = owner.get("kind", "").lower()
        shown = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [printing.name(obj), shown, obj.get("revision", 0), printing.age(obj, now)]
