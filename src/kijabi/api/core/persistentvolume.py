"""PersistentVolumes."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, quantity, resource, served
from kijabi.api.checks import Errors
from kijabi.api.core import volumes
from kijabi.api.core.podspec import defaults, placement
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "persistentvolumes")
COLUMNS = (
    printing.NAME,
    printing.text("Capacity", "How much it holds."),
    printing.text("Access Modes", "How it can be mounted."),
    printing.text("Reclaim Policy", "What happens to it after its claim."),
    printing.text("Status", "The phase it is in."),
    printing.text("Claim", "The claim it is bound to."),
    printing.text("StorageClass", "Its storage class."),
    printing.text("VolumeAttributesClass", "Its volume attributes class."),
    printing.text("Reason", "Why it is in this phase."),
    printing.AGE,
    printing.wide("VolumeMode", "File system or block device."),
)
_NOT_SOURCES = {
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    told = obj.setdefault("status", {})
    if not told.get("phase"):
        told["phase"] = "Pending"
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    spec.setdefault("volumeMode", "Filesystem")
    if "hostPath" in spec:
        spec["hostPath"].setdefault("type", "")
    defaults.default_volume_source(spec)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Pending"}


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")


def _source(spec: Object) -> Object:
    return {key: value for key, value in spec.items() if key not in _NOT_SOURCES}


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found = volumes.validate_modes(spec.get("accessModes"), "spec.accessModes")
    capacity = spec.get("capacity") or {}
    if "storage" not in capacity or len(capacity) > 1:
        found.append(field.not_supported("spec.capacity", capacity, ("storage",)))
    for name, value in capacity.items():
        if quantity.of(value).nanos <= 0:
            found.append(field.invalid(f"spec.capacity[{name}]", str(value), "must be greater than zero"))
    policies = ("Delete", "Recycle", "Retain")
    path = "spec.persistentVolumeReclaimPolicy"
    found += checks.optional(spec.get("persistentVolumeReclaimPolicy"), path, policies)
    sources = list(_source(spec))
    if not sources:
        found.append(field.required("spec", "must specify a volume type"))
    for extra in sources[1:]:
        found.append(field.forbidden(f"spec.{extra}", "may not specify more than 1 volume type"))
    found += checks.optional(spec.get("volumeMode"), "spec.volumeMode", ("Block", "Filesystem"))
    required = (spec.get("nodeAffinity") or {}).get("required")
    if required is not None:
        found += placement.node_selector(required, "spec.nodeAffinity.required")
    elif "local" in spec:
        found.append(field.required("spec.nodeAffinity", "Local volume requires node affinity"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = validate_create(new)
    if _source(spec) != _source(before):
        found.append(
            field.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
        )
    return found + checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "spec.volumeMode")


def fields(obj: Object) -> dict[str, str]:
    return {"name": obj["metadata"].get("name", "")}


def columns(obj: Object, now: float) -> list[Any]:
    spec, told, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    claim = spec.get("claimRef")
    return [
        printing.name(obj),
        (spec.get("capacity") or {}).get("storage", "0"),
        volumes.access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if meta.get("deletionTimestamp") else told.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        (meta.get("annotations") or {}).get(volumes.CLASS_ANNOTATION) or spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or printing.UNSET,
        told.get("reason", ""),
        printing.age(obj, now),
        spec.get("volumeMode") or printing.UNSET,
    ]
