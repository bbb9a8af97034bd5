"""Validation of a pod's volumes."""

from __future__ import annotations

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import containers
from kijabi.api.resource import Object

_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_FILE_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.annotations", "metadata.labels")


def validate(volumes: list[Object], path: str) -> tuple[set[str], Errors]:
    """The names of the volumes that are fine, which mounts may then use, and what is wrong with the others."""
    found: Errors = []
    good: set[str] = set()
    for position, volume in enumerate(volumes):
        where = field.index(path, position)
        name = volume.get("name", "")
        problems = _source(volume, where)
        problems += checks.required_word(name, field.child(where, "name"), names.dns_label)
        if name in good:
            problems.append(field.duplicate(field.child(where, "name"), name))
        if problems:
            found += problems
        else:
            good.add(name)
    return good, found


def _source(volume: Object, path: str) -> Errors:
    kinds = [key for key in volume if key != "name"]
    if not kinds:
        return [field.required(path, "must specify a volume type")]
    found = _kind(kinds[0], volume[kinds[0]], field.child(path, kinds[0]))
    for key in kinds[1:]:
        found.append(field.forbidden(field.child(path, key), "may not specify more than 1 volume type"))
    return found


def _kind(kind: str, source: Object, path: str) -> Errors:
    match kind:
        case "emptyDir":
            limit = source.get("sizeLimit")
            if limit is not None and quantity.of(limit).nanos < 0:
                text = "SizeLimit field must be a valid resource quantity"
                return [field.forbidden(field.child(path, "sizeLimit"), text)]
            return []
        case "hostPath":
            return _host_path(source, path)
        case "secret":
            found = [] if source.get("secretName") else [field.required(field.child(path, "secretName"))]
            return found + _files(source, path)
        case "configMap":
            found = [] if source.get("name") else [field.required(field.child(path, "name"))]
            return found + _files(source, path)
        case "downwardAPI":
            return _mode(source, "defaultMode", path) + _downward(source.get("items") or [], path)
        case "projected":
            return _projected(source, path)
        case "persistentVolumeClaim":
            return [] if source.get("claimName") else [field.required(field.child(path, "claimName"))]
        case "nfs":
            found = [field.required(field.child(path, key)) for key in ("server", "path") if not source.get(key)]
            if source.get("path") and not source["path"].startswith("/"):
                found.append(field.invalid(field.child(path, "path"), source["path"], "must be an absolute path"))
            return found
        case "csi":
            return [] if source.get("driver") else [field.required(field.child(path, "driver"))]
        case "ephemeral":
            where = field.child(path, "volumeClaimTemplate")
            return [] if source.get("volumeClaimTemplate") else [field.required(where)]
    return []


def _host_path(source: Object, path: str) -> Errors:
    where = field.child(path, "path")
    if not source.get("path"):
        return [field.required(where)]
    found = containers.no_backsteps(source["path"], where)
    if source.get("type", "") not in _HOST_PATH_TYPES:
        found.append(field.not_supported(field.child(path, "type"), source["type"], _HOST_PATH_TYPES))
    return found


def _mode(holder: Object, key: str, path: str) -> Errors:
    mode = holder.get(key)
    return [field.invalid(field.child(path, key), mode, _MODE)] if mode is not None and not 0 <= mode <= 0o777 else []


def _files(source: Object, path: str) -> Errors:
    found = _mode(source, "defaultMode", path)
    for position, item in enumerate(source.get("items") or ()):
        where = field.index(field.child(path, "items"), position)
        found += [field.required(field.child(where, key)) for key in ("key", "path") if not item.get(key)]
        found += _reserved(item.get("path", ""), field.child(where, "path"))
        found += _mode(item, "mode", where)
    return found


def _reserved(target: str, path: str) -> Errors:
    found = containers.descending(target, path)
    # The kubelet's atomic writer keeps its own directories under such names.
    if target.startswith("..") and not target.startswith("../") and target != "..":
        found.append(field.invalid(path, target, "must not start with '..'"))
    return found


def _downward(items: list[Object], path: str) -> Errors:
    found: Errors = []
    for item in items:
        where = path
        if not item.get("path"):
            found.append(field.required(field.child(where, "path")))
        found += _reserved(item.get("path", ""), field.child(where, "path"))
        if "fieldRef" in item:
            found += containers.field_reference(item["fieldRef"], _FILE_FIELDS, field.child(where, "fieldRef"))
            if "resourceFieldRef" in item:
                text = "fieldRef and resourceFieldRef can not be specified simultaneously"
                found.append(field.invalid(where, "resource", text))
        elif "resourceFieldRef" in item:
            found += containers.resource_reference(
                item["resourceFieldRef"], field.child(where, "resourceFieldRef"), True
            )
        else:
            found.append(field.required(where, "one of fieldRef and resourceFieldRef is required"))
        found += _mode(item, "mode", where)
    return found


def _projected(source: Object, path: str) -> Errors:
    found = _mode(source, "defaultMode", path)
    taken: set[str] = set()
    for position, part in enumerate(source.get("sources") or ()):
        where = field.index(field.child(path, "sources"), position)
        for kind in part:
            found += _projection(kind, part[kind], field.child(where, kind))
        if len(part) > 1:
            found.append(field.forbidden(where, "may not specify more than 1 volume type"))
        for target in _targets(part):
            if target in taken:
                found.append(field.invalid(where, target, "conflicting duplicate paths"))
            taken.add(target)
    return found


def _projection(kind: str, part: Object, path: str) -> Errors:
    match kind:
        case "secret" | "configMap":
            found = [] if part.get("name") else [field.required(field.child(path, "name"))]
            return found + _files(part, path)
        case "downwardAPI":
            return _downward(part.get("items") or [], path)
        case "serviceAccountToken":
            return _token(part, path)
    return []


def _token(part: Object, path: str) -> Errors:
    found = []
    seconds = part.get("expirationSeconds", 3600)
    where = field.child(path, "expirationSeconds")
    if seconds < 600:
        found.append(field.invalid(where, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > 1 << 32:
        found.append(field.invalid(where, seconds, "may not specify a duration larger than 2^32 seconds"))
    if not part.get("path"):
        found.append(field.required(field.child(path, "path")))
    else:
        found += _reserved(part["path"], field.child(path, "path"))
    return found


def _targets(part: Object) -> list[str]:
    found = [item.get("path", "") for kind in part.values() for item in kind.get("items") or ()]
    if "serviceAccountToken" in part and part["serviceAccountToken"].get("path"):
        found.append(part["serviceAccountToken"]["path"])
    return found
