"""Where a cluster's files are.

STATE/                        /var/lib/kijabi for root, else ~/.local/state/kijabi (or KIJABI_STATE)
  images/                     built images, shared by all clusters
  clusters/NAME/
    cluster.json              what was asked for and what was allotted (``state.Cluster``)
    components.json           what the supervisor keeps alive
    pki/  *.conf              keys, certificates, kubeconfigs: kubeadm's names
    store.sqlite              the store
    logs/COMPONENT.log
    nodes/NODE/               a node's containerd root, kubelet root, CNI configuration
RUN/clusters/NAME/            /run/kijabi for root: sockets, namespaces, containerd's state; gone after a reboot
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def state_root() -> Path:
    chosen = os.environ.get("KIJABI_STATE")
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/kijabi")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "kijabi"


def run_root() -> Path:
    """Short on purpose: a Unix socket's path may have 107 bytes."""
    if os.environ.get("KIJABI_STATE"):
        return state_root() / "run"
    if os.geteuid() == 0:
        return Path("/run/kijabi")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "kijabi" if runtime else Path(f"/tmp/kijabi-{os.geteuid()}")


@dataclass(frozen=True, slots=True)
class Node:
    """One node's places. ``state`` survives a reboot, ``run`` does not."""

    state: Path
    run: Path

    @property
    def namespace(self) -> Path:
        return self.run / "netns"

    @property
    def containerd_root(self) -> Path:
        return self.state / "containerd"

    @property
    def containerd_state(self) -> Path:
        return self.run / "containerd"

    @property
    def containerd_config(self) -> Path:
        return self.state / "containerd.toml"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def cni(self) -> Path:
        return self.state / "cni"

    @property
    def cni_state(self) -> Path:
        return self.state / "cni-addresses"

    @property
    def kubelet_root(self) -> Path:
        return self.state / "kubelet"

    @property
    def pod_logs(self) -> Path:
        return self.state / "pod-logs"


@dataclass(frozen=True, slots=True)
class Cluster:
    name: str
    state: Path
    run: Path

    @property
    def record(self) -> Path:
        return self.state / "cluster.json"

    @property
    def components(self) -> Path:
        return self.state / "components.json"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def store(self) -> Path:
        return self.state / "store.sqlite"

    @property
    def socket(self) -> Path:
        return self.run / "supervisor.sock"

    @property
    def lock(self) -> Path:
        return self.state.parent / f".{self.name}.lock"

    def kubeconfig(self, who: str) -> Path:
        """``who``: admin, controller-manager, scheduler, kubelet-NODE, proxy, dns."""
        return self.state / f"{who}.conf"

    def node(self, name: str) -> Node:
        return Node(self.state / "nodes" / name, self.run / "nodes" / name)


def cluster(name: str) -> Cluster:
    return Cluster(name, state_root() / "clusters" / name, run_root() / "clusters" / name)


def images() -> Path:
    return state_root() / "images"


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Whole or not at all, and never readable by others in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
