"""Events of events.k8s.io: the stored objects of core, in the newer form.

``from_stored`` and ``to_stored`` translate; nothing is lost, because the older fields have names of their own here.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import field, served
from kijabi.api.checks import Errors
from kijabi.api.core import event
from kijabi.api.resource import Object

RESOURCE = served.find("events.k8s.io/v1", "events")
COLUMNS = event.COLUMNS

# Name here → name in core.
_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {old: new for new, old in _NAMES.items()}
_SHOWN_FIELDS = {name: name.replace("involvedObject.", "regarding.") for name in event.fields({})}
_SHOWN_FIELDS["reportingComponent"] = "reportingController"
_STORED_FIELDS = {shown: name for name, shown in _SHOWN_FIELDS.items()}


def to_stored(obj: Object) -> Object:
    stored = {_NAMES.get(key, key): value for key, value in obj.items()}
    stored["apiVersion"] = "v1"
    return stored


def from_stored(obj: Object) -> Object:
    shown = {_BACK.get(key, key): value for key, value in obj.items()}
    shown["apiVersion"] = "events.k8s.io/v1"
    return shown


def stored_field(name: str) -> str:
    """The selectable field of a stored event that ``name`` stands for here."""
    return _STORED_FIELDS.get(name, name)


EXTRA = {"stored": event.RESOURCE, "from_stored": from_stored, "to_stored": to_stored, "stored_field": stored_field}


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    if not obj.get("eventTime"):
        found.append(field.required("eventTime"))
    if not obj.get("reportingController"):
        found.append(field.required("reportingController"))
    if not obj.get("reportingInstance"):
        found.append(field.required("reportingInstance"))
    if not obj.get("action"):
        found.append(field.required("action"))
    if not obj.get("reason"):
        found.append(field.required("reason"))
    if obj.get("type") not in ("Normal", "Warning"):
        found.append(field.invalid("type", obj.get("type", ""), "has invalid value: " + obj.get("type", "")))
    for key in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"):
        if obj.get(key):
            found.append(
                field.invalid(key.removeprefix("deprecated")[:1].lower() + key[11:], obj[key], "needs to be unset")
            )
    if len(obj.get("note", "")) > 1024:
        found.append(field.invalid("message", "", "can have at most 1024 characters"))
    return found + event.validate_create(to_stored(obj))


def validate_update(new: Object, old: Object) -> Errors:
    return event.validate_create(to_stored(new))


def fields(obj: Object) -> dict[str, str]:
    told = event.fields(to_stored(obj))
    return {_SHOWN_FIELDS.get(name, name): value for name, value in told.items() if name != "source"}


def columns(obj: Object, now: float) -> list[Any]:
    return event.columns(to_stored(obj), now)
