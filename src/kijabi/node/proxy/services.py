"""What the proxy needs of Services and EndpointSlices: one record per Service port, with the endpoints it may use.

Pure functions over objects as the API has them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api.resource import Object

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    address: str
    port: int
    local: bool


@dataclass(frozen=True, slots=True)
class ServicePort:
    """``cluster`` are the endpoints for traffic that may go anywhere, ``local`` those on this node.

    ``affinity`` is in seconds (0: none). ``external`` are addresses from outside: external IPs and load balancers'.
    """

    namespace: str
    name: str
    port_name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int
    external: tuple[str, ...]
    affinity: int
    internal_local: bool
    external_local: bool
    cluster: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}/{self.protocol}/{self.port_name}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where this proxy runs, for locality and topology hints."""

    node: str
    zone: str = ""


def relevant(service: Object) -> bool:
    """Whether the Service is this proxy's: it has an address, and nobody else is asked to proxy it."""
    meta, spec = service["metadata"], service["spec"]
    marks = meta.get("labels") or {}
    if PROXY_NAME in marks or HEADLESS in marks:
        return False
    return spec.get("type") != "ExternalName" and spec.get("clusterIP") not in (None, "", "None")


def service_ports(service: Object, slices: Iterable[Object], place: Place) -> list[ServicePort]:
    """The records of one Service; ``slices`` are those that name it."""
    meta, spec = service["metadata"], service["spec"]
    addresses = [ip for ip in spec.get("clusterIPs") or [spec["clusterIP"]] if ":" not in ip]
    if not addresses:
        return []
    listed = [item for item in slices if item.get("addressType") == "IPv4"]
    external = [ip for ip in spec.get("externalIPs") or () if ":" not in ip]
    for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip") and ":" not in ingress["ip"] and ingress.get("ipMode", "VIP") == "VIP":
            external.append(ingress["ip"])
    timeout = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds") or 10800
    made = []
    for port in spec.get("ports") or ():
        every = _endpoints(listed, port.get("name", ""), port.get("protocol", "TCP"))
        made.append(
            ServicePort(
                namespace=meta["namespace"],
                name=meta["name"],
                port_name=port.get("name", ""),
                protocol=port.get("protocol", "TCP").lower(),
                cluster_ip=addresses[0],
                port=int(port["port"]),
                node_port=int(port.get("nodePort") or 0),
                external=tuple(dict.fromkeys(external)),
                affinity=int(timeout) if spec.get("sessionAffinity") == "ClientIP" else 0,
                internal_local=spec.get("internalTrafficPolicy") == "Local",
                external_local=spec.get("externalTrafficPolicy") == "Local",
                cluster=_chosen(every, place, local=False),
                local=_chosen(every, place, local=True),
            )
        )
    return made


@dataclass(frozen=True, slots=True)
class _Found:
    address: str
    port: int
    node: str
    ready: bool
    serving: bool
    zones: frozenset[str]
    nodes: frozenset[str]


def _endpoints(slices: Iterable[Object], port_name: str, protocol: str) -> list[_Found]:
    found: dict[tuple[str, int], _Found] = {}
    for item in slices:
        number = next(
            (
                port.get("port")
                for port in item.get("ports") or ()
                if (port.get("name") or "") == port_name and (port.get("protocol") or "TCP") == protocol
            ),
            None,
        )
        if number is None:
            continue
        for endpoint in item.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            hints = endpoint.get("hints") or {}
            ready = conditions.get("ready") is not False
            serving = conditions.get("serving")
            for address in endpoint.get("addresses") or ():
                found[address, number] = _Found(
                    address,
                    int(number),
                    endpoint.get("nodeName") or "",
                    ready,
                    ready if serving is None else bool(serving),
                    frozenset(zone["name"] for zone in hints.get("forZones") or ()),
                    frozenset(node["name"] for node in hints.get("forNodes") or ()),
                )
    return [found[key] for key in sorted(found)]


def _chosen(every: list[_Found], place: Place, *, local: bool) -> tuple[Endpoint, ...]:
    """The usable endpoints: ready ones; those still serving on their way out only when there are none ready."""
    among = [one for one in every if one.node == place.node] if local else every
    usable = [one for one in among if one.ready]
    if not local:
        usable = _hinted(usable, place)
    if not usable:
        usable = [one for one in among if one.serving]
    return tuple(Endpoint(one.address, one.port, one.node == place.node) for one in usable)


def _hinted(usable: list[_Found], place: Place) -> list[_Found]:
    """Those that the hints mean for this node or zone, if every endpoint has hints and any means us."""
    if usable and all(one.nodes for one in usable):
        for_node = [one for one in usable if place.node in one.nodes]
        if for_node:
            return for_node
    if usable and place.zone and all(one.zones for one in usable):
        for_zone = [one for one in usable if place.zone in one.zones]
        if for_zone:
            return for_zone
    return usable


def by_service(slices: Iterable[Object]) -> dict[str, list[Object]]:
    """Slices by ``namespace/name`` of their Service."""
    found: dict[str, list[Object]] = {}
    for item in slices:
        name = (item["metadata"].get("labels") or {}).get(SERVICE_NAME)
        if name:
            found.setdefault(f"{item['metadata']['namespace']}/{name}", []).append(item)
    return found


def addresses_in(cidrs: Iterable[str], addresses: Iterable[str]) -> list[str]:
    """The IPv4 addresses that lie in one of the ranges."""
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]
    return [ip for ip in addresses if any(ipaddress.ip_address(ip) in network for network in networks)]
