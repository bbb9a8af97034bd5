"""PersistentVolumeClaims."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, names, printing, quantity, resource, served
from kijabi.api.checks import Errors
from kijabi.api.core import claims, inner, volumes
from kijabi.api.core.podspec import equality
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "persistentvolumeclaims")
COLUMNS = (
    printing.NAME,
    printing.text("Status", "The phase it is in."),
    printing.text("Volume", "The volume it is bound to."),
    printing.text("Capacity", "How much that volume holds."),
    printing.text("Access Modes", "How that volume can be mounted."),
    printing.text("StorageClass", "The storage class it asks for."),
    printing.text("VolumeAttributesClass", "The volume attributes class it asks for."),
    printing.AGE,
    printing.wide("VolumeMode", "File system or block device."),
)


def default(obj: Object) -> None:
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    told = obj.setdefault("status", {})
    if not told.get("phase"):
        told["phase"] = "Pending"


def prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Pending"}
    claims.normalize_sources(obj["spec"], None)


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    claims.normalize_sources(new["spec"], old["spec"])


def validate_create(obj: Object) -> Errors:
    return claims.validate_spec(obj["spec"], "spec")


validate_spec = claims.validate_spec


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = metadata.validate(new["metadata"], True, metadata.subdomain) + validate_create(new)
    annotation = volumes.CLASS_ANNOTATION
    told, was = (obj["metadata"].get("annotations") or {} for obj in (new, old))
    if not _moves_class(spec, before, told, was):
        path = f"metadata.annotations.{annotation}"
        found += checks.immutable(told.get(annotation, ""), was.get(annotation, ""), path)
    now, then = _comparable(new, old, was)
    if not equality.same(now, then):
        text = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        found.append(field.forbidden("spec", f"{text}\n{inner.diff('PersistentVolumeClaimSpec', then, now)}"))
    if _storage(spec) < _storage(before) and _storage(spec) <= _capacity(old):
        text = "field can not be less than status.capacity"
        found.append(field.forbidden("spec.resources.requests.storage", text))
    found += checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")
    return found + _attributes_class(spec, before, old.get("status") or {})


def _moves_class(spec: Object, before: Object, told: Object, was: Object) -> bool:
    """The class moves from the annotation of old into the field, and stays the same."""
    stored = was.get(volumes.CLASS_ANNOTATION)
    return (
        stored is not None
        and before.get("storageClassName") is None
        and spec.get("storageClassName") == stored
        and told.get(volumes.CLASS_ANNOTATION, stored) == stored
    )


def _comparable(new: Object, old: Object, was: Object) -> tuple[Object, Object]:
    """Both specs, without the differences that are allowed."""
    now, then = dict(new["spec"]), dict(old["spec"])
    if not then.get("volumeName"):
        # Binding is what sets the name.
        resource.keep(then, now, "volumeName")
    given = now.get("storageClassName")
    late = then.get("storageClassName") is None and given is not None
    if late and was.get(volumes.CLASS_ANNOTATION, given) == given:
        # A default class that came later is filled in.
        del now["storageClassName"]
        then.pop("storageClassName", None)
    if (new.get("status") or {}).get("phase") == "Bound":
        requests = (now.get("resources") or {}).get("requests")
        stored = ((then.get("resources") or {}).get("requests") or {}).get("storage")
        if requests and stored is not None:
            now["resources"] = {**now["resources"], "requests": {**requests, "storage": stored}}
        resource.keep(now, then, "volumeAttributesClassName")
    return now, then


def _attributes_class(spec: Object, before: Object, told: Object) -> Errors:
    name, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if name or name == before.get("volumeAttributesClassName") or told.get("currentVolumeAttributesClassName") is None:
        return []
    what = "nil" if name is None else "empty string"
    text = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
    return [field.forbidden(path, text)]


_RESIZES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
)


def validate_status(new: Object, old: Object) -> Errors:
    told = new.get("status") or {}
    found: Errors = []
    for name, value in (told.get("capacity") or {}).items():
        found += _whole(value, f"status.capacity[{name}]")
    path = "status.allocatedResourceStatuses"
    for name, value in (told.get("allocatedResourceStatuses") or {}).items():
        found += _resource(name, path)
        if value not in _RESIZES:
            found.append(field.not_supported(path, name, _RESIZES))
    path = "status.allocatedResources"
    for name, value in (told.get("allocatedResources") or {}).items():
        found += _resource(name, path) or _whole(value, f"{path}[{name}]")
    return found


def _whole(value: Any, path: str) -> Errors:
    amount = quantity.of(value).value()
    return [field.invalid(path, amount, "must be a valid resource quantity")] if amount < 0 else []


def _resource(name: str, path: str) -> Errors:
    found = checks.word(name, path, names.label_key)
    if not found and checks.is_native(name) and name != "storage":
        found.append(field.not_supported(path, name, ("storage",)))
    return found


def warn_create(obj: Object) -> list[str]:
    found = claims.spec_warnings(obj["spec"], "spec")
    if volumes.CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
        found.insert(0, f"metadata.annotations[{volumes.CLASS_ANNOTATION}]: {volumes.CLASS_DEPRECATED}")
    return found


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def _storage(spec: Object) -> quantity.Quantity:
    return quantity.of(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _capacity(obj: Object) -> quantity.Quantity:
    return quantity.of(((obj.get("status") or {}).get("capacity") or {}).get("storage", "0"))


def columns(obj: Object, now: float) -> list[Any]:
    spec, told, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    bound = bool(spec.get("volumeName"))
    return [
        printing.name(obj),
        "Terminating" if meta.get("deletionTimestamp") else told.get("phase", ""),
        spec.get("volumeName", ""),
        (told.get("capacity") or {}).get("storage", "0") if bound else "",
        volumes.access_modes(told.get("accessModes")) if bound else "",
        (meta.get("annotations") or {}).get(volumes.CLASS_ANNOTATION) or spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or printing.UNSET,
        printing.age(obj, now),
        spec.get("volumeMode") or printing.UNSET,
    ]
