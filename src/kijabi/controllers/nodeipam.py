"""A range of pod addresses for each node, out of the cluster's.

Source: kube-controller-manager's ``--allocate-node-cidrs`` and ``--cluster-cidr``.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator

from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.client import events, informer, rest
from kijabi.controllers import contract

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def free(cluster: Network, size: int, taken: Iterable[str]) -> str | None:
    """The first range of ``size`` bits in ``cluster`` that overlaps none of ``taken``; None when all are given."""
    used = [ipaddress.ip_network(text, strict=False) for text in taken]
    given = {network for network in used if network.prefixlen == size}
    odd = [network for network in used if network.prefixlen != size]
    subnets: Iterator[Network] = cluster.subnets(new_prefix=size)
    for subnet in subnets:
        if subnet not in given and not any(subnet.overlaps(other) for other in odd):
            return str(subnet)
    return None


class NodeIpam(contract.KeyedController):
    name = "node-ipam-controller"
    account = "node-controller"
    component = "cidrAllocator"
    # One at a time: two nodes must never be given the same range.
    workers = 1

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(kinds.NODES)
        self._given: dict[str, str] = {}

    def watch(self) -> list[informer.Informer]:
        self._nodes.subscribe(self._changed)
        return [self._nodes]

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._given.pop(old["metadata"]["name"], None)
            # A range came free; nodes that got none may try again.
            for node in self._nodes.items():
                self.enqueue(node)
        elif new is not None:
            self.enqueue(new)

    async def run(self) -> None:
        if not self.context.options.allocate_node_cidrs or not self.context.options.cluster_cidr:
            # Not asked for (upstream does not start this controller either).
            await asyncio.Event().wait()
        await super().run()

    async def reconcile(self, key: str) -> float | None:
        node = self._nodes.by_key(key)
        if node is None or (node.get("spec") or {}).get("podCIDR"):
            return None
        # What was given is remembered here, because the informer shows it only later.
        shown = {item["metadata"]["name"]: (item.get("spec") or {}).get("podCIDR") for item in self._nodes.items()}
        taken = {**self._given, **{name: cidr for name, cidr in shown.items() if cidr}}
        options = self.context.options
        cluster = ipaddress.ip_network(options.cluster_cidr.split(",")[0], strict=False)
        cidr = self._given.get(key) or free(cluster, options.node_cidr_mask_size, taken.values())
        if cidr is None:
            message = f"Node {key} status is now: CIDRNotAvailable"
            self.recorder.record(node, events.NORMAL, "CIDRNotAvailable", message)
            return None
        self._given[key] = cidr
        patch = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        await self.client.patch(kinds.NODES, key, "", patch, type=rest.STRATEGIC_MERGE_PATCH)
        return None
