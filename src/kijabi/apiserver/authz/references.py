"""What a pod and a persistent volume point at: the edges of the Node authorizer's graph. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kijabi.apiserver import contract

Object = contract.Object

MIRROR_POD = "kubernetes.io/config.mirror"

# Volume source -> the path of the secret's name inside it.
_SECRET_FIELDS: dict[str, tuple[str, ...]] = {
    "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "cinder": ("secretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "secret": ("secretName",),
    "scaleIO": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
}


def _dig(value: Any, path: tuple[str, ...]) -> str:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def containers(spec: Object) -> Iterator[Object]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key) or ()


def secrets(pod: Object) -> set[str]:
    """Names of the secrets a pod uses: pull secrets, environment, volumes."""
    spec = pod.get("spec") or {}
    names = {_dig(ref, ("name",)) for ref in spec.get("imagePullSecrets") or ()}
    names |= set(_environment(spec, "secretRef", "secretKeyRef"))
    for volume in spec.get("volumes") or ():
        for source, path in _SECRET_FIELDS.items():
            if source in volume:
                names.add(_dig(volume[source], path))
        for projection in (volume.get("projected") or {}).get("sources") or ():
            names.add(_dig(projection, ("secret", "name")))
    return names - {""}


def config_maps(pod: Object) -> set[str]:
    spec = pod.get("spec") or {}
    names = set(_environment(spec, "configMapRef", "configMapKeyRef"))
    for volume in spec.get("volumes") or ():
        names.add(_dig(volume, ("configMap", "name")))
        for projection in (volume.get("projected") or {}).get("sources") or ():
            names.add(_dig(projection, ("configMap", "name")))
    return names - {""}


def _environment(spec: Object, whole: str, single: str) -> Iterator[str]:
    for container in containers(spec):
        for source in container.get("envFrom") or ():
            yield _dig(source, (whole, "name"))
        for variable in container.get("env") or ():
            yield _dig(variable, ("valueFrom", single, "name"))


def claims(pod: Object) -> set[str]:
    """Names of the PersistentVolumeClaims, those of ephemeral volumes (POD-VOLUME) among them."""
    names = set()
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        names.add(_dig(volume, ("persistentVolumeClaim", "claimName")))
        if "ephemeral" in volume:
            names.add(f"{pod['metadata']['name']}-{volume['name']}")
    return names - {""}


def resource_claims(pod: Object) -> set[str]:
    status = pod.get("status") or {}
    generated = {one.get("name"): one.get("resourceClaimName", "") for one in status.get("resourceClaimStatuses") or ()}
    names = {_dig(status, ("extendedResourceClaimStatus", "resourceClaimName"))}
    for claim in (pod.get("spec") or {}).get("resourceClaims") or ():
        names.add(claim.get("resourceClaimName") or generated.get(claim.get("name"), ""))
    return names - {""}


def volume_secrets(volume: Object) -> set[tuple[str, str]]:
    """(namespace, name) of the secrets that a kubelet needs for a bound PersistentVolume."""
    spec = volume.get("spec") or {}
    home = _dig(spec, ("claimRef", "namespace"))
    found = set()
    azure = spec.get("azureFile") or {}
    if azure.get("secretName"):
        found.add((azure.get("secretNamespace") or home, azure["secretName"]))
    for source in ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"):
        ref = (spec.get(source) or {}).get("secretRef") or {}
        if ref.get("name"):
            found.add((ref.get("namespace") or home, ref["name"]))
    csi = spec.get("csi") or {}
    for key in ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"):
        ref = csi.get(key) or {}
        if ref.get("name"):
            found.add((ref.get("namespace", ""), ref["name"]))
    return found
