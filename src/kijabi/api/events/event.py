"""Events of events.k8s.io: the stored objects of core, in the newer form.

``from_stored`` and ``to_stored`` translate; nothing is lost, because the older fields have names of their own here.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, served, zeros
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


# Longest texts; the names in messages are those of core.
_LONGEST = {"reportingInstance": 128, "action": 128, "reason": 128}
_LONGEST_NOTE = 1024
_DATES = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp")


def default(obj: Object) -> None:
    for key in _DATES:
        obj.setdefault(key, None)
    obj.setdefault("deprecatedSource", {})
    zeros.hide(obj, "deprecatedCount")


def validate_create(obj: Object) -> Errors:
    found = _common(obj)
    found += _series(obj.get("series"))
    if not obj.get("eventTime"):
        found.append(field.required("eventTime"))
    if obj.get("type") not in ("Normal", "Warning"):
        found.append(field.invalid("type", "", f"has invalid value: {obj.get('type', '')}"))
    for key in (*_DATES, "deprecatedCount", "deprecatedSource"):
        if obj.get(key):
            found.append(field.invalid(_NAMES[key], "", "needs to be unset"))
    return found


def _common(obj: Object) -> Errors:
    about = (obj.get("regarding") or {}).get("namespace", "")
    namespace = obj["metadata"].get("namespace", "")
    found: Errors = []
    if not obj.get("eventTime"):
        if about != namespace and (about or namespace not in ("", "default")):
            found.append(field.invalid("involvedObject.namespace", about, "does not match event.namespace"))
        return found
    if not about and namespace not in ("default", "kube-system"):
        found.append(field.invalid("involvedObject.namespace", about, "does not match event.namespace"))
    reporter = obj.get("reportingController", "")
    if not reporter:
        found.append(field.required("reportingController"))
    found += checks.word(reporter, "reportingController", names.label_key)
    for key, longest in _LONGEST.items():
        if not obj.get(key):
            found.append(field.required(key))
        elif len(obj[key]) > longest:
            found.append(field.invalid(key, "", f"can have at most {longest} characters"))
    if len(obj.get("note", "")) > _LONGEST_NOTE:
        found.append(field.invalid("message", "", f"can have at most {_LONGEST_NOTE} characters"))
    return found


def _series(series: Object | None) -> Errors:
    if series is None:
        return []
    found: Errors = []
    if series.get("count", 0) < 2:
        found.append(field.invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        found.append(field.required("series.lastObservedTime"))
    return found


# In upstream's order, with what stands for nothing.
_IMMUTABLE: tuple[tuple[str, Any], ...] = (
    ("regarding", {}),
    ("reason", ""),
    ("note", ""),
    ("deprecatedSource", {}),
    ("deprecatedFirstTimestamp", None),
    ("deprecatedLastTimestamp", None),
    ("deprecatedCount", 0),
    ("reason", ""),
    ("type", ""),
    ("eventTime", None),
    ("action", ""),
    ("related", None),
    ("reportingController", ""),
    ("reportingInstance", ""),
)
# The names of Go's fields, as messages show a reference.
_REFERENCE = {
    "Kind": "kind",
    "Namespace": "namespace",
    "Name": "name",
    "UID": "uid",
    "APIVersion": "apiVersion",
    "ResourceVersion": "resourceVersion",
    "FieldPath": "fieldPath",
}


def validate_update(new: Object, old: Object) -> Errors:
    found = _common(new)
    if new.get("series") != old.get("series"):
        found += _series(new.get("series"))
    for key, nothing in _IMMUTABLE:
        value = new.get(key) or nothing
        if value != (old.get(key) or nothing):
            if key in ("regarding", "related") and value is not None:
                value = {name: value.get(part, "") for name, part in _REFERENCE.items()}
            told = key if key in ("reportingController", "related") else _NAMES.get(key, key)
            found.append(field.immutable(told, value))
    return found


def fields(obj: Object) -> dict[str, str]:
    told = event.fields(to_stored(obj))
    return {_SHOWN_FIELDS.get(name, name): value for name, value in told.items() if name != "source"}


def columns(obj: Object, now: float) -> list[Any]:
    return event.columns(to_stored(obj), now)
