"""Validation of where the data of a volume comes from: the sources that pods and PersistentVolumes have in common.

``persistent`` tells a PersistentVolume's form of a source from a pod's: it has no namespace around it, so it names the
namespaces of its secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import paths
from kijabi.api.resource import Object

Rule = Callable[[Object, str, bool], Errors]

_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_PARTITION = names.between(1, 255)
_HOST_AND_PORT = "must be a host:port pair or multiple pairs separated by commas"


def _required(source: Object, path: str, *keys: str) -> Errors:
    return [field.required(f"{path}.{key}") for key in keys if not source.get(key)]


def _secret(source: Object, path: str, persistent: bool) -> Errors:
    reference = source.get("secretRef")
    if reference is None:
        return []
    return _required(reference, f"{path}.secretRef", "name", *(("namespace",) if persistent else ()))


def _host_path(source: Object, path: str, persistent: bool) -> Errors:
    if not source.get("path"):
        return [field.required(f"{path}.path")]
    found = paths.no_backsteps(source["path"], f"{path}.path")
    return found + checks.pointer(source, "type", path, _HOST_PATH_TYPES)


def _gce_disk(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "pdName") + _partition(source, path)


def _aws_disk(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "volumeID") + _partition(source, path)


def _partition(source: Object, path: str) -> Errors:
    number = source.get("partition", 0)
    return [] if 0 <= number <= 255 else [field.invalid(f"{path}.partition", number, _PARTITION)]


def _nfs(source: Object, path: str, persistent: bool) -> Errors:
    found = _required(source, path, "server", "path")
    if not source.get("path", "").startswith("/"):
        found.append(field.invalid(f"{path}.path", source.get("path", ""), "must be an absolute path"))
    return found


_IQN = re.compile(
    r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9-.]+)(:[^,;*&$|\s]+)$"  # iqn.yyyy-mm.naming-authority:unique-name
)
_INITIATORS = {"iqn": _IQN, "eui": re.compile(r"eui.[0-9a-zA-Z]{16}$"), "naa": re.compile(r"naa.[0-9a-zA-Z]{32}$")}
_ISCSI_NAME = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)


def _iscsi(source: Object, path: str, persistent: bool) -> Errors:
    found = _required(source, path, "targetPortal")
    if not source.get("iqn"):
        found.append(field.required(f"{path}.iqn"))
    else:
        found += _initiator(source["iqn"], f"{path}.iqn", persistent)
    lun = source.get("lun", 0)
    if not 0 <= lun <= 255:
        found.append(field.invalid(f"{path}.lun", lun, names.between(0, 255)))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        found.append(field.required(f"{path}.secretRef"))
    if persistent and source.get("secretRef") is not None:
        found += _required(source["secretRef"], f"{path}.secretRef", "name")
    if source.get("initiatorName") is not None:
        found += _initiator(source["initiatorName"], f"{path}.initiatorname", persistent)
    return found


def _initiator(name: str, path: str, persistent: bool) -> Errors:
    rule = _INITIATORS.get(name[:3])
    if rule is None:
        text = "must be valid format" if persistent else "must be valid format starting with iqn, eui, or naa"
        return [field.invalid(path, name, text)]
    return [] if rule.match(name) else [field.invalid(path, name, "must be valid format")]


def iscsi_name(source: Object, name: str) -> str:
    """What is wrong with the name of a volume on iSCSI: with an initiator it becomes part of an interface's."""
    if source.get("initiatorName") is None:
        return ""
    return _ISCSI_NAME if len(f"{name}:{source.get('targetPortal', '')}") > 64 else ""


def _glusterfs(source: Object, path: str, persistent: bool) -> Errors:
    found = _required(source, path, "endpoints", "path")
    namespace = source.get("endpointsNamespace") if persistent else None
    if namespace == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        found.append(field.invalid(f"{path}.endpointsNamespace", namespace, text))
    elif namespace is not None:
        found += checks.word(namespace, f"{path}.endpointsNamespace", names.dns_label)
    return found


def _flocker(source: Object, path: str, persistent: bool) -> Errors:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    found: Errors = []
    if not name and not uuid:
        found.append(field.required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        found.append(field.invalid(path, "resource", text))
    if "/" in name:
        found.append(field.invalid(f"{path}.datasetName", name, "must not contain '/'"))
    return found


def _rbd(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "monitors", "image")


def _cinder(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "volumeID") + _secret(source, path, persistent)


def _cephfs(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "monitors")


def _quobyte(source: Object, path: str, persistent: bool) -> Errors:
    registry, tenant = source.get("registry", ""), source.get("tenant", "")
    found: Errors = []
    if not registry:
        found.append(field.required(f"{path}.registry", _HOST_AND_PORT))
    elif len(tenant) >= 65:
        text = "must be a UUID and may not exceed a length of 64 characters"
        found.append(field.required(f"{path}.tenant", text))
    else:
        wrong = [pair for pair in registry.split(",") if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair)]
        found += [field.invalid(f"{path}.registry", registry, _HOST_AND_PORT)] * len(wrong)
    return found + _required(source, path, "volume")


def _fc(source: Object, path: str, persistent: bool) -> Errors:
    targets, ids = source.get("targetWWNs") or [], source.get("wwids") or []
    found: Errors = []
    where = f"{path}.targetWWNs"
    if not targets and not ids:
        found.append(field.required(where, "must specify either targetWWNs or wwids, but not both"))
    if targets and ids:
        found.append(field.invalid(where, targets, "targetWWNs and wwids can not be specified simultaneously"))
    lun = source.get("lun")
    if targets and lun is None:
        found.append(field.required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    elif targets and lun is not None and not 0 <= lun <= 255:
        found.append(field.invalid(f"{path}.lun", lun, names.between(0, 255)))
    return found


def _flex(source: Object, path: str, persistent: bool) -> Errors:
    found = _required(source, path, "driver")
    for key in source.get("options") or ():
        space = "." + key.partition("/")[0].lower()
        if space.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            found.append(field.invalid(f"{path}.options[{key}]", key, text))
    return found


def _azure_file(source: Object, path: str, persistent: bool) -> Errors:
    found = _required(source, path, "secretName", "shareName")
    if persistent and source.get("secretNamespace") == "":
        found.append(field.required(f"{path}.secretNamespace"))
    return found


_MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def _azure_disk(source: Object, path: str, persistent: bool) -> Errors:
    found = _required(source, path, "diskName", "diskURI")
    found += checks.pointer(source, "cachingMode", path, ("None", "ReadOnly", "ReadWrite"))
    kind, uri = source.get("kind"), source.get("diskURI", "")
    found += checks.pointer(source, "kind", path, ("Dedicated", "Managed", "Shared"))
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        found.append(field.not_supported(f"{path}.diskURI", uri, (_MANAGED_DISK,)))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        found.append(field.not_supported(f"{path}.diskURI", uri, (_BLOB_DISK,)))
    return found


def _vsphere(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "volumePath")


def _photon(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "pdID")


def _portworx(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "volumeID")


def _scale_io(source: Object, path: str, persistent: bool) -> Errors:
    return _required(source, path, "gateway", "system", "volumeName")


def _storage_os(source: Object, path: str, persistent: bool) -> Errors:
    found = checks.required_word(source.get("volumeName"), f"{path}.volumeName", names.dns_label)
    if source.get("volumeNamespace"):
        found += checks.word(source["volumeNamespace"], f"{path}.volumeNamespace", names.dns_label)
    return found + _secret(source, path, persistent)


def _local(source: Object, path: str, persistent: bool) -> Errors:
    if not source.get("path"):
        return [field.required(f"{path}.path")]
    return paths.no_backsteps(source["path"], f"{path}.path")


def csi_driver(name: str | None, path: str) -> Errors:
    if not name:
        return [field.required(path)]
    found = [field.too_long(path, 63)] if len(name) > 63 else []
    return found + [field.invalid(path, name, text) for text in names.dns_subdomain(name.lower())]


_CSI_SECRETS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)


def _csi(source: Object, path: str, persistent: bool) -> Errors:
    found = csi_driver(source.get("driver"), f"{path}.driver")
    if not persistent:
        return found + _publish_secret(source.get("nodePublishSecretRef"), path)
    found += _required(source, path, "volumeHandle")
    for key in _CSI_SECRETS:
        reference = source.get(key)
        if reference is not None:
            found += checks.required_word(reference.get("name"), f"{path}.{key}.name", names.dns_subdomain)
            found += checks.required_word(reference.get("namespace"), f"{path}.{key}.namespace", names.dns_label)
    return found


def _publish_secret(reference: Object | None, path: str) -> Errors:
    if reference is None:
        return []
    if not reference.get("name"):
        return [field.required(f"{path}.nodePublishSecretRef.name")]
    return checks.word(reference["name"], f"{path}.name", names.dns_subdomain)


RULES: dict[str, Rule] = {
    "hostPath": _host_path,
    "gcePersistentDisk": _gce_disk,
    "awsElasticBlockStore": _aws_disk,
    "nfs": _nfs,
    "iscsi": _iscsi,
    "glusterfs": _glusterfs,
    "flocker": _flocker,
    "rbd": _rbd,
    "cinder": _cinder,
    "cephfs": _cephfs,
    "quobyte": _quobyte,
    "fc": _fc,
    "flexVolume": _flex,
    "azureFile": _azure_file,
    "vsphereVolume": _vsphere,
    "photonPersistentDisk": _photon,
    "portworxVolume": _portworx,
    "azureDisk": _azure_disk,
    "storageos": _storage_os,
    "scaleIO": _scale_io,
    "local": _local,
    "csi": _csi,
}
# The paths of two sources are not what their fields are called.
_PATHS = {"gcePersistentDisk": "persistentDisk"}
_TOO_MANY_PATHS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}


def path_of(kind: str, path: str) -> str:
    return f"{path}.{_PATHS.get(kind, kind)}"


def too_many(kind: str, path: str) -> field.Error:
    return field.forbidden(f"{path}.{_TOO_MANY_PATHS.get(kind, kind)}", "may not specify more than 1 volume type")
