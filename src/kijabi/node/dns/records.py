"""Which records a Service has, by the specification's sections 2.3 to 2.5. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kijabi.node.dns import wire

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """``owner`` and names within ``data`` are in wire format, lower-case."""

    owner: bytes
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Endpoint:
    addresses: tuple[str, ...]
    hostname: str
    ports: tuple[Object, ...]


def of_service(service: Object, slices: Iterable[Object], zone: str) -> list[Record]:
    """``zone`` as text (``cluster.local``); ``slices`` are the Service's EndpointSlices."""
    meta, spec = service["metadata"], service.get("spec") or {}
    text = f"{meta['name']}.{meta['namespace']}.svc.{zone}"
    try:
        own = wire.name(text)
        if spec.get("type") == "ExternalName":
            return [Record(own, wire.CNAME, wire.name(spec.get("externalName", "")))]
        if spec.get("clusterIP") == "None":
            return list(dict.fromkeys(_headless(text, own, slices)))
        return list(dict.fromkeys(_virtual(text, own, spec)))
    except wire.Malformed:
        # A name no resolver could ask for. The API's validation keeps it out, an old object may still have it.
        return []


def of_zone(zone: str, dns_address: str) -> list[Record]:
    """What the zone itself has: its version, and a name server."""
    server = wire.name(f"ns.dns.{zone}")
    version = b"1.1.0"
    found = [
        Record(wire.name(f"dns-version.{zone}"), wire.TXT, bytes([len(version)]) + version),
        Record(wire.name(zone), wire.NS, server),
    ]
    if dns_address:
        kind, data = wire.address(dns_address)
        found.append(Record(server, kind, data))
    return found


def start_of_authority(zone: str, serial: int, ttl: int) -> bytes:
    """The data of the SOA record, with CoreDNS's timers."""
    numbers = struct.pack("!5I", serial & 0xFFFFFFFF, 7200, 1800, 86400, ttl)
    return wire.name(f"ns.dns.{zone}") + wire.name(f"hostmaster.{zone}") + numbers


def of_pod(labels: list[bytes]) -> Record | None:
    """``10-0-0-1`` → the address it spells; None when it spells none. The owner is left empty."""
    text = labels[0].decode("ascii", "replace")
    for separator in (".", ":"):
        try:
            kind, data = wire.address(text.replace("-", separator))
        except ValueError:
            continue
        return Record(b"", kind, data)
    return None


def _virtual(text: str, own: bytes, spec: Object) -> Iterator[Record]:
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    for one in addresses:
        kind, data = wire.address(one)
        yield Record(own, kind, data)
        yield Record(wire.reverse(one), wire.PTR, own)
    for port in spec.get("ports") or ():
        if addresses and port.get("name"):
            yield _service_location(text, port["name"], port.get("protocol") or "TCP", port["port"], own)


def _headless(text: str, own: bytes, slices: Iterable[Object]) -> Iterator[Record]:
    for endpoint in _endpoints(slices):
        for one in endpoint.addresses:
            kind, data = wire.address(one)
            target_text = f"{endpoint.hostname or one.replace('.', '-').replace(':', '-')}.{text}"
            target = wire.name(target_text)
            yield Record(own, kind, data)
            yield Record(target, kind, data)
            yield Record(wire.reverse(one), wire.PTR, target)
            for port in endpoint.ports:
                if port.get("name") and port.get("port"):
                    protocol = port.get("protocol") or "TCP"
                    yield _service_location(text, port["name"], protocol, port["port"], target)


def _endpoints(slices: Iterable[Object]) -> Iterator[_Endpoint]:
    """The ready ones. What publishes the unready too has them marked as ready in its slices."""
    for one in slices:
        if one.get("addressType") == "FQDN":
            continue
        ports = tuple(one.get("ports") or ())
        for endpoint in one.get("endpoints") or ():
            # No condition at all means ready.
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                yield _Endpoint(tuple(endpoint.get("addresses") or ()), endpoint.get("hostname") or "", ports)


def _service_location(text: str, port_name: str, protocol: str, port: int, target: bytes) -> Record:
    owner = wire.name(f"_{port_name}._{protocol.lower()}.{text}")
    return Record(owner, wire.SRV, struct.pack("!HHH", 0, 100, port) + target)
