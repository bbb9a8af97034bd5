"""The volumes of a pod on disk: made, brought up to date, and taken away.

``mount`` may be called again at any time: what is there stays, contents made of API objects are brought up to date.
Layout below the kubelet's root is upstream's (``pods/UID/volumes/kubernetes.io~KIND/NAME``).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kijabi.api import errors, kinds, quantity
from kijabi.client import rest, transport
from kijabi.node.kubelet import objects, pods, tokens
from kijabi.node.kubelet.volumes import atomic, content, mounting

log = logging.getLogger(__name__)

_DIRECTORIES: Final = {
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "projected": "kubernetes.io~projected",
    "downwardAPI": "kubernetes.io~downward-api",
    "emptyDir": "kubernetes.io~empty-dir",
}
_IN_MEMORY: Final = {"secret", "projected"}


class Failure(Exception):
    """Some volumes cannot be mounted: ``problems`` maps their names to upstream's texts."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class Mounted:
    """Where a volume is on the host; ``read_only`` when its claim or source says so."""

    path: Path
    read_only: bool = False
    propagates: bool = False


@dataclass(slots=True)
class Volumes:
    root: Path
    client: rest.Client
    tokens: tokens.Tokens
    on_disk: bool = True
    allocatable: Mapping[str, str] = field(default_factory=dict)

    def pod_directory(self, uid: str) -> Path:
        return self.root / "pods" / uid

    async def mount(
        self, pod: pods.Object, found: Mapping[objects.Reference, pods.Object | None]
    ) -> dict[str, Mounted]:
        """Every volume of the pod by name; ``found`` are the objects that ``objects.of_volumes`` asks for."""
        mounted: dict[str, Mounted] = {}
        problems: dict[str, str] = {}
        for volume in pod["spec"].get("volumes") or ():
            name = volume["name"]
            try:
                mounted[name] = await self._mount(pod, volume, found)
            except (content.Missing, errors.ApiError, transport.Unreachable) as error:
                problems[name] = str(error)
            except OSError as error:
                problems[name] = f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
        if problems:
            raise Failure(problems)
        return mounted

    async def _mount(
        self, pod: pods.Object, volume: dict[str, Any], found: Mapping[objects.Reference, pods.Object | None]
    ) -> Mounted:
        kind = next((kind for kind in _DIRECTORIES if volume.get(kind) is not None), "")
        if kind == "emptyDir":
            return self._empty_directory(pod, volume)
        if kind:
            return await self._content(pod, volume, kind, found)
        if volume.get("hostPath"):
            source = volume["hostPath"]
            if self.on_disk:
                prepare_host_path(source["path"], source.get("type") or "")
            return Mounted(Path(source["path"]), propagates=True)
        if volume.get("persistentVolumeClaim") or volume.get("ephemeral"):
            return await self._claim(pod, volume)
        other = next((key for key in volume if key != "name"), "")
        raise content.Missing(
            f'failed to get Plugin from volumeSpec for volume "{volume["name"]}" '
            f"err=no volume plugin matched for {other}"
        )

    def _path(self, pod: pods.Object, kind: str, name: str) -> Path:
        return self.pod_directory(pods.uid(pod)) / "volumes" / _DIRECTORIES[kind] / name

    def _empty_directory(self, pod: pods.Object, volume: dict[str, Any]) -> Mounted:
        source = volume["emptyDir"] or {}
        path = self._path(pod, "emptyDir", volume["name"])
        if not self.on_disk or path.exists():
            return Mounted(path)
        medium = source.get("medium") or ""
        if medium not in ("", "Memory"):
            raise content.Missing(f'unknown storage medium "{medium}"')
        path.mkdir(parents=True)
        if medium == "Memory":
            limit = source.get("sizeLimit")
            mounting.tmpfs(path, f"size={quantity.parse(str(limit)).value()}" if limit else "")
        path.chmod(0o777)
        _own(path, _fs_group(pod), read_only=False)
        return Mounted(path)

    async def _content(
        self,
        pod: pods.Object,
        volume: dict[str, Any],
        kind: str,
        found: Mapping[objects.Reference, pods.Object | None],
    ) -> Mounted:
        path = self._path(pod, kind, volume["name"])
        namespace = pods.namespace(pod)
        issued = {}
        if self.on_disk:
            issued = {request: await self.tokens.get(pod, request) for request in content.tokens(volume)}

        def look(kind: str, name: str) -> dict[str, bytes] | None:
            obj = found.get((kind, namespace, name))
            return None if obj is None else objects.data(kind, obj)

        sources = content.Sources(
            config_map=lambda name: look(objects.CONFIG_MAP, name),
            secret=lambda name: look(objects.SECRET, name),
            token=lambda request: issued.get(request, ""),
            allocatable=self.allocatable,
        )
        payload = content.payload(pod, volume, sources)
        if self.on_disk:
            self._write(path, payload, kind in _IN_MEMORY, _fs_group(pod))
        return Mounted(path, read_only=True)

    @staticmethod
    def _write(path: Path, payload: content.Payload, in_memory: bool, group: int | None) -> None:
        if not path.exists():
            path.mkdir(parents=True)
            if in_memory:
                # Secrets stay off the disk; without the right to mount they lie in the kubelet's own directory.
                with contextlib.suppress(PermissionError):
                    mounting.tmpfs(path)
            path.chmod(0o777)
            _own(path, group, read_only=False)
        atomic.write(path, payload, group)

    async def _claim(self, pod: pods.Object, volume: dict[str, Any]) -> Mounted:
        source = volume.get("persistentVolumeClaim") or {}
        name = source.get("claimName") or f"{pods.name(pod)}-{volume['name']}"
        namespace = pods.namespace(pod)
        try:
            claim = await self.client.get(kinds.PERSISTENT_VOLUME_CLAIMS, name, namespace)
        except errors.NotFound as error:
            raise content.Missing(f"error processing PVC {namespace}/{name}: {error}") from error
        bound = (claim.get("spec") or {}).get("volumeName")
        if not bound or (claim.get("status") or {}).get("phase") != "Bound":
            raise content.Missing(f"error processing PVC {namespace}/{name}: PVC is not bound")
        spec = (await self.client.get(kinds.PERSISTENT_VOLUMES, bound))["spec"]
        read_only = bool(source.get("readOnly"))
        if spec.get("hostPath"):
            if self.on_disk:
                prepare_host_path(spec["hostPath"]["path"], spec["hostPath"].get("type") or "")
            return Mounted(Path(spec["hostPath"]["path"]), read_only, propagates=True)
        if spec.get("local"):
            path = Path(spec["local"]["path"])
            if self.on_disk and not os.path.isdir(path):  # noqa: ASYNC240  # one stat of a local path
                raise content.Missing(f'path "{path}" does not exist')
            if self.on_disk and _fs_group(pod) is not None:
                # A volume may hold many files.
                await asyncio.to_thread(_own, path, _fs_group(pod), read_only)
            return Mounted(path, read_only)
        driver = (spec.get("csi") or {}).get("driver", "")
        if driver:
            raise content.Missing(
                f"kubernetes.io/csi: driver name {driver} not found in the list of registered CSI drivers"
            )
        raise content.Missing(f'no volume plugin matched for the source of persistent volume "{bound}"')

    async def unmount(self, uid: str) -> None:
        """Take away everything of a pod; bind mounts first, so that no file of a volume is touched through them."""
        self.tokens.forget(uid)
        if self.on_disk:
            await asyncio.to_thread(remove_tree, self.pod_directory(uid))


def remove_tree(directory: Path) -> None:
    if not directory.exists():
        return
    for point in mounting.mounted_below(directory):
        mounting.unmount(point)
    shutil.rmtree(directory)


def _fs_group(pod: pods.Object) -> int | None:
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return None if group is None else int(group)


def _own(path: Path, group: int | None, read_only: bool) -> None:
    """Give a volume to the pod's fsGroup: the group may do what is needed, and new files inherit it."""
    if group is None:
        return
    for base, _, names in os.walk(path):
        for each in [base, *(os.path.join(base, name) for name in names)]:
            status = os.lstat(each)
            if stat.S_ISLNK(status.st_mode):
                continue
            os.lchown(each, -1, group)
            mask = 0o440 if read_only else 0o660
            if stat.S_ISDIR(status.st_mode):
                mask |= stat.S_ISGID | 0o110
            os.chmod(each, stat.S_IMODE(status.st_mode) | mask)


_CHECKS: Final = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare_host_path(path: str, type_: str) -> None:
    """Check a hostPath against its type, making what ``...OrCreate`` asks for."""
    if not type_:
        return
    if type_ == "DirectoryOrCreate" and not os.path.exists(path):
        os.makedirs(path, 0o755)
    elif type_ == "FileOrCreate" and not os.path.exists(path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
    check, what = _CHECKS[type_.removesuffix("OrCreate")]
    try:
        right = check(os.stat(path).st_mode)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        right = False
    if not right:
        raise content.Missing(f"hostPath type check failed: {path} is not {what}")
