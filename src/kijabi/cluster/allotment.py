"""Gives a new cluster what must be its own: an index (and with it addresses), a place to listen, ports."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

from kijabi.cluster import addresses, errors, network, state

# The ports upstream uses; taken where they are free.
USUAL = {"apiserver": 6443, "scheduler": 10259, "controller-manager": 10257}
# On 127.0.0.1, whatever the cluster's own address is.
ETCD = {"etcd": 2379, "etcd-peer": 2380}
LOOPBACK = "127.0.0.1"


def allot(name: str, runtime: state.Runtime, store: str) -> state.Cluster:
    """A cluster on record, without nodes. Call it while ``state.allotting`` is held."""
    others = [cluster for other in state.names() if (cluster := _readable(other)) is not None]
    routed = network.routed_networks() if runtime == "containerd" else []
    index = addresses.choose_index([other.index for other in others], routed)
    if index is None:
        raise errors.ClusterError("no range of addresses is free for another cluster: remove one with `kijabi down`")
    address = addresses.Plan(index).bridge_address if runtime == "containerd" else LOOPBACK
    taken = {port for other in others for port in _ports(other)}
    # On its own bridge every port is free; on 127.0.0.1 clusters and strangers meet.
    ports = dict(USUAL) if runtime == "containerd" else {who: free_port(port, taken) for who, port in USUAL.items()}
    if store == "etcd":
        ports |= {who: free_port(port, taken) for who, port in ETCD.items()}
    return state.Cluster(name, index, runtime, store, address, ports)


def add_node(cluster: state.Cluster, name: str = "") -> state.Node:
    """Another node on the cluster's record."""
    if name:
        state.check_name(name)
    number = addresses.free_number(node.number for node in cluster.nodes)
    if number > addresses.MAX_NODES:
        raise errors.ClusterError(f"a cluster can have {addresses.MAX_NODES} nodes here")
    chosen = name or f"node-{number}"
    if any(node.name == chosen for node in cluster.nodes):
        raise errors.ClusterError(f"cluster {cluster.name} already has a node {chosen}")
    node = state.Node(chosen, number)
    if not cluster.in_namespaces:
        node.ports["kubelet"] = free_port(0, set(_ports(cluster)))
    cluster.nodes.append(node)
    return node


def free_port(usual: int, taken: set[int]) -> int:
    """The usual port if it is free on 127.0.0.1, else one the kernel chooses; it is added to ``taken``."""
    for wanted in (usual, *(0 for _ in range(100))):
        with contextlib.suppress(OSError), socket.socket() as probe:
            if wanted in taken:
                continue
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, wanted))
            port: int = probe.getsockname()[1]
            if port not in taken:
                taken.add(port)
                return port
    raise errors.ClusterError(f"no port is free on {LOOPBACK}")


def _ports(cluster: state.Cluster) -> Iterable[int]:
    if cluster.in_namespaces:
        return [port for who, port in cluster.ports.items() if who in ETCD]
    return [*cluster.ports.values(), *(port for node in cluster.nodes for port in node.ports.values())]


def _readable(name: str) -> state.Cluster | None:
    try:
        return state.load(name)
    except errors.ClusterError:
        return None  # its own down repairs it
