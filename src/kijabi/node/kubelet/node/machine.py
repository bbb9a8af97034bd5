"""What there is on this machine, read from /proc and /sys."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "armv7l": "arm"}


@dataclass(frozen=True, slots=True)
class Machine:
    """Amounts in cores, bytes and bytes."""

    cpus: int
    memory: int
    disk: int
    hugepages: tuple[tuple[str, int], ...]
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel: str
    os_image: str
    architecture: str
    swap: int = 0


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip()
    return ""


def memory_info() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words:
            found[name] = int(words[0]) * (1024 if len(words) > 1 else 1)
    return found


def disk_size(path: str) -> tuple[int, int]:
    """(all, available) bytes of the file system that ``path`` will be on."""
    where = Path(path)
    while not where.exists():
        where = where.parent
    status = os.statvfs(where)
    return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def _hugepages() -> tuple[tuple[str, int], ...]:
    """(``hugepages-2Mi``, bytes) for each size the kernel offers."""
    found = []
    directory = Path("/sys/kernel/mm/hugepages")
    for entry in sorted(directory.iterdir()) if directory.is_dir() else ():
        kib = int(entry.name.removeprefix("hugepages-").removesuffix("kB"))
        size = f"{kib // 2**20}Gi" if kib >= 2**20 else f"{kib // 1024}Mi" if kib >= 1024 else f"{kib}Ki"
        count = _read(f"{entry}/nr_hugepages")
        found.append((f"hugepages-{size}", kib * 1024 * int(count or 0)))
    return tuple(found)


@cache
def read(root_dir: str) -> Machine:
    """Once: none of it changes while the kubelet runs."""
    info = memory_info()
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory=info.get("MemTotal", 0),
        disk=disk_size(root_dir)[0],
        hugepages=_hugepages(),
        machine_id=_read("/etc/machine-id") or _read("/var/lib/dbus/machine-id"),
        system_uuid=_read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture=architecture(),
        swap=info.get("SwapTotal", 0),
    )


def architecture() -> str:
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def default_address() -> str:
    """The address by which this machine reaches others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def process_ids() -> tuple[int, int]:
    """(highest number of processes allowed, processes now)."""
    limit = int(_read("/proc/sys/kernel/pid_max") or 32768)
    threads = int(_read("/proc/sys/kernel/threads-max") or limit)
    load = _read("/proc/loadavg").split()
    running = int(load[3].partition("/")[2]) if len(load) > 3 else 0
    return min(limit, threads), running
