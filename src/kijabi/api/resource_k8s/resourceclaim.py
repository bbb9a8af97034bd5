"""ResourceClaims."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import allocations, requests

RESOURCE = served.find("resource.k8s.io/v1", "resourceclaims")
COLUMNS = (
    printing.NAME,
    printing.text("State", "A summary of the current state (allocated, pending, reserved, etc.)."),
    printing.AGE,
)


def default(obj: Object) -> None:
    requests.default(obj.setdefault("spec", {}))


def prepare_create(obj: Object) -> None:
    obj["status"] = {}


def prepare_status(new: Object, old: Object) -> None:
    resource.keep_metadata(new, old)
    allocations.default(new.setdefault("status", {}))


def validate_create(obj: Object) -> Errors:
    return requests.validate(obj["spec"], "spec")


def validate_update(new: Object, old: Object) -> Errors:
    if new.get("spec") == old.get("spec"):
        return []
    return [field.immutable("spec", requests.shown(new["spec"]))]


def validate_status(new: Object, old: Object) -> Errors:
    return allocations.validate(new, old)


def _state(obj: Object) -> str:
    told = obj.get("status") or {}
    deleted = bool(obj["metadata"].get("deletionTimestamp"))
    states = ["deleted"] if deleted else []
    if told.get("allocation") is not None:
        states += ["allocated", "reserved"] if told.get("reservedFor") else ["allocated"]
    elif not deleted:
        states.append("pending")
    return ",".join(states)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), _state(obj), printing.age(obj, now)]
