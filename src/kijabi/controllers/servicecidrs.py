"""ServiceCIDRs become Ready, and are not deleted while an address out of them has nowhere else to belong.

Source: KEP-1880 ("Multiple Service CIDRs"); upstream's servicecidrs controller.
"""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Iterable

from kijabi.api import conditions, errors, kinds, timestamps
from kijabi.api.resource import Object
from kijabi.client import informer, rest
from kijabi.controllers import contract

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED = rest.Selection(labels="ipaddress.kubernetes.io/managed-by=ipallocator.k8s.io")

# Seconds after the deletion of a range in which a server may still take an address from it, not having heard of it.
GRACE = 10.0

READY = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
BLOCKED = {
    "type": "Ready",
    "status": "False",
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, "
    "please remove them or create a new ServiceCIDR",
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(cidr: Object) -> list[Network]:
    return [ipaddress.ip_network(text, strict=False) for text in (cidr.get("spec") or {}).get("cidrs") or ()]


def contains(cidr: Object, address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in networks(cidr))


def may_go(cidr: Object, others: Iterable[Object], addresses: Iterable[str]) -> bool:
    """Whether every address out of ``cidr`` also lies in a range of ``others`` (all ServiceCIDRs but this one)."""
    elsewhere = [network for other in others for network in networks(other)]
    if all(any(_within(own, network) for network in elsewhere) for own in networks(cidr)):
        return True
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        if contains(cidr, address) and not any(parsed in network for network in elsewhere):
            return False
    return True


def _within(small: Network, large: Network) -> bool:
    return small.version == large.version and small.prefixlen >= large.prefixlen and small.network_address in large


def overlaps(one: Object, other: Object) -> bool:
    return any(a.version == b.version and a.overlaps(b) for a in networks(one) for b in networks(other))


class ServiceCidrs(contract.KeyedController):
    name = "service-cidr-controller"
    account = "service-cidrs-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._cidrs = context.informers.of(kinds.SERVICE_CIDRS)
        self._addresses = context.informers.of(kinds.IP_ADDRESSES)

    def watch(self) -> list[informer.Informer]:
        self._cidrs.subscribe(self._cidr_changed)
        self._addresses.subscribe(self._address_changed)
        return [self._cidrs, self._addresses]

    def _cidr_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is None:
            return
        self.enqueue(changed)
        if old is None or new is None:
            # A range that comes may let another go, and one that goes may hold another.
            for other in self._cidrs.items():
                if overlaps(changed, other):
                    self.enqueue(other)

    def _address_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None:
            return
        address = ((new or old) or {})["metadata"]["name"]
        for cidr in self._cidrs.items():
            if contains(cidr, address):
                self.enqueue(cidr)

    async def reconcile(self, key: str) -> float | None:
        cidr = self._cidrs.by_key(key)
        if cidr is None:
            return None
        try:
            if cidr["metadata"].get("deletionTimestamp"):
                return await self._delete(cidr)
            await self._keep(cidr)
        except errors.NotFound:
            return None
        return None

    async def _keep(self, cidr: Object) -> None:
        finalizers = cidr["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            meta = {**cidr["metadata"], "finalizers": [*finalizers, FINALIZER]}
            cidr = await self.client.update(kinds.SERVICE_CIDRS, {**cidr, "metadata": meta})
        await self._say(cidr, READY)

    async def _delete(self, cidr: Object) -> float | None:
        name = cidr["metadata"]["name"]
        others = [other for other in self._cidrs.items() if other["metadata"]["name"] != name]
        # Asked of the server: what is let go here cannot be called back.
        listed = await self.client.list(kinds.IP_ADDRESSES, MANAGED)
        if not may_go(cidr, others, [item["metadata"]["name"] for item in listed["items"]]):
            await self._say(cidr, BLOCKED)
            return None
        left = timestamps.parse(cidr["metadata"]["deletionTimestamp"]) + GRACE - self.clock.time()
        if left > 0:
            return left
        meta = dict(cidr["metadata"])
        rest_ = [finalizer for finalizer in meta.pop("finalizers", ()) if finalizer != FINALIZER]
        if rest_:
            meta["finalizers"] = rest_
        await self.client.update(kinds.SERVICE_CIDRS, {**cidr, "metadata": meta})
        return None

    async def _say(self, cidr: Object, condition: Object) -> None:
        there = conditions.get(cidr, "Ready")
        if there is not None and all((there.get(key) or "") == condition[key] for key in ("status", "reason")):
            return
        told = copy.deepcopy(cidr)
        conditions.put(told, condition, self.clock.time())
        await self.client.update(kinds.SERVICE_CIDRS, told, subresource="status")
