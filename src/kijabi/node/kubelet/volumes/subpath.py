"""Part of a volume as a mount, safe against links that a container plants in it.

Every step is opened relative to the one before without following links out of the volume; what is mounted is the opened
file itself, by a bind mount of its descriptor, so that nothing can be exchanged between the check and the mount.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from kijabi.node.kubelet.volumes import mounting

_MAXIMUM_LINKS = 40


class Escapes(Exception):
    """The path leads out of its volume."""


def open_inside(root: Path, relative: str, create_mode: int | None = None) -> int:
    """A descriptor (O_PATH) of ``relative`` under ``root``; missing directories are made with ``create_mode``."""
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    stack = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    links = 0
    try:
        while parts:
            part = parts.pop(0)
            if part == "..":
                if len(stack) == 1:
                    raise Escapes(f"subpath {relative!r} not within volume path {str(root)!r}")
                os.close(stack.pop())
                continue
            descriptor = _step(stack[-1], part, create_mode)
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                links += 1
                target = os.readlink(part, dir_fd=stack[-1])
                if links > _MAXIMUM_LINKS or target.startswith("/"):
                    raise Escapes(f"subpath {relative!r} not within volume path {str(root)!r}")
                parts = [piece for piece in target.split("/") if piece not in ("", ".")] + parts
                continue
            stack.append(descriptor)
        return stack.pop()
    finally:
        for descriptor in stack:
            os.close(descriptor)


def _step(parent: int, part: str, create_mode: int | None) -> int:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(part, flags, dir_fd=parent)
    except FileNotFoundError:
        if create_mode is None:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, dir_fd=parent)
    made = os.open(part, flags, dir_fd=parent)
    os.chmod(f"/proc/self/fd/{made}", create_mode)
    return made


def mount(root: Path, relative: str, target: Path) -> Path:
    """Bind ``root``/``relative`` to ``target`` and return what to give to the runtime.

    Without the right to mount (not root), the resolved path itself is returned.
    """
    descriptor = open_inside(root, relative, create_mode=root.stat().st_mode & 0o7777)
    try:
        source = f"/proc/self/fd/{descriptor}"
        if os.path.ismount(target):
            mounting.unmount(target)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        try:
            mounting.bind(source, target)
        except PermissionError:
            return Path(os.readlink(source))
        return target
    finally:
        os.close(descriptor)
