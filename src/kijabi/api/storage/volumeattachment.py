"""VolumeAttachments."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("storage.k8s.io/v1", "volumeattachments")
COLUMNS = (
    printing.NAME,
    Column("Attacher", format="name", description="Who attaches."),
    printing.text("PV", "The volume."),
    printing.text("Node", "The node."),
    Column("Attached", "boolean", description="Whether it is attached."),
    printing.AGE,
)


def default(obj: Object) -> None:
    obj.setdefault("status", {}).setdefault("attached", False)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"attached": False}


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found = [field.required(f"spec.{key}") for key in ("attacher", "nodeName") if not spec.get(key)]
    source = spec.get("source") or {}
    given = [key for key in ("inlineVolumeSpec", "persistentVolumeName") if source.get(key)]
    if not given:
        text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        found.append(field.required("spec.source", text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return checks.immutable(new.get("spec"), old.get("spec"), "spec")


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        printing.name(obj),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        bool((obj.get("status") or {}).get("attached")),
        printing.age(obj, now),
    ]
