"""PersistentVolumeClaims."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, printing, quantity, resource, served
from kijabi.api.checks import Errors
from kijabi.api.core import claims, volumes
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
    _mirror_source(obj["spec"])


def _mirror_source(spec: Object) -> None:
    """``dataSource`` and ``dataSourceRef`` say the same for claims and snapshots of the same namespace."""
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    if old and not new:
        spec["dataSourceRef"] = dict(old)
    elif new and not old and not new.get("namespace"):
        spec["dataSource"] = {key: value for key, value in new.items() if key != "namespace"}


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")


def validate_create(obj: Object) -> Errors:
    return claims.validate_spec(obj["spec"], "spec")


validate_spec = claims.validate_spec


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = validate_spec(spec, "spec")
    if not before.get("volumeName") and spec.get("volumeName"):
        # Binding is what sets the name.
        before = {**before, "volumeName": spec["volumeName"]}
    changeable = ("resources", "volumeAttributesClassName")
    fixed, was = ({k: v for k, v in s.items() if k not in changeable} for s in (spec, before))
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if fixed != was or (spec.get("resources") != before.get("resources") and not bound):
        text = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        found.append(field.forbidden("spec", text))
    elif _storage(spec) < max(_storage(before), _capacity(old)) and spec.get("resources") != before.get("resources"):
        text = "field can not be less than status.capacity"
        found.append(field.forbidden("spec.resources.requests.storage", text))
    return found


def _storage(spec: Object) -> quantity.Quantity:
    return quantity.of(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _capacity(obj: Object) -> quantity.Quantity:
    return quantity.of(((obj.get("status") or {}).get("capacity") or {}).get("storage", "0"))


def fields(obj: Object) -> dict[str, str]:
    return {"name": obj["metadata"].get("name", "")}


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
