"""Ends and removes whatever a node left in the machine, from what the machine itself shows.

Nothing here trusts a record: processes are found by the node's network namespace, its cgroups and its containerd's
shims, mounts by their place, cgroups by their prefix. So it works on a node that was half made or half removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kijabi.cluster import paths

CGROUPS = Path("/sys/fs/cgroup")
_CONTAINER_PROGRAMS = ("containerd", "containerd-shim", "runc", "crun")
_MNT_DETACH = 2
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Process:
    """``arguments`` are its command line; ``network`` identifies its network namespace."""

    pid: int
    parent: int
    arguments: tuple[str, ...]
    network: tuple[int, int] | None


def belongs(processes: Iterable[Process], places: Iterable[Path], networks: set[tuple[int, int]]) -> set[int]:
    """The processes of nodes at ``places`` or in ``networks``: containerd, shims, and all that descends from them."""
    everyone = list(processes)
    prefixes = tuple(f"{place}/" for place in places)
    found = {
        process.pid
        for process in everyone
        if process.network in networks or (_is_container_program(process) and _mentions(process, prefixes))
    }
    children: dict[int, list[int]] = {}
    for process in everyone:
        children.setdefault(process.parent, []).append(process.pid)
    open_pids = list(found)
    while open_pids:
        for child in children.get(open_pids.pop(), ()):
            if child not in found:
                found.add(child)
                open_pids.append(child)
    return found


def _is_container_program(process: Process) -> bool:
    return bool(process.arguments) and os.path.basename(process.arguments[0]).startswith(_CONTAINER_PROGRAMS)


def _mentions(process: Process, prefixes: tuple[str, ...]) -> bool:
    return any(argument.startswith(prefixes) for argument in process.arguments)


def mounts_below(mountinfo: str, places: Iterable[Path]) -> list[str]:
    """Mount points at or below the places, the deepest first. ``mountinfo``: /proc/self/mountinfo."""
    prefixes = [str(place) for place in places]
    points = [line.split(" ")[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    ours = [point for point in points if any(point == prefix or point.startswith(f"{prefix}/") for prefix in prefixes)]
    # What was mounted later lies over what was mounted earlier, and goes first.
    return ours[::-1]


def sweep(places: Iterable[paths.Node], cgroup: str) -> None:
    """Kill, unmount, remove cgroups. ``cgroup``: the prefix below every hierarchy, such as ``/kijabi/dev/node-1``."""
    nodes = list(places)
    directories = [directory for node in nodes for directory in (node.state, node.run)]
    networks = {identity for node in nodes if (identity := _identity(node.namespace)) is not None}
    own = _identity(Path("/proc/self/ns/net"))
    networks.discard(own or (0, 0))
    _kill_all(lambda: belongs(list_processes(), directories, networks) | _in_cgroups(cgroup))
    for point in mounts_below(Path("/proc/self/mountinfo").read_text(), directories):
        _unmount(point)
    _remove_cgroups(cgroup)


def remove_files(directories: Iterable[Path]) -> None:
    """Delete the trees. One that still has a mount in it is left: better a leftover than somebody's files deleted."""
    for directory in directories:
        if not mounts_below(Path("/proc/self/mountinfo").read_text(), [directory]):
            shutil.rmtree(directory, ignore_errors=True)


def list_processes() -> list[Process]:
    return [process for entry in os.listdir("/proc") if entry.isdigit() if (process := _read(int(entry))) is not None]


def _read(pid: int) -> Process | None:
    root = Path(f"/proc/{pid}")
    try:
        # The name in parentheses may itself contain anything, so the fields are counted from its end.
        fields = (root / "stat").read_text(errors="replace").rpartition(")")[2].split()
        if fields[0] == "Z":
            return None
        arguments = tuple((root / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0"))
        return Process(pid, int(fields[1]), arguments, _identity(root / "ns/net"))
    except (OSError, IndexError):
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # An unmounted place is an ordinary file, which is no namespace and identifies nobody.
    return (status.st_dev, status.st_ino)


def _kill_all(find: Callable[[], set[int]]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (pids := find() - {os.getpid(), os.getppid()}) and time.monotonic() < deadline:
        handles = []
        for pid in pids:
            with contextlib.suppress(OSError):
                handle = os.pidfd_open(pid)
                handles.append(handle)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        for handle in handles:
            waiting = select.poll()
            waiting.register(handle, select.POLLIN)
            waiting.poll(1000)
            os.close(handle)


def _cgroup_roots(prefix: str) -> list[Path]:
    """The prefix in every hierarchy: the controllers' own of version 1, and version 2's."""
    candidates = [CGROUPS, *(entry for entry in CGROUPS.iterdir() if entry.is_dir())] if CGROUPS.is_dir() else []
    return [root / prefix.lstrip("/") for root in candidates if (root / prefix.lstrip("/")).is_dir()]


def _in_cgroups(prefix: str) -> set[int]:
    found: set[int] = set()
    for root in _cgroup_roots(prefix):
        for directory, _, _ in os.walk(root):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in Path(directory, "cgroup.procs").read_text().split())
    return found


def _remove_cgroups(prefix: str) -> None:
    for root in _cgroup_roots(prefix):
        for directory, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        # The directories above are shared; they go when they are empty.
        for parent in list(root.parents)[: prefix.strip("/").count("/")]:
            with contextlib.suppress(OSError):
                os.rmdir(parent)


def _unmount(point: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    path = point.encode()
    if libc.umount2(path, 0) != 0:
        libc.umount2(path, _MNT_DETACH)
