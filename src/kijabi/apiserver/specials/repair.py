"""Brings Services and what is claimed for them back together: after a crash, an upgrade, or somebody's hand.

A Service whose address or port nobody has claimed gets the claim; a claim that no Service stands behind goes, once it
is older than any request may last. What only its owner can repair (two Services with one address, an address outside
every range) is told by an event. Source: upstream's ipallocator and portallocator repair controllers.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass

from kijabi.api import errors, kinds, timestamps
from kijabi.apiserver import contract
from kijabi.apiserver.specials import claims as claims_
from kijabi.apiserver.specials import ledger as ledger_
from kijabi.apiserver.specials import pools, service_spec
from kijabi.apiserver.specials.ledger import Address, Holder
from kijabi.kit import clock
from kijabi.store import contract as store_contract

log = logging.getLogger(__name__)

Object = contract.Object

INTERVAL = 60.0
# Seconds that a claim may be ahead of its Service: as long as a request may take; and of a Service that is there.
GRACE, SHORT_GRACE = 60.0, 5.0
# Rounds that a port's claim is seen without a Service before it goes.
ROUNDS = 3

ADDRESSES, PORTS = "ipallocator-repair-controller", "portallocator-repair-controller"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an address, and what to do: ``claim``, ``reclaim``, ``drop``, or nothing but to tell."""

    about: Holder | Address
    address: str
    do: str
    reason: str
    note: str

    @property
    def action(self) -> str:
        return "ClusterIPAllocation" if isinstance(self.about, Holder) else "IPAddressAllocation"


def check_service(known: ledger_.Ledger, holder: Holder) -> Iterator[Finding]:
    """The addresses of a Service whose IPAddress is missing or somebody else's."""
    for address in holder.addresses:
        family = service_spec.family(address)
        if not known.is_configured(address):
            note = (
                f"Cluster IP [{family}]: {address} is not within any configured Service CIDR; please recreate service"
            )
            yield Finding(holder, address, "", "ClusterIPOutOfRange", note)
            continue
        there = known.addresses.get(address)
        if there is None:
            note = f"Cluster IP [{family}]: {address} is not allocated; repairing"
            yield Finding(holder, address, "claim", "ClusterIPNotAllocated", note)
            continue
        wrong = Finding(
            holder,
            address,
            "reclaim",
            "ClusterIPNotAllocated",
            f"the ClusterIP [{family}]: {address} for Service {holder.namespace}/{holder.name} has a wrong reference; "
            "repairing",
        )
        group, resource, namespace, name = there.parent
        if (group, resource) != ("", "services"):
            yield wrong
        elif (namespace, name) != (holder.namespace, holder.name):
            other = known.services.get((namespace, name))
            if other is None:
                yield wrong
            elif address in other.addresses:
                note = f"Cluster IP [{family}]:{address} was assigned to multiple services; please recreate service"
                yield Finding(holder, address, "", "ClusterIPAlreadyAllocated", note)
        elif not there.labelled:
            yield Finding(holder, address, "reclaim", "", "")


def check_address(known: ledger_.Ledger, address: Address, now: float) -> Finding | None:
    """Whether an IPAddress of the allocator has lost its Service."""
    if not address.managed:
        return None
    group, resource, namespace, name = address.parent
    if (group, resource) != ("", "services"):
        note = f"IPAddress {address.name} appears to have been modified, not referencing a Service: cleaning up"
        return Finding(address, address.name, "drop", "IPAddressNotAllocated", note)
    holder, age = known.services.get((namespace, name)), now - address.created
    if holder is None:
        if age <= GRACE:
            return None
        note = f"IPAddress: {address.name} for Service {namespace}/{name} appears to have leaked: cleaning up"
        return Finding(address, address.name, "drop", "IPAddressNotAllocated", note)
    if address.name in holder.addresses:
        return None
    # An update may be about to give the Service this address, or a creation that failed about to take it back.
    if age < (GRACE if holder.external else SHORT_GRACE):
        return None
    note = f"IPAddress: {address.name} for Service {namespace}/{name} has a wrong reference; cleaning up"
    return Finding(address, address.name, "drop", "IPAddressWrongReference", note)


class Repair:
    def __init__(
        self,
        access: contract.Access,
        known: ledger_.Ledger,
        claims: claims_.Claims,
        node_ports: str,
        timepiece: clock.Clock,
    ) -> None:
        self._access = access
        self._known = known
        self._claims = claims
        self._range = pools.port_range(node_ports)
        self._port_text = node_ports
        self._clock = timepiece
        # Said once and not every minute: what only its owner can repair.
        self._told: set[tuple[str, str, str]] = set()
        # Ports claimed without a Service, with how many rounds running.
        self._suspects: dict[int, int] = {}

    async def run(self) -> None:
        """For ever, beginning now."""
        while True:
            try:
                await self.turn()
            except (errors.ApiError, store_contract.StoreError) as error:
                log.warning("what Services hold cannot be repaired now: %s", error)
            await self._clock.sleep(INTERVAL)

    async def turn(self) -> None:
        """One round. Raises what reading and writing raise."""
        for holder in list(self._known.services.values()):
            for finding in list(check_service(self._known, holder)):
                await self._mend(finding)
        for address in list(self._known.addresses.values()):
            found = check_address(self._known, address, self._clock.time())
            if found is not None:
                await self._mend(found)
        if self._claims.keeps_ports:
            await self._ports()

    async def _mend(self, finding: Finding) -> None:
        about, address = finding.about, finding.address
        if isinstance(about, Address) and await self._claims.is_wanted(address, *about.parent[2:]):
            return
        if finding.do in ("reclaim", "drop"):
            await self._drop(address)
        if finding.do in ("claim", "reclaim") and isinstance(about, Holder):
            await self._claims.take_address(address, _service(about))
        if finding.reason:
            await self._tell(about, finding.reason, finding.action, finding.note, ADDRESSES)

    async def _drop(self, address: str) -> None:
        try:
            await self._access.delete(kinds.IP_ADDRESSES, address)
        except errors.NotFound:
            return

    async def _ports(self) -> None:
        # Claims first: a Service that is written between the two reads had its claim before.
        claimed = await self._claims.ports()
        holders: dict[int, Holder] = {}
        for holder in list(self._known.services.values()):
            for port in holder.ports:
                await self._check_port(holder, port, holders, claimed)
        unheld = claimed.keys() - holders.keys()
        self._suspects = {port: self._suspects.get(port, 0) + 1 for port in unheld}
        for port, rounds in list(self._suspects.items()):
            if rounds > ROUNDS:
                log.warning("the node port %d appears to have leaked: cleaning up", port)
                await self._claims.drop_port(claimed[port])
                del self._suspects[port]

    async def _check_port(
        self, holder: Holder, port: int, holders: dict[int, Holder], claimed: dict[int, store_contract.Entry]
    ) -> None:
        if port not in self._range:
            note = f"Port {port} is not within the port range {self._port_text}; please recreate service"
            await self._tell(holder, "PortOutOfRange", "PortAllocation", note, PORTS)
        elif port in holders:
            note = f"Port {port} was assigned to multiple services; please recreate service"
            await self._tell(holder, "PortAlreadyAllocated", "PortAllocation", note, PORTS)
        elif port not in claimed and await self._claims.take_port(port, _service(holder)):
            note = f"Port {port} is not allocated; repairing"
            await self._tell(holder, "PortNotAllocated", "PortAllocation", note, PORTS)
        holders.setdefault(port, holder)

    async def _tell(self, about: Holder | Address, reason: str, action: str, note: str, who: str) -> None:
        key = (about.uid, reason, note)
        if key in self._told:
            return
        self._told.add(key)
        log.warning("%s: %s", reason, note)
        try:
            await self._access.create(kinds.EVENTS, _event(about, reason, action, note, who, self._clock.time()))
        except errors.ApiError as error:
            log.warning("the event %s cannot be recorded: %s", reason, error)


def _service(holder: Holder) -> Object:
    return {"metadata": {"namespace": holder.namespace, "name": holder.name, "uid": holder.uid}}


def _event(about: Holder | Address, reason: str, action: str, note: str, who: str, now: float) -> Object:
    if isinstance(about, Holder):
        regarding = {"kind": "Service", "apiVersion": "v1", "namespace": about.namespace}
        namespace = about.namespace
    else:
        regarding, namespace = {"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1"}, "default"
    stamp = timestamps.format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about.name}.{random.getrandbits(64):016x}", "namespace": namespace},
        "involvedObject": {**regarding, "name": about.name, "uid": about.uid},
        "reason": reason,
        "action": action,
        "message": note,
        "type": "Warning",
        "source": {"component": who},
        "reportingComponent": who,
        "reportingInstance": "",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
