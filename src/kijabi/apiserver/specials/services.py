"""Services get their cluster addresses and node ports before they are stored, and give them back with their spec.

A number is never given out twice by this server: decisions are made without waiting in between, and a promise stands
until its write has ended. Left out: IPAddress objects, by which several API servers of one cluster would agree.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field

from kijabi.api import errors, kinds
from kijabi.api import field as fields
from kijabi.apiserver import contract
from kijabi.apiserver.specials import pools, service_spec

Object = contract.Object


@dataclass(slots=True)
class _Promise:
    """What one write has reserved."""

    addresses: list[tuple[str, int]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)


class ServiceHook:
    """The storage hook of Services. ``cidrs`` is ``--service-cluster-ip-range``, the default family first."""

    def __init__(
        self, access: contract.Access, cidrs: str, node_ports: str, source: random.Random | None = None
    ) -> None:
        listed = [cidr.strip() for cidr in cidrs.split(",") if cidr.strip()]
        self._addresses = {service_spec.family(cidr.split("/")[0]): pools.address_pool(cidr, source) for cidr in listed}
        self._default = next(iter(self._addresses))
        self._port_text = node_ports
        self._ports = pools.port_pool(node_ports, source)
        # By context: a write's context is one object from before_* to after_*.
        self._promises: dict[int, _Promise] = {}
        access.subscribe(kinds.SERVICES, self._changed)

    # --- what is held

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for service, step in ((old, "let_go"), (new, "hold")):
            if service is None:
                continue
            spec = service.get("spec") or {}
            for address in service_spec.addresses(spec):
                pool = self._addresses.get(service_spec.family(address))
                if pool is not None:
                    getattr(pool, step)(int(ipaddress.ip_address(address)))
            for port in service_spec.node_ports(spec):
                getattr(self._ports, step)(port)

    # --- the hook

    async def before_create(self, context: contract.RequestContext, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        service_spec.link_created(spec)
        self._set_families(obj, None)
        promise = _Promise()
        try:
            self._allocate_addresses(obj, promise)
            self._allocate_ports(obj, set(), promise)
        except BaseException:
            self._free(promise)
            raise
        self._promise(context, promise)

    async def before_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        spec, before = new.setdefault("spec", {}), old.get("spec") or {}
        service_spec.link_updated(spec, before)
        service_spec.drop_dependent(spec, before)
        self._set_families(new, before)
        promise = _Promise()
        try:
            if not service_spec.is_headless(before) or not service_spec.needs_addresses(before):
                self._allocate_addresses(new, promise, set(service_spec.addresses(before)))
            self._allocate_ports(new, service_spec.node_ports(before), promise)
        except BaseException:
            self._free(promise)
            raise
        self._promise(context, promise)

    async def after_create(self, context: contract.RequestContext, obj: Object) -> None:
        self._end(context)

    async def after_failed_create(self, context: contract.RequestContext, obj: Object) -> None:
        self._end(context)

    async def after_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        self._end(context)

    async def after_failed_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        self._end(context)

    async def after_delete(self, context: contract.RequestContext, obj: Object) -> None:
        return None

    def _promise(self, context: contract.RequestContext, promise: _Promise) -> None:
        if context.dry_run:
            self._free(promise)
        else:
            self._promises[id(context)] = promise

    def _end(self, context: contract.RequestContext) -> None:
        promise = self._promises.pop(id(context), None)
        if promise is not None:
            self._free(promise)

    def _free(self, promise: _Promise) -> None:
        for family, number in promise.addresses:
            self._addresses[family].free(number)
        for port in promise.ports:
            self._ports.free(port)

    # --- addresses

    def _set_families(self, obj: Object, before: Object | None) -> None:
        spec = obj["spec"]
        problems = service_spec.set_families(spec, before, self._addresses, self._default)
        if problems:
            raise _invalid(obj, problems)
        if service_spec.needs_addresses(spec):
            spec.setdefault("internalTrafficPolicy", "Cluster")

    def _allocate_addresses(self, obj: Object, promise: _Promise, own: set[str] | None = None) -> None:
        spec = obj["spec"]
        if not service_spec.needs_addresses(spec) or service_spec.is_headless(spec):
            return
        listed = list(spec.get("clusterIPs") or ())
        wanted = spec.get("ipFamilies") or []
        for index, family in enumerate(wanted):
            if index >= len(listed):
                listed.append("")
            if family in self._addresses and listed[index] not in (own or ()):
                listed[index] = self._address(obj, family, listed[index], promise)
        spec["clusterIPs"] = listed
        if listed:
            spec["clusterIP"] = listed[0]

    def _address(self, obj: Object, family: str, asked: str, promise: _Promise) -> str:
        pool = self._addresses[family]
        if not asked:
            found = pool.find()
            if found is None:
                name = obj["metadata"].get("name", "")
                raise _internal(f'failed to allocate a serviceIP for Service "{name}": {pools.FULL}')
            number = found
        else:
            number = self._named_address(obj, family, asked)
        pool.reserve(number)
        promise.addresses.append((family, number))
        # Twelve bytes tell a number of IPv6 from one of IPv4 even where it is small.
        made = ipaddress.IPv4Address(number) if family == service_spec.IPV4 else ipaddress.IPv6Address(number)
        return str(made)

    def _named_address(self, obj: Object, family: str, asked: str) -> int:
        pool = self._addresses[family]
        try:
            number = int(ipaddress.ip_address(asked))
        except ValueError as error:
            raise _internal(f'failed to parse service IP "{asked}"') from error
        why = pools.IP_OUTSIDE if number not in pool else "" if pool.is_free(number) else pools.IP_TAKEN
        if why:
            problem = fields.invalid(
                "spec.clusterIPs", obj["spec"]["clusterIPs"], f"failed to allocate IP {asked}: {why}"
            )
            raise _invalid(obj, [problem])
        return number

    # --- ports

    def _allocate_ports(self, obj: Object, own: set[int], promise: _Promise) -> None:
        spec = obj["spec"]
        if service_spec.needs_node_ports(spec):
            self._allocate_node_ports(obj, own, promise)
        if service_spec.needs_health_port(spec):
            self._allocate_health_port(obj, own, promise)

    def _allocate_node_ports(self, obj: Object, own: set[int], promise: _Promise) -> None:
        ports = obj["spec"].get("ports") or []
        # The same port over several protocols shares its node port, whichever of them names it.
        by_port: dict[int, int] = {}
        for port in ports:
            if port.get("nodePort"):
                by_port.setdefault(port.get("port", 0), port["nodePort"])
        for index, port in enumerate(ports):
            asked = port.get("nodePort")
            if asked:
                self._named_port(obj, asked, own, promise, f"spec.ports[{index}].nodePort")
            elif service_spec.gets_node_ports(obj["spec"]):
                port["nodePort"] = self._shared_or_new(ports, port, by_port, promise)

    def _shared_or_new(self, ports: list[Object], port: Object, by_port: dict[int, int], promise: _Promise) -> int:
        number = by_port.get(port.get("port", 0))
        if number is not None:
            candidate = service_spec.port_key({**port, "nodePort": number})
            if not any(service_spec.port_key(one) == candidate for one in ports):
                return number
        made = self._new_port(promise, "failed to allocate a nodePort")
        by_port.setdefault(port.get("port", 0), made)
        return made

    def _named_port(self, obj: Object, asked: int, own: set[int], promise: _Promise, path: str) -> None:
        why = self._try_port(asked, own, promise)
        if why:
            raise _invalid(obj, [fields.invalid(path, asked, why)])

    def _try_port(self, asked: int, own: set[int], promise: _Promise) -> str:
        if asked in own or asked in promise.ports:
            return ""
        if asked not in self._ports:
            return f"provided port is not in the valid range. The range of valid ports is {self._port_text}"
        if not self._ports.is_free(asked):
            return pools.PORT_TAKEN
        self._ports.reserve(asked)
        promise.ports.append(asked)
        return ""

    def _new_port(self, promise: _Promise, what: str) -> int:
        found = self._ports.find()
        if found is None:
            raise _internal(f"{what}: {pools.FULL}")
        self._ports.reserve(found)
        promise.ports.append(found)
        return found

    def _allocate_health_port(self, obj: Object, own: set[int], promise: _Promise) -> None:
        spec = obj["spec"]
        asked = spec.get("healthCheckNodePort")
        if not asked:
            spec["healthCheckNodePort"] = self._new_port(promise, "failed to allocate a HealthCheck NodePort 0")
            return
        why = self._try_port(asked, own, promise)
        if why:
            raise _internal(f"failed to allocate requested HealthCheck NodePort {asked}: {why}")


def _invalid(obj: Object, problems: list[fields.Error]) -> errors.Invalid:
    return errors.invalid("Service", obj["metadata"].get("name", ""), problems)


def _internal(why: str) -> errors.InternalError:
    return errors.InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
