"""Which addresses a cluster uses: a pure plan from one small number, its index.

    index   nodes (bridge)     pods              Services
    0       172.29.0.0/24      10.244.0.0/16     10.96.0.0/16
    1       172.29.1.0/24      10.243.0.0/16     10.97.0.0/16
    …up to 63

A node's number gives its address on the bridge (the bridge itself has .1) and its /24 of the pod range. A cluster
without containers needs no address of the machine: its components listen on 127.0.0.1, and the ranges are only names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

Network = ipaddress.IPv4Network

INDEXES = range(64)
MAX_NODES = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """The ranges of the cluster with this index."""

    index: int

    @property
    def nodes(self) -> Network:
        return ipaddress.ip_network((f"172.29.{self.index}.0", 24))  # type: ignore[return-value]

    @property
    def pods(self) -> Network:
        return ipaddress.ip_network((f"10.{244 - self.index}.0.0", 16))  # type: ignore[return-value]

    @property
    def services(self) -> Network:
        return ipaddress.ip_network((f"10.{96 + self.index}.0.0", 16))  # type: ignore[return-value]

    @property
    def bridge_address(self) -> str:
        return str(self.nodes[1])

    @property
    def kubernetes_service(self) -> str:
        """The API server's ClusterIP: the first of the range, as upstream."""
        return str(self.services[1])

    @property
    def dns_service(self) -> str:
        """The DNS Service's ClusterIP: the tenth, as kubeadm has it."""
        return str(self.services[10])

    def node_address(self, number: int) -> str:
        return str(self.nodes[1 + number])

    def node_pods(self, number: int) -> Network:
        return list(self.pods.subnets(new_prefix=24))[number]

    def ranges(self) -> tuple[Network, Network, Network]:
        return self.nodes, self.pods, self.services


def choose_index(taken: Iterable[int], routed: Iterable[Network]) -> int | None:
    """The first index no cluster has and whose ranges the machine does not route yet; None if none is left."""
    used = set(taken)
    # A default route overlaps everything and says nothing.
    foreign = [network for network in routed if network.prefixlen > 0]
    for index in INDEXES:
        if index in used:
            continue
        if not any(ours.overlaps(theirs) for ours in Plan(index).ranges() for theirs in foreign):
            return index
    return None


def free_number(used: Iterable[int]) -> int:
    """The lowest node number (from 1) not in use."""
    taken = set(used)
    return next(number for number in range(1, MAX_NODES + 2) if number not in taken)


def link_name(prefix: str, cluster_index: int, number: int | None = None) -> str:
    """An interface name (at most 15 characters): ``kj0``, ``kj0n12``. Clusters' names may be long, indexes are not."""
    suffix = "" if number is None else f"n{number}"
    return f"{prefix}{cluster_index}{suffix}"
