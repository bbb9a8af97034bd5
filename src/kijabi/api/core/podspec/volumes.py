"""Validation of a pod's volumes."""

from __future__ import annotations

from kijabi.api import checks, field, metadata, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.core import claims
from kijabi.api.core.podspec import environment, paths, sources
from kijabi.api.resource import Object

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_FILE_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.annotations", "metadata.labels")

# In upstream's order: the first that is there counts, those after it are one too many.
_KINDS = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)


def validate(volumes: list[Object], path: str, of_pod: bool) -> tuple[dict[str, Object], Errors]:
    """The volumes that are fine, which mounts may then use, by name; and what is wrong with the others."""
    found: Errors = []
    good: dict[str, Object] = {}
    for position, volume in enumerate(volumes):
        where = f"{path}[{position}]"
        name = volume.get("name", "")
        problems = _source(volume, where, of_pod)
        problems += checks.required_word(name, f"{where}.name", names.dns_label)
        if name in good:
            problems.append(field.duplicate(f"{where}.name", name))
        if problems:
            found += problems
        else:
            good[name] = volume
    return good, found


def _source(volume: Object, path: str, of_pod: bool) -> Errors:
    given = [kind for kind in _KINDS if volume.get(kind) is not None]
    if not given:
        return [field.required(path, "must specify a volume type")]
    found = _kind(given[0], volume[given[0]], sources.path_of(given[0], path), of_pod)
    found += [sources.too_many(kind, path) for kind in given[1:]]
    if "iscsi" in given:
        name = volume.get("name", "")
        text = sources.iscsi_name(volume["iscsi"], name)
        found += [field.invalid(f"{path}.name", name, text)] if text else []
    return found


def _kind(kind: str, source: Object, path: str, of_pod: bool) -> Errors:
    match kind:
        case "emptyDir":
            limit = source.get("sizeLimit")
            if limit is not None and quantity.of(limit).nanos < 0:
                return [field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
            return []
        case "gitRepo":
            found = [] if source.get("repository") else [field.required(f"{path}.repository")]
            return found + paths.descending(source.get("directory", ""), f"{path}.directory")
        case "secret":
            found = [] if source.get("secretName") else [field.required(f"{path}.secretName")]
            return found + _mode(source, "defaultMode", path) + _files(source, path)
        case "configMap":
            found = [] if source.get("name") else [field.required(f"{path}.name")]
            return found + _mode(source, "defaultMode", path) + _files(source, path)
        case "downwardAPI":
            return _mode(source, "defaultMode", path) + _downward(source.get("items") or [], path)
        case "projected":
            return _projected(source, path)
        case "persistentVolumeClaim":
            return [] if source.get("claimName") else [field.required(f"{path}.claimName")]
        case "ephemeral":
            return _ephemeral(source, path)
        case "image":
            found = [field.required(f"{path}.reference")] if of_pod and not source.get("reference") else []
            policies = ("Always", "IfNotPresent", "Never")
            return found + checks.one_of(source.get("pullPolicy"), f"{path}.pullPolicy", policies)
    return sources.RULES[kind](source, path, False)


def _ephemeral(source: Object, path: str) -> Errors:
    template = source.get("volumeClaimTemplate")
    where = f"{path}.volumeClaimTemplate"
    if template is None:
        return [field.required(where)]
    meta = template.get("metadata") or {}
    found = metadata.validate_annotations(meta.get("annotations"), f"{where}.metadata.annotations")
    found += metadata.validate_labels(meta.get("labels"), f"{where}.metadata.labels")
    others = [key for key, value in meta.items() if key not in ("annotations", "labels") and value]
    found += [field.forbidden(f"{where}.metadata.{key}", "cannot be set") for key in others]
    return found + claims.validate_spec(template.get("spec") or {}, f"{where}.spec")


def claims_of(volumes: list[Object], pod: str, path: str) -> Errors:
    """The claims that are made for a pod carry its name: they must be possible, and not used by another volume."""
    made = {f"{pod}-{volume.get('name', '')}" for volume in volumes if "ephemeral" in volume}
    if not made or not pod:
        return []
    found: Errors = []
    for position, volume in enumerate(volumes):
        where = f"{path}[{position}]"
        name = volume.get("name", "")
        if "ephemeral" in volume and name:
            claim = f"{pod}-{name}"
            texts = names.dns_subdomain(claim)
            found += [field.invalid(f"{where}.name", name, f'PVC name "{claim}": {text}') for text in texts]
        used = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
        if used in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            found.append(field.invalid(f"{where}.persistentVolumeClaim.claimName", used, text))
    return found


def _mode(holder: Object, key: str, path: str) -> Errors:
    mode = holder.get(key)
    return [field.invalid(f"{path}.{key}", mode, _MODE)] if mode is not None and not 0 <= mode <= 0o777 else []


def _files(source: Object, path: str) -> Errors:
    found: Errors = []
    for position, item in enumerate(source.get("items") or ()):
        found += _file(item, f"{path}.items[{position}]")
    return found


def _file(item: Object, path: str) -> Errors:
    found = [field.required(f"{path}.{key}") for key in ("key", "path") if not item.get(key)]
    return found + paths.unreserved(item.get("path", ""), f"{path}.path") + _mode(item, "mode", path)


def _downward(items: list[Object], path: str) -> Errors:
    return [problem for item in items for problem in _downward_file(item, path)]


def _downward_file(item: Object, path: str) -> Errors:
    # The position is not told: upstream's, too, names the list.
    found = [] if item.get("path") else [field.required(f"{path}.path")]
    found += paths.unreserved(item.get("path", ""), f"{path}.path")
    if item.get("fieldRef") is not None:
        found += environment.field_reference(item["fieldRef"], _FILE_FIELDS, f"{path}.fieldRef")
        if item.get("resourceFieldRef") is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(field.invalid(path, "resource", text))
    elif item.get("resourceFieldRef") is not None:
        found += environment.resource_reference(item["resourceFieldRef"], f"{path}.resourceFieldRef", True)
    else:
        found.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
    return found + _mode(item, "mode", path)


def _projected(source: Object, path: str) -> Errors:
    found = _mode(source, "defaultMode", path)
    taken: set[str] = set()
    for position, part in enumerate(source.get("sources") or ()):
        where = f"{path}.sources[{position}]"
        for kind in ("secret", "configMap"):
            if part.get(kind) is not None:
                found += _projected_files(part[kind], taken, f"{where}.{kind}", path)
        for item in (part.get("downwardAPI") or {}).get("items") or ():
            found += _downward_file(item, f"{where}.downwardAPI")
            target = item.get("path", "")
            found += _taken(target, taken, target, path)
        if part.get("serviceAccountToken") is not None:
            found += _token(part["serviceAccountToken"], f"{where}.serviceAccountToken", path)
        if len(part) > 1:
            found.append(field.forbidden(where, "may not specify more than 1 volume type per source"))
    return found


def _projected_files(part: Object, taken: set[str], path: str, volume: str) -> Errors:
    found = [] if part.get("name") else [field.required(f"{path}.name")]
    for position, item in enumerate(part.get("items") or ()):
        found += _file(item, f"{path}.items[{position}]")
        found += _taken(item.get("path", ""), taken, part.get("name", ""), volume)
    return found


def _taken(target: str, taken: set[str], shown: str, path: str) -> Errors:
    if not target:
        return []
    if target in taken:
        return [field.invalid(path, shown, "conflicting duplicate paths")]
    taken.add(target)
    return []


def _token(part: Object, path: str, volume: str) -> Errors:
    found = []
    seconds = part.get("expirationSeconds", 3600)
    if seconds < 600:
        text = "may not specify a duration less than 10 minutes"
        found.append(field.invalid(f"{path}.expirationSeconds", seconds, text))
    if seconds > 1 << 32:
        text = "may not specify a duration larger than 2^32 seconds"
        found.append(field.invalid(f"{path}.expirationSeconds", seconds, text))
    if not part.get("path"):
        return [*found, field.required(f"{volume}.path")]
    return found + paths.unreserved(part["path"], f"{volume}.path")
