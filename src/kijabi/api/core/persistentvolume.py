"""PersistentVolumes."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, names, printing, quantity, resource, served
from kijabi.api.checks import Errors
from kijabi.api.core import claims, inner, volumes
from kijabi.api.core.podspec import advice, defaults, placement, sources
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
# In upstream's order: the first that is there counts, those after it are one too many.
_SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)
_POLICIES = ("Delete", "Recycle", "Retain")
_DEPRECATED = ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd")
_ANNOTATIONS = {
    volumes.CLASS_ANNOTATION: volumes.CLASS_DEPRECATED,
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
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
    if spec.get("azureFile") is not None:
        spec["azureFile"].setdefault("secretNamespace", None)
    defaults.default_volume_source(spec)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": obj["metadata"].get("creationTimestamp")}


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")


def prepare_status(new: Object, old: Object) -> None:
    """A writer that does not know of the time of the last transition need not tell it."""
    told, before = new.setdefault("status", {}), old.get("status") or {}
    known = before.get("lastPhaseTransitionTime")
    if told.get("phase") == before.get("phase"):
        if told.get("lastPhaseTransitionTime") is None and known is not None:
            told["lastPhaseTransitionTime"] = known
    elif told.get("lastPhaseTransitionTime") in (None, known):
        # The one moment of which this function knows: that of the write, in the writer's managed fields.
        times = [entry["time"] for entry in new["metadata"].get("managedFields") or () if entry.get("time")]
        told["lastPhaseTransitionTime"] = max(times, default=known)


def _source(spec: Object) -> Object:
    return {kind: spec[kind] for kind in _SOURCES if kind in spec}


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found: Errors = []
    if not spec.get("accessModes"):
        found.append(field.required("spec.accessModes"))
    found += volumes.validate_modes(spec.get("accessModes"), "spec.accessModes")
    found += _capacity(spec.get("capacity") or {}, "spec.capacity")
    policy = spec.get("persistentVolumeReclaimPolicy")
    found += checks.optional(policy, "spec.persistentVolumeReclaimPolicy", _POLICIES)
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        if affinity.get("required") is None:
            text = "must specify required node constraints"
            found.append(field.required("spec.nodeAffinity.required", text))
        else:
            found += placement.node_selector(affinity["required"], "spec.nodeAffinity.required")
    found += _sources(spec, obj["metadata"].get("name", ""))
    if (spec.get("hostPath") or {}).get("path", "").rstrip("/") == "" and "hostPath" in spec and policy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(field.forbidden("spec.persistentVolumeReclaimPolicy", text))
    if spec.get("storageClassName"):
        found += checks.word(spec["storageClassName"], "spec.storageClassName", names.dns_subdomain)
    found += checks.pointer(spec, "volumeMode", "spec", volumes.MODES)
    return found + _attributes_class(spec) + _mount_options(obj)


_MOUNTED = {
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
}
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"


def _mount_options(obj: Object) -> Errors:
    """The annotation of old, which only these sources knew."""
    if _MOUNT_OPTIONS not in (obj["metadata"].get("annotations") or {}) or _MOUNTED & obj["spec"].keys():
        return []
    path = f"metadata.annotations.{_MOUNT_OPTIONS}"
    return [field.forbidden(path, "may not specify mount options for this volume type")]


def _capacity(capacity: Object, path: str) -> Errors:
    found = [] if capacity else [field.required(path)]
    if "storage" not in capacity or len(capacity) > 1:
        found.append(field.not_supported(path, capacity or None, ("storage",)))
    for name, value in capacity.items():
        amount = quantity.of(value)
        if amount.value() < 0:
            found.append(field.invalid(f"{path}[{name}]", amount.value(), "must be a valid resource quantity"))
        if amount.nanos <= 0:
            found.append(field.invalid(f"{path}[{name}]", str(amount), claims.POSITIVE))
    return found


def _sources(spec: Object, name: str) -> Errors:
    given = [kind for kind in _SOURCES if spec.get(kind) is not None]
    if not given:
        return [field.required("spec", "must specify a volume type")]
    first = given[0]
    found: Errors = []
    if "iscsi" in given:
        text = sources.iscsi_name(spec["iscsi"], name)
        portal = spec["iscsi"].get("targetPortal", "")
        found += [field.invalid("spec.iscsi.targetportal", portal, text)] if text else []
    found += sources.RULES[first](spec[first], sources.path_of(first, "spec"), True)
    found += [sources.too_many(kind, "spec") for kind in given[1:]]
    if first == "local" and spec.get("nodeAffinity") is None:
        found.append(field.required("spec.nodeAffinity", "Local volume requires node affinity"))
    return found


def _attributes_class(spec: Object) -> Errors:
    name, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if name is None:
        return []
    found = checks.word(name, path, names.dns_subdomain) if name else []
    if not name:
        found.append(field.required(path, "an empty string is disallowed"))
    if spec.get("csi") is None:
        found.append(field.required("spec.csi", "has to be specified when using volumeAttributesClassName"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    # Upstream looks through it twice.
    found = 2 * (metadata.validate(new["metadata"], False, metadata.subdomain) + validate_create(new))
    now, was = _source(spec), _source(before)
    secret = "controllerExpandSecretRef"
    if "csi" in now and "csi" in was and secret not in was["csi"]:
        now = {**now, "csi": {key: value for key, value in now["csi"].items() if key != secret}}
    if now != was:
        text = "spec.persistentvolumesource is immutable after creation"
        changes = inner.diff("PersistentVolumeSource", was, now)
        found.append(field.forbidden("spec.persistentvolumesource", f"{text}\n{changes}"))
    found += checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")
    found += _affinity_kept(spec.get("nodeAffinity"), before.get("nodeAffinity"))
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        text = "update from non-nil value to nil is forbidden"
        found.append(field.forbidden("spec.volumeAttributesClassName", text))
    return found


# Labels that got other names: an affinity may follow.
_RENAMED = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def _affinity_kept(new: Object | None, old: Object | None) -> Errors:
    if old is None or new == old or _renamed(new) == _renamed(old):
        return []
    text = "field is immutable, except for updating from beta label to GA"
    shown = inner.show("VolumeNodeAffinity", new) if new is not None else None
    return [field.invalid("nodeAffinity", shown, text)]


def _renamed(value: Object | None) -> list[Object]:
    """An affinity with every key by its new name."""
    terms = ((value or {}).get("required") or {}).get("nodeSelectorTerms") or []
    return [
        {
            key: [{**one, "key": _RENAMED.get(one.get("key", ""), one.get("key"))} for one in term.get(key) or ()]
            for key in ("matchExpressions", "matchFields")
        }
        for term in terms
    ]


def warn_create(obj: Object) -> list[str]:
    spec, told = obj["spec"], obj["metadata"].get("annotations") or {}
    found = [f"metadata.annotations[{key}]: {text}" for key, text in _ANNOTATIONS.items() if key in told]
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "The Recycle reclaim policy is deprecated."
        text = f"{text} Instead, the recommended approach is to use dynamic provisioning."
        found.append(f"spec.persistentVolumeReclaimPolicy: {text}")
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    for position, term in enumerate(required.get("nodeSelectorTerms") or ()):
        found += advice.node_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{position}]")
    spelled = {"storageos": "storageOS"}
    found += [f"spec.{spelled.get(kind, kind)}: {advice.SOURCES[kind]}" for kind in _DEPRECATED if kind in spec]
    return found


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


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
