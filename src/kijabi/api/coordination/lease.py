"""Leases."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("coordination.k8s.io/v1", "leases")
COLUMNS = (printing.NAME, printing.text("Holder", "Who holds the lease."), printing.AGE)


def default(obj: Object) -> None:
    obj.setdefault("spec", {})


def prepare_create(obj: Object) -> None:
    # CoordinatedLeaderElection is off by default.
    for key in ("strategy", "preferredHolder"):
        obj["spec"].pop(key, None)


def prepare_update(new: Object, old: Object) -> None:
    prepare_create(new)


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        found.append(field.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        found.append(field.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), (obj.get("spec") or {}).get("holderIdentity", ""), printing.age(obj, now)]
