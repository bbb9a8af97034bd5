"""Storage: a default class for claims, finalizers that keep what is in use, and growth only where allowed."""

from __future__ import annotations

from kijabi.api import kinds, quantity, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

Object = contract.Object

DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"

_FINALIZERS = {
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


def class_of(claim: Object) -> str | None:
    """The storage class a claim asks for: empty for explicitly none, None where it says nothing."""
    annotations = claim["metadata"].get("annotations") or {}
    if CLASS_ANNOTATION in annotations:
        return str(annotations[CLASS_ANNOTATION])
    name = claim["spec"].get("storageClassName")
    return None if name is None else str(name)


class DefaultStorageClass(plugin.Plugin):
    name = "DefaultStorageClass"

    def __init__(self, access: contract.Access) -> None:
        self._classes = plugin.Watched(access, kinds.STORAGE_CLASSES)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and plugin.is_kind(what, kinds.PERSISTENT_VOLUME_CLAIMS) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        claim = attributes.object
        if claim is None or class_of(claim) is not None:
            return
        default = plugin.newest_default(self._classes.items(), DEFAULT_CLASS)
        if default is not None:
            claim["spec"]["storageClassName"] = default["metadata"]["name"]


class StorageObjectInUseProtection(plugin.Plugin):
    name = "StorageObjectInUseProtection"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and (what.group, what.plural) in _FINALIZERS and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None:
            return
        finalizer = _FINALIZERS[attributes.resource.group, attributes.resource.plural]
        meta = attributes.object["metadata"]
        if finalizer not in (meta.get("finalizers") or ()):
            meta["finalizers"] = [*(meta.get("finalizers") or ()), finalizer]


class PersistentVolumeClaimResize(plugin.Plugin):
    name = "PersistentVolumeClaimResize"

    def __init__(self, access: contract.Access) -> None:
        self._classes = plugin.Watched(access, kinds.STORAGE_CLASSES)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.UPDATE and plugin.is_kind(what, kinds.PERSISTENT_VOLUME_CLAIMS) and not subresource

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        new, old = attributes.object, attributes.old_object
        if new is None or old is None or _size(new) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise plugin.refused(attributes, "Only bound persistent volume claims can be expanded")
        name = class_of(new)
        found = self._classes.get(name) if name and name == class_of(old) else None
        if found is None or not found.get("allowVolumeExpansion"):
            raise plugin.refused(
                attributes,
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
                "must support resize",
            )


def _size(claim: Object) -> quantity.Quantity:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return quantity.of(requests.get("storage", "0"))
