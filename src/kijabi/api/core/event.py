"""Events of the core group; ``events.event`` shows the same objects in the newer form."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, names, printing, served, timestamps
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("v1", "events")
# Reporters build names that no other rule would pass.
NAME_RULE = metadata.segment
COLUMNS = (
    printing.text("Last Seen", "When this was last seen."),
    printing.text("Type", "Normal or Warning."),
    printing.text("Reason", "A machine-readable word for the cause."),
    printing.text("Object", "What the event is about."),
    printing.wide("Subobject", "The part of the object."),
    printing.wide("Source", "Who reports it."),
    printing.text("Message", "A human-readable description."),
    printing.wide("First Seen", "When this was first seen."),
    printing.wide("Count", "How often this was seen."),
    Column("Name", format="name", priority=1, description="Name of the event."),
)


def default(obj: Object) -> None:
    """What upstream shows even when it is empty."""
    for key in ("source", "involvedObject"):
        obj.setdefault(key, {})
    for key in ("eventTime", "firstTimestamp", "lastTimestamp"):
        obj.setdefault(key, None)
    obj.setdefault("reportingComponent", "")
    obj.setdefault("reportingInstance", "")


# Kinds without a namespace are reported in this one.
_NAMELESS_IN = ("", "default")


def validate_create(obj: Object) -> Errors:
    involved = (obj.get("involvedObject") or {}).get("namespace", "")
    namespace = obj["metadata"].get("namespace", "")
    if not obj.get("eventTime"):
        fits = involved == namespace if involved else namespace in _NAMELESS_IN
        return [] if fits else [_elsewhere(involved)]
    found: Errors = []
    if not involved and namespace not in ("default", "kube-system"):
        found.append(_elsewhere(involved))
    reporter = obj.get("reportingComponent", "")
    if not reporter:
        found.append(field.required("reportingComponent"))
    found += checks.word(reporter, "reportingComponent", names.label_key)
    for key, most in (("reportingInstance", 128), ("action", 128), ("reason", 128)):
        if not obj.get(key):
            found.append(field.required(key))
        found += _at_most(obj.get(key, ""), most, key)
    return found + _at_most(obj.get("message", ""), 1024, "message")


def _elsewhere(namespace: str) -> field.Error:
    return field.invalid("involvedObject.namespace", namespace, "does not match event.namespace")


def _at_most(text: str, most: int, path: str) -> Errors:
    return [field.invalid(path, "", f"can have at most {most} characters")] if len(text.encode()) > most else []


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def fields(obj: Object) -> dict[str, str]:
    about = obj.get("involvedObject") or {}
    told = {
        f"involvedObject.{key}": about.get(key, "")
        for key in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    }
    reporter = obj.get("reportingComponent", "")
    told["reason"] = obj.get("reason", "")
    told["reportingComponent"] = reporter
    told["source"] = (obj.get("source") or {}).get("component") or reporter
    told["type"] = obj.get("type", "")
    return told


def columns(obj: Object, now: float) -> list[Any]:
    about, source, series = obj.get("involvedObject") or {}, obj.get("source") or {}, obj.get("series")
    first = timestamps.age(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = timestamps.age(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    if series:
        last, count = timestamps.age(series.get("lastObservedTime"), now), series.get("count", 0)
    target = about.get("kind", "").lower()
    if about.get("name"):
        target = f"{target}/{about['name']}"
    reporter = source.get("component") or obj.get("reportingComponent", "")
    instance = source.get("host") or obj.get("reportingInstance", "")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        target,
        about.get("fieldPath", ""),
        f"{reporter}, {instance}" if instance else reporter,
        obj.get("message", "").strip(),
        first,
        count,
        printing.name(obj),
    ]
