"""VolumeAttachments."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, resource, served, zeros
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object
from kijabi.api.storage import csi

RESOURCE = served.find("storage.k8s.io/v1", "volumeattachments")
COLUMNS = (
    printing.NAME,
    Column("Attacher", format="name", description="Who attaches."),
    printing.text("PV", "The volume."),
    printing.text("Node", "The node."),
    Column("Attached", "boolean", description="Whether it is attached."),
    printing.AGE,
)

_LARGEST = 256 * 1024


def default(obj: Object) -> None:
    obj.setdefault("status", {}).setdefault("attached", False)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"attached": False}


def prepare_status(new: Object, old: Object) -> None:
    resource.keep_metadata(new, old)
    told = new.setdefault("status", {})
    told.setdefault("attached", False)
    for key in ("attachError", "detachError"):
        zeros.show(told.get(key), {"time": None})


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    attacher, source = spec.get("attacher", ""), spec.get("source") or {}
    found = csi.driver_name(attacher, "spec.attacher")
    found += _source(source, "spec.source")
    found += checks.word(spec.get("nodeName", ""), "spec.nodeName", names.dns_subdomain)
    volume = source.get("persistentVolumeName")
    if volume is not None:
        found += checks.word(volume, "spec.source.persistentVolumeName", names.dns_subdomain)
    return found


def _source(source: Object, path: str) -> Errors:
    inline, volume = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if inline is None and volume is None:
        return [field.required(path, text)]
    if inline is not None and volume is not None:
        return [field.forbidden(path, text)]
    if inline is None:
        where = field.child(path, "persistentVolumeName")
        return [] if volume else [field.required(where, "must specify non empty persistentVolumeName")]
    return _inline(inline, field.child(path, "inlineVolumeSpec"))


def _inline(inline: Object, path: str) -> Errors:
    """A volume of the pod's own, whose spec is that of a persistent volume but for what is not known of it."""
    found: Errors = []
    context = "in the context of inline volumes"
    for key in ("claimRef", "persistentVolumeReclaimPolicy", "capacity"):
        if inline.get(key):
            found.append(field.forbidden(field.child(path, key), f"may not be specified {context}"))
    if inline.get("csi") is None:
        found.append(field.required(field.child(path, "csi"), f"has to be specified {context}"))
    if not inline.get("accessModes"):
        found.append(field.required(field.child(path, "accessModes")))
    if inline.get("csi") is None:
        found.append(field.required(path, "must specify a volume type"))
    return found


def _shown(spec: Object) -> Object:
    """With the names of Go's fields, as messages show it."""
    source = spec.get("source") or {}
    named = {"PersistentVolumeName": "persistentVolumeName", "InlineVolumeSpec": "inlineVolumeSpec"}
    return {
        "Attacher": spec.get("attacher", ""),
        "Source": {name: source.get(key) for name, key in named.items()},
        "NodeName": spec.get("nodeName", ""),
    }


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    found = validate_create(new)
    return [*found, field.immutable("spec", _shown(spec))] if spec != before else found


def validate_status(new: Object, old: Object) -> Errors:
    told = new.get("status") or {}
    held = told.get("attachmentMetadata") or {}
    found: Errors = []
    if sum(len(key.encode()) + len(value.encode()) for key, value in held.items()) > _LARGEST:
        found.append(field.too_long("status.attachmentMetadata", _LARGEST))
    for key in ("attachError", "detachError"):
        error, path = told.get(key) or {}, f"status.{key}"
        if len(error.get("message", "").encode()) > _LARGEST:
            found.append(field.too_long(f"{path}.message", _LARGEST))
        code = error.get("errorCode")
        if code is not None and not 0 <= code < 2**31:
            found.append(field.invalid(f"{path}.errorCode", code, names.between(0, 2**31 - 1)))
    return found


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
