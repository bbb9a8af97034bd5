"""What Services hold, which IPAddresses there are, and which ranges addresses come from: facts, kept up to date.

A ServiceCIDR counts when it is Ready and not being deleted. Where the one named ``kubernetes`` does not exist (yet),
the ranges of ``--service-cluster-ip-range`` stand in for it.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass

from kijabi.api import kinds, timestamps
from kijabi.apiserver import contract
from kijabi.apiserver.specials import pools, service_spec

Object = contract.Object
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FAMILY_LABEL, MANAGED_BY = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
DEFAULT = "kubernetes"


@dataclass(frozen=True, slots=True)
class Holder:
    """A Service. ``created`` is in seconds since the epoch."""

    namespace: str
    name: str
    uid: str
    addresses: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    created: float = 0.0
    external: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An IPAddress. ``parent`` is (group, resource, namespace, name); ``managed``: the allocator made it."""

    name: str
    parent: tuple[str, str, str, str]
    uid: str = ""
    managed: bool = True
    labelled: bool = True
    created: float = 0.0


def holder_of(service: Object) -> Holder:
    meta, spec = service["metadata"], service.get("spec") or {}
    return Holder(
        meta.get("namespace", ""),
        meta.get("name", ""),
        meta.get("uid", ""),
        tuple(service_spec.addresses(spec)),
        tuple(sorted(service_spec.node_ports(spec))),
        _seconds(meta),
        not service_spec.needs_addresses(spec),
    )


def address_of(obj: Object) -> Address:
    meta = obj["metadata"]
    ref = (obj.get("spec") or {}).get("parentRef") or {}
    labels = meta.get("labels") or {}
    parent = (ref.get("group", ""), ref.get("resource", ""), ref.get("namespace", ""), ref.get("name", ""))
    managed = labels.get(MANAGED_BY) == ALLOCATOR
    labelled = managed and labels.get(FAMILY_LABEL) == service_spec.family(meta["name"])
    return Address(meta["name"], parent, meta.get("uid", ""), managed, labelled, _seconds(meta))


def _seconds(meta: Object) -> float:
    given = meta.get("creationTimestamp")
    return timestamps.parse(given) if given else 0.0


def text_of(family: str, number: int) -> str:
    # Twelve bytes tell a number of IPv6 from one of IPv4 even where it is small.
    made = ipaddress.IPv4Address(number) if family == service_spec.IPV4 else ipaddress.IPv6Address(number)
    return str(made)


@dataclass(frozen=True, slots=True)
class _Cidrs:
    cidrs: tuple[str, ...]
    usable: bool


class Ledger:
    """``cidrs`` is ``--service-cluster-ip-range``, the default family first."""

    def __init__(self, access: contract.Access, cidrs: str, source: random.Random | None = None) -> None:
        listed = tuple(cidr.strip() for cidr in cidrs.split(",") if cidr.strip())
        self.families = [service_spec.family(cidr.split("/")[0]) for cidr in listed]
        self.services: dict[tuple[str, str], Holder] = {}
        self.addresses: dict[str, Address] = {}
        # By family: held by a Service, or by an IPAddress of whatever parent.
        self.held = {family: pools.Taken() for family in (service_spec.IPV4, service_spec.IPV6)}
        self.ports = pools.Taken()
        self._configured = _Cidrs(listed, True)
        self._objects: dict[str, _Cidrs] = {}
        self._ranges: dict[str, pools.Range] = {}
        self._random = source or random.Random()
        access.subscribe(kinds.SERVICES, self._service_changed)
        access.subscribe(kinds.IP_ADDRESSES, self._address_changed)
        access.subscribe(kinds.SERVICE_CIDRS, self._cidr_changed)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        for service, step in ((old, "let_go"), (new, "hold")):
            if service is None:
                continue
            holder = holder_of(service)
            key = holder.namespace, holder.name
            if service is new:
                self.services[key] = holder
            elif new is None:
                self.services.pop(key, None)
            for address in holder.addresses:
                self._count(address, step)
            for port in holder.ports:
                getattr(self.ports, step)(port)

    def _address_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.addresses[new["metadata"]["name"]] = address_of(new)
        elif old is not None:
            self.addresses.pop(old["metadata"]["name"], None)
        if old is None and new is not None:
            self._count(new["metadata"]["name"], "hold")
        elif new is None and old is not None:
            self._count(old["metadata"]["name"], "let_go")

    def _count(self, address: str, step: str) -> None:
        parsed = ipaddress.ip_address(address)
        getattr(self.held[f"IPv{parsed.version}"], step)(int(parsed))

    def _cidr_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._objects.pop(old["metadata"]["name"], None)
            return
        conditions = (new.get("status") or {}).get("conditions") or ()
        ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
        usable = ready and not new["metadata"].get("deletionTimestamp")
        cidrs = tuple((new.get("spec") or {}).get("cidrs") or ())
        self._objects[new["metadata"]["name"]] = _Cidrs(cidrs, usable)

    def _all(self) -> Iterator[_Cidrs]:
        if DEFAULT not in self._objects:
            yield self._configured
        yield from self._objects.values()

    def ranges(self, family: str) -> list[pools.Range]:
        """Where addresses of a family may be taken from now, in random order."""
        cidrs = {cidr for one in self._all() if one.usable for cidr in one.cidrs}
        found = [cidr for cidr in sorted(cidrs) if service_spec.family(cidr.split("/")[0]) == family]
        self._random.shuffle(found)
        return [self._range(cidr) for cidr in found]

    def _range(self, cidr: str) -> pools.Range:
        if cidr not in self._ranges:
            self._ranges[cidr] = pools.address_range(cidr, self._random)
        return self._ranges[cidr]

    def network_of(self, address: str) -> str:
        """The usable network that an address lies in (its base and its broadcast address too); empty for none."""
        parsed = ipaddress.ip_address(address)
        for one in self._all():
            for cidr in one.cidrs:
                if one.usable and parsed in ipaddress.ip_network(cidr, strict=False):
                    return cidr
        return ""

    def is_configured(self, address: str) -> bool:
        """Whether any ServiceCIDR, ready or not, contains the address."""
        parsed = ipaddress.ip_address(address)
        return any(parsed in ipaddress.ip_network(cidr, strict=False) for one in self._all() for cidr in one.cidrs)

    def find(self, family: str, besides: set[int]) -> int | None:
        """A free address; None where every range is full."""
        for chosen in self.ranges(family):
            number = chosen.find(self.held[family], besides)
            if number is not None:
                return number
        return None

    def is_held_by_service(self, address: str) -> bool:
        # An IPAddress may be one that was released a moment ago by another server; a Service's word is final.
        return any(address in holder.addresses for holder in self.services.values())
