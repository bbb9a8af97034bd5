"""Services get their cluster addresses and node ports before they are stored, and give them back with their spec.

A number is never given out twice: within this server a reservation stands from the decision until the write has ended,
and among the servers of a cluster the claim (``claims``) is made before the Service is written. A dry run claims
nothing. What is claimed and then not used is given back; what a crash leaves behind, the repair collects.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field

from kijabi.api import errors
from kijabi.api import field as fields
from kijabi.api.core import clusterips
from kijabi.apiserver import contract
from kijabi.apiserver.specials import claims as claims_
from kijabi.apiserver.specials import ledger as ledger_
from kijabi.apiserver.specials import pools, service_spec

Object = contract.Object


@dataclass(slots=True)
class _Promise:
    """What one write has reserved, and of that what it has claimed."""

    service: Object
    dry_run: bool
    addresses: list[tuple[str, int]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    claimed_addresses: list[str] = field(default_factory=list)
    claimed_ports: list[int] = field(default_factory=list)


class ServiceHook:
    """The storage hook of Services. ``node_ports`` is ``--service-node-port-range``."""

    def __init__(
        self,
        ledger: ledger_.Ledger,
        claims: claims_.Claims,
        node_ports: str,
        source: random.Random | None = None,
    ) -> None:
        self._ledger = ledger
        self._claims = claims
        self._port_text = node_ports
        self._ports = pools.port_range(node_ports, source)
        # By context: a write's context is one object from before_* to after_*.
        self._promises: dict[int, _Promise] = {}

    # --- the hook

    async def before_create(self, context: contract.RequestContext, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        service_spec.link_created(spec)
        self._set_families(obj, None)
        promise = _Promise(obj, context.dry_run)
        try:
            await self._allocate_addresses(obj, promise)
            await self._allocate_ports(obj, set(), promise)
        except BaseException:
            await self._undo(promise)
            raise
        self._promises[id(context)] = promise

    async def before_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        spec, before = new.setdefault("spec", {}), old.get("spec") or {}
        service_spec.link_updated(spec, before)
        service_spec.drop_dependent(spec, before)
        self._set_families(new, before)
        # The new object's metadata is the client's; the claims are the stored Service's.
        promise = _Promise({"metadata": old["metadata"]}, context.dry_run)
        try:
            if not service_spec.is_headless(before) or not service_spec.needs_addresses(before):
                await self._allocate_addresses(new, promise, set(service_spec.addresses(before)))
            await self._allocate_ports(new, service_spec.node_ports(before), promise)
        except BaseException:
            await self._undo(promise)
            raise
        self._promises[id(context)] = promise

    async def after_create(self, context: contract.RequestContext, obj: Object) -> None:
        self._keep(context)

    async def after_failed_create(self, context: contract.RequestContext, obj: Object) -> None:
        await self._end(context)

    async def after_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        self._keep(context)
        if not context.dry_run:
            was, now = old.get("spec") or {}, new.get("spec") or {}
            kept = set(service_spec.addresses(now))
            await self._release(
                old,
                [address for address in service_spec.addresses(was) if address not in kept],
                service_spec.node_ports(was) - service_spec.node_ports(now),
            )

    async def after_failed_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        await self._end(context)

    async def after_delete(self, context: contract.RequestContext, obj: Object) -> None:
        spec = obj.get("spec") or {}
        await self._release(obj, list(service_spec.addresses(spec)), service_spec.node_ports(spec))

    async def _release(self, service: Object, addresses: list[str], ports: set[int]) -> None:
        for address in addresses:
            await self._claims.release_address(address, service)
        for port in ports:
            await self._claims.release_port(port, service)

    def _keep(self, context: contract.RequestContext) -> None:
        """The write is done: the ledger knows what it holds."""
        promise = self._promises.pop(id(context), None)
        if promise is not None:
            self._free(promise)

    async def _end(self, context: contract.RequestContext) -> None:
        promise = self._promises.pop(id(context), None)
        if promise is not None:
            await self._undo(promise)

    async def _undo(self, promise: _Promise) -> None:
        try:
            await self._release(promise.service, promise.claimed_addresses, set(promise.claimed_ports))
        finally:
            # Only now: a number that is free again must also be claimable again.
            self._free(promise)

    def _free(self, promise: _Promise) -> None:
        for family, number in promise.addresses:
            self._ledger.held[family].free(number)
        for port in promise.ports:
            self._ledger.ports.free(port)

    # --- addresses

    def _set_families(self, obj: Object, before: Object | None) -> None:
        spec = obj["spec"]
        families = self._ledger.families
        # What makes no sense at all is told before addresses are given out.
        problems = clusterips.validate(spec, before or {})
        problems = problems or service_spec.set_families(spec, before, families, families[0])
        if problems:
            raise _invalid(obj, problems)
        if service_spec.needs_addresses(spec):
            spec.setdefault("internalTrafficPolicy", "Cluster")

    async def _allocate_addresses(self, obj: Object, promise: _Promise, own: set[str] | None = None) -> None:
        spec = obj["spec"]
        if not service_spec.needs_addresses(spec) or service_spec.is_headless(spec):
            return
        listed = list(spec.get("clusterIPs") or ())
        wanted = spec.get("ipFamilies") or []
        for index, family in enumerate(wanted):
            if index >= len(listed):
                listed.append("")
            if family in self._ledger.families and listed[index] not in (own or ()):
                if listed[index]:
                    listed[index] = await self._named_address(obj, family, listed[index], promise)
                else:
                    listed[index] = await self._new_address(obj, family, promise)
        spec["clusterIPs"] = listed
        if listed:
            spec["clusterIP"] = listed[0]

    async def _new_address(self, obj: Object, family: str, promise: _Promise) -> str:
        # Numbers that another server turned out to have claimed a moment ago.
        collided: set[int] = set()
        while (number := self._ledger.find(family, collided)) is not None:
            text = ledger_.text_of(family, number)
            if await self._claim_address(family, number, promise):
                return text
            collided.add(number)
        name = obj["metadata"].get("name", "")
        raise _internal(f'failed to allocate a serviceIP for Service "{name}": {pools.FULL}')

    async def _claim_address(self, family: str, number: int, promise: _Promise) -> bool:
        held = self._ledger.held[family]
        held.reserve(number)
        promise.addresses.append((family, number))
        if promise.dry_run:
            return True
        text = ledger_.text_of(family, number)
        # Written down before it is tried: a write that is cut off in the middle gives it back all the same.
        promise.claimed_addresses.append(text)
        if await self._claims.take_address(text, promise.service):
            return True
        promise.claimed_addresses.remove(text)
        promise.addresses.remove((family, number))
        held.free(number)
        return False

    async def _named_address(self, obj: Object, family: str, asked: str, promise: _Promise) -> str:
        try:
            number = int(ipaddress.ip_address(asked))
        except ValueError as error:
            raise _internal(f'failed to parse service IP "{asked}"') from error
        text = ledger_.text_of(family, number)
        why = self._outside(family, number, text)
        if not why:
            busy = self._ledger.held[family].is_reserved(number) or self._ledger.is_held_by_service(text)
            if not busy and promise.dry_run:
                busy = not self._ledger.held[family].is_free(number)
            if busy or not await self._claim_address(family, number, promise):
                why = pools.IP_TAKEN
        if why:
            text = f"failed to allocate IP {asked}: {why}"
            raise _invalid(obj, [fields.invalid("spec.clusterIPs", obj["spec"]["clusterIPs"], text)])
        return text

    def _outside(self, family: str, number: int, text: str) -> str:
        network = self._ledger.network_of(text)
        if not network:
            return pools.IP_OUTSIDE
        if not any(number in one for one in self._ledger.ranges(family)):
            return f"the provided IP ({text}) is not in the valid range. The range of valid IPs is {network}"
        return ""

    # --- ports

    async def _allocate_ports(self, obj: Object, own: set[int], promise: _Promise) -> None:
        spec = obj["spec"]
        if service_spec.needs_node_ports(spec):
            await self._allocate_node_ports(obj, own, promise)
        if service_spec.needs_health_port(spec):
            await self._allocate_health_port(obj, own, promise)

    async def _allocate_node_ports(self, obj: Object, own: set[int], promise: _Promise) -> None:
        ports = obj["spec"].get("ports") or []
        # The same port over several protocols shares its node port, whichever of them names it.
        by_port: dict[int, int] = {}
        for port in ports:
            if port.get("nodePort"):
                by_port.setdefault(port.get("port", 0), port["nodePort"])
        for index, port in enumerate(ports):
            asked = port.get("nodePort")
            if asked:
                why = await self._try_port(asked, own, promise)
                if why:
                    raise _invalid(obj, [fields.invalid(f"spec.ports[{index}].nodePort", asked, why)])
            elif service_spec.gets_node_ports(obj["spec"]):
                port["nodePort"] = await self._shared_or_new(ports, port, by_port, promise)

    async def _shared_or_new(
        self, ports: list[Object], port: Object, by_port: dict[int, int], promise: _Promise
    ) -> int:
        number = by_port.get(port.get("port", 0))
        if number is not None:
            candidate = service_spec.port_key({**port, "nodePort": number})
            if not any(service_spec.port_key(one) == candidate for one in ports):
                return number
        made = await self._new_port(promise, "failed to allocate a nodePort")
        by_port.setdefault(port.get("port", 0), made)
        return made

    async def _try_port(self, asked: int, own: set[int], promise: _Promise) -> str:
        if asked in own or asked in promise.ports:
            return ""
        if asked not in self._ports:
            return f"provided port is not in the valid range. The range of valid ports is {self._port_text}"
        if not self._ledger.ports.is_free(asked) or not await self._claim_port(asked, promise):
            return pools.PORT_TAKEN
        return ""

    async def _new_port(self, promise: _Promise, what: str) -> int:
        collided: set[int] = set()
        while (found := self._ports.find(self._ledger.ports, collided)) is not None:
            if await self._claim_port(found, promise):
                return found
            collided.add(found)
        raise _internal(f"{what}: {pools.FULL}")

    async def _claim_port(self, port: int, promise: _Promise) -> bool:
        self._ledger.ports.reserve(port)
        promise.ports.append(port)
        if promise.dry_run:
            return True
        promise.claimed_ports.append(port)
        if await self._claims.take_port(port, promise.service):
            return True
        promise.claimed_ports.remove(port)
        promise.ports.remove(port)
        self._ledger.ports.free(port)
        return False

    async def _allocate_health_port(self, obj: Object, own: set[int], promise: _Promise) -> None:
        spec = obj["spec"]
        asked = spec.get("healthCheckNodePort")
        if not asked:
            spec["healthCheckNodePort"] = await self._new_port(promise, "failed to allocate a HealthCheck NodePort 0")
            return
        why = await self._try_port(asked, own, promise)
        if why:
            raise _internal(f"failed to allocate requested HealthCheck NodePort {asked}: {why}")


def _invalid(obj: Object, problems: list[fields.Error]) -> errors.Invalid:
    return errors.invalid("Service", obj["metadata"].get("name", ""), problems)


def _internal(why: str) -> errors.InternalError:
    return errors.InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
