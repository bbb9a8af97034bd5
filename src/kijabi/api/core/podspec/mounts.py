"""Validation of a container's volume mounts and block devices."""

from __future__ import annotations

from collections.abc import Mapping

from kijabi.api import field
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import paths
from kijabi.api.resource import Object

# The volumes of a pod that are fine, by name.
Volumes = Mapping[str, Object]

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def validate(container: Object, volumes: Volumes, path: str) -> Errors:
    found: Errors = []
    taken: set[str] = set()
    devices = {device.get("name", ""): device.get("devicePath", "") for device in container.get("volumeDevices") or ()}
    for position, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}[{position}]"
        name, target = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            found.append(field.required(f"{where}.name"))
        if name not in volumes:
            found.append(field.not_found(f"{where}.name", name))
        if not target:
            found.append(field.required(f"{where}.mountPath"))
        if target in taken:
            found.append(field.invalid(f"{where}.mountPath", target, "must be unique"))
        taken.add(target)
        if name in devices:
            found.append(field.invalid(f"{where}.name", name, "must not already exist in volumeDevices"))
        if target in devices.values():
            text = "must not already exist as a path in volumeDevices"
            found.append(field.invalid(f"{where}.mountPath", target, text))
        # Some paths here name the list and not the mount: upstream's, and clients may look for them.
        found += _sub_paths(mount, where, path) + _propagation(mount, container, f"{path}.mountPropagation")
        found += _recursive(mount, f"{path}.recursiveReadOnly")
    return found


def _sub_paths(mount: Object, where: str, path: str) -> Errors:
    found: Errors = []
    if mount.get("subPath"):
        found += paths.descending(mount["subPath"], f"{path}.subPath")
    expression = mount.get("subPathExpr")
    if expression:
        if mount.get("subPath"):
            text = "subPathExpr and subPath are mutually exclusive"
            found.append(field.invalid(f"{where}.subPathExpr", expression, text))
        found += paths.descending(expression, f"{path}.subPathExpr")
    return found


def _propagation(mount: Object, container: Object, path: str) -> Errors:
    wanted = mount.get("mountPropagation")
    if wanted is None:
        return []
    if wanted not in _PROPAGATIONS:
        return [field.not_supported(path, wanted, _PROPAGATIONS)]
    if wanted == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        return [field.forbidden(path, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _recursive(mount: Object, path: str) -> Errors:
    wanted = mount.get("recursiveReadOnly")
    if wanted is None or wanted == "Disabled":
        return []
    if wanted not in _RECURSIVE:
        return [field.not_supported(path, wanted, _RECURSIVE)]
    found: Errors = []
    if not mount.get("readOnly"):
        found.append(field.forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        text = "may only be specified when mountPropagation is None or not specified"
        found.append(field.forbidden(path, text))
    return found


def validate_devices(container: Object, volumes: Volumes, path: str) -> Errors:
    found: Errors = []
    taken_paths: set[str] = set()
    taken_names: set[str] = set()
    mounts = {mount.get("name", ""): mount.get("mountPath", "") for mount in container.get("volumeMounts") or ()}
    for position, device in enumerate(container.get("volumeDevices") or ()):
        where = f"{path}[{position}]"
        found += _device_name(device, volumes, taken_names, f"{where}.name")
        found += _device_path(device, taken_paths, f"{where}.devicePath")
        name, target = device.get("name", ""), device.get("devicePath", "")
        if name in mounts:
            found.append(field.invalid(f"{where}.name", name, "must not already exist in volumeMounts"))
        if target in mounts.values():
            text = "must not already exist as a path in volumeMounts"
            found.append(field.invalid(f"{where}.devicePath", target, text))
    return found


def _device_name(device: Object, volumes: Volumes, taken: set[str], path: str) -> Errors:
    name = device.get("name", "")
    found = [] if name else [field.required(path)]
    if name in taken:
        found.append(field.invalid(path, name, "must be unique"))
    volume = volumes.get(name)
    if volume is None:
        found.append(field.not_found(path, name))
    elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
        text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        found.append(field.invalid(path, name, text))
    if name:
        taken.add(name)
    return found


def _device_path(device: Object, taken: set[str], path: str) -> Errors:
    target = device.get("devicePath", "")
    found = [] if target else [field.required(path)]
    if target in taken:
        found.append(field.invalid(path, target, "must be unique"))
    if ".." in target.split("/"):
        found.append(field.invalid(path, target, "can not contain backsteps ('..')"))
    else:
        taken.add(target)
    return found
