"""Files that change all at once: a reader sees the old set or the new one, never a mixture.

The files are in a directory with a time in its name; ``..data`` is a symbolic link to it, replaced by rename; each
visible name is a link through ``..data``. A payload that is there already is not written again. Layout and steps are
upstream's atomic writer's, because programs in containers watch ``..data``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATA: Final = "..data"
_DATA_NEW: Final = "..data_tmp"


@dataclass(frozen=True, slots=True)
class File:
    """``uid`` is the owner when it must not be root (tokens for a pod that runs as somebody)."""

    data: bytes
    mode: int = 0o644
    uid: int | None = None


Payload = Mapping[str, File]


def write(target: Path, payload: Payload, group: int | None = None) -> bool:
    """Make ``target`` show exactly ``payload`` (paths relative to it); ``group`` is the pod's fsGroup.

    True when something changed. Raises ``OSError``, and then the old set is still whole.
    """
    target.mkdir(parents=True, exist_ok=True)
    current = _current(target)
    if current is not None and _same(target / current, payload, group):
        _link_names(target, payload)
        return False
    fresh = _new_directory(target)
    try:
        for path, file in payload.items():
            _write_file(fresh / path, file, group)
        _own_directories(fresh, group)
        _switch(target, fresh.name)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _link_names(target, payload)
    _unlink_gone(target, payload)
    if current is not None and current != fresh.name:
        shutil.rmtree(target / current, ignore_errors=True)
    return True


def _current(target: Path) -> str | None:
    try:
        return os.readlink(target / DATA)
    except OSError:
        return None


def _same(directory: Path, payload: Payload, group: int | None) -> bool:
    found = {str((Path(base) / name).relative_to(directory)) for base, _, names in os.walk(directory) for name in names}
    if found != {os.path.normpath(path) for path in payload}:
        return False
    for path, file in payload.items():
        status = (directory / path).stat()
        if status.st_mode & 0o777 != _mode(file, group) & 0o777 or (directory / path).read_bytes() != file.data:
            return False
    return True


def _mode(file: File, group: int | None) -> int:
    # The pod's group may read what its owner may.
    return file.mode | 0o440 if group is not None else file.mode


def _new_directory(target: Path) -> Path:
    stamp = time.strftime("%Y_%m_%d_%H_%M_%S", time.gmtime())
    fresh = target / f"..{stamp}.{secrets.randbelow(2**32):010d}"
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    return fresh


def _write_file(path: Path, file: File, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.write(file.data)
    if group is not None or file.uid is not None:
        os.chown(path, -1 if file.uid is None else file.uid, -1 if group is None else group)
    # The umask must not weaken the mode, and chown clears bits: so the mode comes last.
    path.chmod(_mode(file, group))


def _own_directories(fresh: Path, group: int | None) -> None:
    for base, _, _ in os.walk(fresh):
        if group is not None:
            os.chown(base, -1, group)
        os.chmod(base, 0o2755 if group is not None else 0o755)


def _switch(target: Path, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        (target / _DATA_NEW).unlink()
    os.symlink(name, target / _DATA_NEW)
    os.rename(target / _DATA_NEW, target / DATA)


def _first_parts(payload: Payload) -> set[str]:
    return {os.path.normpath(path).split(os.sep, 1)[0] for path in payload}


def _link_names(target: Path, payload: Payload) -> None:
    for name in _first_parts(payload):
        if not os.path.lexists(target / name):
            os.symlink(os.path.join(DATA, name), target / name)


def _unlink_gone(target: Path, payload: Payload) -> None:
    wanted = _first_parts(payload)
    for entry in os.scandir(target):
        if not entry.name.startswith("..") and entry.name not in wanted and entry.is_symlink():
            os.unlink(entry.path)
