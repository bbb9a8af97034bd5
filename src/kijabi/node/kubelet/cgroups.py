"""Pods' own cgroups, on v1 and v2: made before the sandbox, removed after the last container.

The runtime makes the containers' cgroups below them. On v1 every controller has its own tree; a machine may mount v1
controllers beside an empty v2 tree, which then counts as v1. Without write access (no root, read-only mounts) nothing
is made and the runtime's own defaults hold.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from kijabi.node.kubelet import pods, resources

log = logging.getLogger(__name__)

ROOT = Path("/sys/fs/cgroup")
_V1_CONTROLLERS = ("cpu", "cpuacct", "memory", "pids", "cpuset", "blkio", "devices", "freezer", "systemd", "unified")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """``v2`` says which kind; ``mounts`` are the directories of the controllers (one for v2)."""

    v2: bool
    mounts: tuple[Path, ...]


def detect(root: Path = ROOT) -> Hierarchy:
    if (root / "cgroup.controllers").exists():
        return Hierarchy(True, (root,))
    found = []
    for name in _V1_CONTROLLERS:
        directory = root / name
        # Where controllers are mounted together, names are links to one directory.
        if directory.is_dir():
            found.append(directory.resolve())
    return Hierarchy(False, tuple(dict.fromkeys(found)))


def v1_writes(limits: resources.PodLimits) -> dict[str, str]:
    writes = {"cpu.shares": str(limits.cpu_shares)}
    if limits.cpu_quota:
        writes["cpu.cfs_period_us"] = str(resources.PERIOD)
        writes["cpu.cfs_quota_us"] = str(limits.cpu_quota)
    if limits.memory_bytes:
        writes["memory.limit_in_bytes"] = str(limits.memory_bytes)
    return writes


def v2_writes(limits: resources.PodLimits) -> dict[str, str]:
    writes = {"cpu.weight": str(weight(limits.cpu_shares))}
    if limits.cpu_quota:
        writes["cpu.max"] = f"{limits.cpu_quota} {resources.PERIOD}"
    if limits.memory_bytes:
        writes["memory.max"] = str(limits.memory_bytes)
    return writes


def weight(shares: int) -> int:
    """v1 shares (2 to 262144) as a v2 weight (1 to 10000)."""
    return 1 + ((shares - 2) * 9999) // 262142


class Cgroups:
    """``driver`` is cgroupfs or systemd; with systemd the slices are the init system's to make."""

    def __init__(self, driver: str, root: str, hierarchy: Hierarchy) -> None:
        self._driver = driver
        self._root = root
        self.hierarchy = hierarchy
        self._usable = driver == "cgroupfs"

    def prepare(self, pod: pods.Object) -> None:
        """Make the pod's cgroup and set its limits; what cannot be set is logged and left."""
        if not self._usable:
            return
        parent = resources.cgroup_parent(pod, self._driver, self._root).lstrip("/")
        limits = resources.pod_limits(pod)
        writes = v2_writes(limits) if self.hierarchy.v2 else v1_writes(limits)
        for mount in self.hierarchy.mounts:
            directory = mount / parent
            try:
                _make(mount, directory, self.hierarchy.v2)
            except OSError as error:
                log.warning("cgroup %s: %s; pod cgroups are left to the runtime", directory, error)
                self._usable = False
                return
            for name, value in writes.items():
                if (directory / name).exists():
                    _write(directory / name, value)

    def remove(self, pod: pods.Object) -> None:
        if not self._usable:
            return
        parent = resources.cgroup_parent(pod, self._driver, self._root).lstrip("/")
        for mount in self.hierarchy.mounts:
            _remove(mount / parent)

    def remove_uid(self, uid: str) -> None:
        """Of a pod that nothing but its uid is known of."""
        base = self._root.strip("/")
        for mount in self.hierarchy.mounts if self._usable else ():
            for part in ("kubepods", "kubepods/burstable", "kubepods/besteffort"):
                _remove(mount / base / part / f"pod{uid}")


def _make(mount: Path, directory: Path, v2: bool) -> None:
    if directory.is_dir():
        return
    steps = [directory, *directory.parents]
    for step in reversed(steps[: steps.index(mount)]):
        if not step.is_dir():
            step.mkdir(exist_ok=True)
            if not v2:
                _inherit_cpuset(step)
        if v2 and step != directory:
            controllers = (step / "cgroup.controllers").read_text().split()
            _write(step / "cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))


def _inherit_cpuset(directory: Path) -> None:
    # A new v1 cpuset is empty and refuses processes until it is filled.
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = directory / name
        if file.exists() and not file.read_text().strip():
            _write(file, (directory.parent / name).read_text().strip())


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        log.warning("cgroup %s = %s: %s", path, value, error)


def _remove(directory: Path) -> None:
    if not directory.is_dir():
        return
    # Deepest first: a cgroup with children cannot be removed. Files vanish with it.
    for base, names, _ in os.walk(directory, topdown=False):
        for name in names:
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(base, name))
    with contextlib.suppress(OSError):
        directory.rmdir()
