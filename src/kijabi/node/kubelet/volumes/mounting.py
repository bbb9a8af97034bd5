"""The few system calls that the standard library lacks: mount and umount."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_BIND: Final = 4096
_DETACH: Final = 2


def _check(result: int, path: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def tmpfs(target: Path, options: str = "") -> None:
    """Mount an empty memory file system. Raises ``OSError`` (EPERM without CAP_SYS_ADMIN)."""
    _check(_LIBC.mount(b"tmpfs", os.fsencode(target), b"tmpfs", 0, options.encode() or None), str(target))


def bind(source: str, target: Path) -> None:
    _check(_LIBC.mount(os.fsencode(source), os.fsencode(target), None, _BIND, None), str(target))


def unmount(target: Path) -> None:
    """Detach whatever is mounted at ``target``, at once; users of open files keep them."""
    _check(_LIBC.umount2(os.fsencode(target), _DETACH), str(target))


def mounted_below(directory: Path) -> list[Path]:
    """Mount points at or under ``directory``, deepest first."""
    prefix = f"{directory}/"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        found = [line.split()[4].encode().decode("unicode_escape") for line in table]
    return [
        Path(path) for path in sorted(found, key=len, reverse=True) if path == str(directory) or path.startswith(prefix)
    ]
