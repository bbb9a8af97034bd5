"""Events of the core group; ``events.event`` shows the same objects in the newer form."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, metadata, printing, served, timestamps
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("v1", "events")
# Reporters build names that no other rule would pass.
NAME_RULE = metadata.subdomain
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
# Kinds without a namespace are reported in this one.
_DEFAULT_NAMESPACE = ("", "default")


def default(obj: Object) -> None:
    """What upstream shows even when it is empty."""
    for key in ("source", "involvedObject"):
        obj.setdefault(key, {})
    obj.setdefault("reportingComponent", "")
    obj.setdefault("reportingInstance", "")


def validate_create(obj: Object) -> Errors:
    involved = (obj.get("involvedObject") or {}).get("namespace", "")
    namespace = obj["metadata"].get("namespace", "")
    if not involved:
        if namespace not in (*_DEFAULT_NAMESPACE, "kube-system"):
            text = "does not match event.namespace"
            return [field.invalid("involvedObject.namespace", involved, text)]
    elif involved != namespace:
        return [field.invalid("involvedObject.namespace", involved, "does not match event.namespace")]
    return []


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
        str(count),
        printing.name(obj),
    ]
