"""From a Service's name and port to an address: one of its ready endpoints, for the host may have no Service network.

Source: k8s.io/apiserver util/proxy ResolveEndpoint, what ``--enable-aggregator-routing`` does.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from typing import Protocol

from aiohttp import abc

from kijabi.api import kinds
from kijabi.apiserver import contract

Object = contract.Object
Address = tuple[str, int]

_ROUTABLE = ("ClusterIP", "NodePort", "LoadBalancer")


class Unresolvable(OSError):
    """No address for a Service; the message is upstream's."""


class Resolver(Protocol):
    async def resolve(self, namespace: str, name: str, port: int) -> Address:
        """Raises Unresolvable."""
        ...


def host_of(namespace: str, name: str) -> str:
    """The name that a Service's certificate is for."""
    return f"{name}.{namespace}.svc"


class ServiceResolver:
    """``source`` makes the choice among several endpoints."""

    def __init__(self, access: contract.Access, source: random.Random | None = None) -> None:
        self._access = access
        self._random = source or random.Random()

    async def resolve(self, namespace: str, name: str, port: int) -> Address:
        service = self._access.get_nowait(kinds.SERVICES, name, namespace)
        if service is None:
            raise Unresolvable(f'service "{name}" not found')
        wanted = port_of(service, port)
        label = f"kubernetes.io/service-name={name}"
        slices = await self._access.list(kinds.ENDPOINT_SLICES, namespace, label)
        found = ready(slices, wanted, ((service.get("spec") or {}).get("ipFamilies") or [""])[0])
        if not found:
            raise Unresolvable(f'no endpoints available for service "{name}"')
        return self._random.choice(found)


def port_of(service: Object, port: int) -> str:
    """The name of a Service's port. Raises Unresolvable."""
    spec, name = service.get("spec") or {}, service["metadata"]["name"]
    kind = spec.get("type") or "ClusterIP"
    if kind not in _ROUTABLE:
        raise Unresolvable(f'unsupported service type "{kind}"')
    for one in spec.get("ports") or ():
        if one.get("port") == port:
            return one.get("name") or ""
    raise Unresolvable(f'no service port {port} found for service "{name}"')


def ready(slices: Iterable[Object], port_name: str, family: str = "") -> list[Address]:
    """Addresses of the ready endpoints with a port of that name: of the preferred family where it has any."""
    preferred: list[Address] = []
    others: list[Address] = []
    for one in slices:
        port = next(
            (p["port"] for p in one.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")), 0
        )
        if not port:
            continue
        found = preferred if not family or one.get("addressType") == family else others
        for endpoint in one.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found += [(address, int(port)) for address in (endpoint.get("addresses") or ())[:1]]
    return preferred or others


class ServiceNames(abc.AbstractResolver):
    """aiohttp's view of it: the host ``NAME.NAMESPACE.svc`` is dialed at an endpoint's address and port."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self.dialed: dict[str, Address] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        name, namespace, _ = host.split(".", 2)
        address, number = await self._resolver.resolve(namespace, name, port)
        self.dialed[host] = address, number
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            abc.ResolveResult(
                hostname=host, host=address, port=number, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        self.dialed.clear()
