"""etcd as a cluster's store: where its program is, and how one member is run beside the API server.

The member listens on 127.0.0.1 and lets in who has a certificate of its own authority: the API server. Debian's package
is unpacked below the state directory and not installed, because installing it starts a service of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from kijabi.cluster import errors, packages, paths, state
from kijabi.cluster.supervisor import plan

PACKAGE = "etcd-server"


def program(say: Callable[[str], None] = lambda _: None) -> Path:
    """The etcd program: the machine's own, or that of the package, fetched once."""
    found = shutil.which("etcd")
    if found:
        return Path(found)
    home = paths.state_root() / "programs" / "etcd"
    unpacked = home / "usr/bin/etcd"
    if not unpacked.exists():
        say(f"fetching {PACKAGE}")
        home.mkdir(parents=True, exist_ok=True)
        packages.fetch(PACKAGE, home)
        for archive in home.glob(f"{PACKAGE}_*.deb"):
            packages.run(["dpkg", "-x", str(archive), str(home)])
            archive.unlink()
    if subprocess.run([unpacked, "--version"], capture_output=True, check=False).returncode:
        raise errors.ClusterError(f"{unpacked} does not run on this machine: install etcd yourself")
    return unpacked


def server(cluster: state.Cluster) -> str:
    return f"https://127.0.0.1:{cluster.ports['etcd']}"


def options(cluster: state.Cluster) -> dict[str, object]:
    """The API server's options for this store."""
    pki = cluster.paths.pki
    return {
        "etcd_servers": (server(cluster),),
        "etcd_cafile": str(pki / "etcd-ca.crt"),
        "etcd_certfile": str(pki / "apiserver-etcd-client.crt"),
        "etcd_keyfile": str(pki / "apiserver-etcd-client.key"),
    }


def component(cluster: state.Cluster, binary: Path) -> plan.Component:
    pki, client = cluster.paths.pki, server(cluster)
    peer = f"https://127.0.0.1:{cluster.ports['etcd-peer']}"
    pair = ("--cert-file", str(pki / "etcd-server.crt"), "--key-file", str(pki / "etcd-server.key"))
    peer_pair = ("--peer-cert-file", str(pki / "etcd-server.crt"), "--peer-key-file", str(pki / "etcd-server.key"))
    authority = str(pki / "etcd-ca.crt")
    return plan.Component(
        name="etcd",
        log=str(cluster.paths.logs / "etcd.log"),
        command=(
            str(binary),
            *("--name", cluster.name, "--data-dir", str(cluster.paths.state / "etcd")),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"{cluster.name}={peer}"),
            *pair,
            *peer_pair,
            *("--client-cert-auth", "--trusted-ca-file", authority),
            *("--peer-client-cert-auth", "--peer-trusted-ca-file", authority),
            *("--logger", "zap", "--log-level", "warn"),
        ),
        environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )
