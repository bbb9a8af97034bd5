"""The user's kubeconfig: a context is merged in by ``up`` and taken out by ``down``, as kind does.

Which file (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and kind's rules):
``KUBECONFIG`` may list several; a new context goes to the first that exists, or else to the last of the list; an old
one is removed from every file that has it. Without the variable it is ``~/.kube/config``. A file is replaced whole
while ``FILE.lock`` is held, the way client-go locks it, and is readable by its owner only.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kijabi.cluster import errors, paths
from kijabi.kit import yamls

Config = dict[str, Any]
LOCK_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server, as a certificate's owner. All but the address is PEM."""

    server: str
    authority: bytes
    certificate: bytes
    key: bytes


def build(access: Access, *, user: str, cluster: str) -> Config:
    """A kubeconfig with one context, ``USER@CLUSTER`` as kubeadm names it."""
    context = f"{user}@{cluster}"
    trusted = {"certificate-authority-data": _inline(access.authority), "server": access.server}
    identity = {"client-certificate-data": _inline(access.certificate), "client-key-data": _inline(access.key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": trusted}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
    }


def _inline(data: bytes) -> str:
    return base64.b64encode(data).decode()


def context_name(cluster: str) -> str:
    """``kijabi-NAME``, as kind's ``kind-NAME``."""
    return f"kijabi-{cluster}"


def files(environment: Mapping[str, str], home: Path) -> list[Path]:
    """The files kubectl would read, in its order."""
    listed = [part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return list(dict.fromkeys(Path(part) for part in listed)) or [home / ".kube/config"]


def file_for_new(candidates: list[Path]) -> Path:
    return next((path for path in candidates if path.exists()), candidates[-1])


def merged(old: Config | None, ours: Config) -> Config:
    """``old`` with the entries of ``ours`` put in or replaced, and its current context set to ours."""
    result: Config = copy.deepcopy(old) if old else {}
    result.setdefault("apiVersion", "v1")
    result.setdefault("kind", "Config")
    for section in ("clusters", "users", "contexts"):
        names = {entry["name"] for entry in ours[section]}
        kept = [entry for entry in result.get(section) or () if entry.get("name") not in names]
        result[section] = [*kept, *ours[section]]
    result["current-context"] = ours["current-context"]
    return result


def without(old: Config | None, name: str) -> Config | None:
    """``old`` without our context, cluster and user; None when there is nothing of ours in it."""
    if not old:
        return None
    sections = ("clusters", "users", "contexts")
    has_ours = any(entry.get("name") == name for section in sections for entry in old.get(section) or ())
    if not has_ours and old.get("current-context") != name:
        return None
    result = copy.deepcopy(old)
    for section in sections:
        result[section] = [entry for entry in result.get(section) or () if entry.get("name") != name]
    if result.get("current-context") == name:
        result["current-context"] = ""
    return result


def add(ours: Config, candidates: list[Path]) -> Path:
    """Merge into the right one of the files; gives the file."""
    path = file_for_new(candidates)
    with _locked(path):
        _write(path, merged(_read(path), ours))
    return path


def remove(name: str, candidates: list[Path]) -> list[Path]:
    """Take our context out of every file that has it; gives those files."""
    changed = []
    for path in candidates:
        if not path.exists():
            continue
        with _locked(path):
            rest = without(_read(path), name)
            if rest is None:
                continue
            _write(path, rest)
            changed.append(path)
    return changed


def _read(path: Path) -> Config | None:
    try:
        document = yamls.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except yamls.Malformed as error:
        raise errors.ClusterError(f"{path} is not a kubeconfig ({error}): repair or move it, then try again") from error
    if document is not None and not isinstance(document, dict):
        raise errors.ClusterError(f"{path} is not a kubeconfig: repair or move it, then try again")
    return document


def _write(path: Path, config: Config) -> None:
    # A link (dotfiles kept elsewhere) stays a link.
    paths.write(path.resolve() if path.is_symlink() else path, yamls.dumps(config).encode())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """client-go's lock: the file ``PATH.lock`` exists while somebody writes."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise errors.ClusterError(f"{path} is locked: delete {lock} if no kubectl is running") from None
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
