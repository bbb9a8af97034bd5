"""StorageClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("storage.k8s.io/v1", "storageclasses")
COLUMNS = (
    printing.NAME,
    printing.text("Provisioner", "Who makes the volumes."),
    printing.text("ReclaimPolicy", "What happens to volumes after their claims."),
    printing.text("VolumeBindingMode", "Whether volumes wait for a pod."),
    printing.text("AllowVolumeExpansion", "Whether volumes can grow."),
    printing.AGE,
)
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def default(obj: Object) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def is_default(obj: Object) -> bool:
    """Whether claims without a class get this one."""
    annotations = obj["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in _DEFAULT)


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    if not obj.get("provisioner"):
        found.append(field.required("provisioner"))
    else:
        found += checks.word(obj["provisioner"].lower(), "provisioner", names.label_key)
    for key in obj.get("parameters") or ():
        if not key:
            found.append(field.invalid("parameters", key, "field can not be empty."))
    found += checks.optional(obj.get("reclaimPolicy"), "reclaimPolicy", ("Delete", "Retain"))
    choices = ("Immediate", "WaitForFirstConsumer")
    return found + checks.one_of(obj.get("volumeBindingMode"), "volumeBindingMode", choices)


def validate_update(new: Object, old: Object) -> Errors:
    found: Errors = []
    if (new.get("parameters") or {}) != (old.get("parameters") or {}):
        found.append(field.forbidden("parameters", "updates to parameters are forbidden."))
    if new.get("provisioner") != old.get("provisioner"):
        found.append(field.forbidden("provisioner", "updates to provisioner are forbidden."))
    if new.get("reclaimPolicy") != old.get("reclaimPolicy"):
        found.append(field.forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
    return found + checks.immutable(new.get("volumeBindingMode"), old.get("volumeBindingMode"), "volumeBindingMode")


def columns(obj: Object, now: float) -> list[Any]:
    name = printing.name(obj)
    return [
        f"{name} (default)" if is_default(obj) else name,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        printing.age(obj, now),
    ]
