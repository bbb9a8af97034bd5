"""What is written down about a cluster: what was asked for, and the index, ports and numbers allotted to it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from kijabi.cluster import addresses, errors, paths
from kijabi.kit import jsons

Runtime = Literal["containerd", "hollow"]
DEFAULT_NAME = "kijabi"

# The name ends up in a kubeconfig context, in cgroup and directory names and in host names.
_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")


@dataclass(slots=True)
class Node:
    """``number`` gives its addresses; ``ports`` (kubelet) are its own only where nodes share a host."""

    name: str
    number: int
    stopped: bool = False
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Cluster:
    """``ports``: apiserver, scheduler, controller-manager. ``version`` is the layout's, for later changes of it.

    ``arguments``: flags by component and name, on top of what the assembly gives a component.
    """

    name: str
    index: int
    runtime: Runtime
    store: str
    address: str
    ports: dict[str, int]
    nodes: list[Node] = field(default_factory=list)
    version: int = 1
    arguments: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def plan(self) -> addresses.Plan:
        return addresses.Plan(self.index)

    @property
    def paths(self) -> paths.Cluster:
        return paths.cluster(self.name)

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.ports['apiserver']}"

    @property
    def in_namespaces(self) -> bool:
        return self.runtime == "containerd"

    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise errors.Unknown(f"cluster {self.name} has no node {name}: see `kijabi status --name {self.name}`")


def check_name(name: str) -> None:
    if not _NAME.match(name):
        raise errors.ClusterError(f"{name!r} cannot be a name: use lower-case letters, digits and '-', at most 32")


def decode(document: dict[str, Any]) -> Cluster:
    known = {entry.name for entry in dataclasses.fields(Cluster)}
    values = {key: value for key, value in document.items() if key in known}
    values["nodes"] = [Node(**node) for node in document.get("nodes", ())]
    return Cluster(**values)


def load(name: str) -> Cluster | None:
    try:
        return decode(jsons.loads(paths.cluster(name).record.read_bytes()))
    except FileNotFoundError:
        return None
    except (jsons.Malformed, TypeError, KeyError) as error:
        raise errors.ClusterError(
            f"{paths.cluster(name).record} cannot be read ({error}): remove it with `kijabi down --name {name}`"
        ) from error


def must_load(name: str) -> Cluster:
    cluster = load(name)
    if cluster is None:
        raise errors.Unknown(f"there is no cluster {name}: make it with `kijabi up --name {name}`")
    return cluster


def save(cluster: Cluster) -> None:
    paths.write(cluster.paths.record, jsons.dumps(dataclasses.asdict(cluster)))


def names() -> list[str]:
    """Every cluster this user has, broken ones too."""
    root = paths.state_root() / "clusters"
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir()) if root.is_dir() else []


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One ``up``, ``down`` or ``node`` at a time per cluster; the others wait."""
    check_name(name)
    with _lock(paths.cluster(name).lock):
        yield


@contextlib.contextmanager
def allotting() -> Iterator[None]:
    """Held while an index or a port is chosen, so that two clusters made at once never get the same."""
    with _lock(paths.state_root() / ".allot.lock"):
        yield


@contextlib.contextmanager
def _lock(path: Any) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
