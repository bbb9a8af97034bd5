"""EndpointSlices."""

from __future__ import annotations

import ipaddress
from typing import Any

from kijabi.api import checks, field, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("discovery.k8s.io/v1", "endpointslices")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("AddressType", "IPv4, IPv6 or FQDN."),
    printing.text("Ports", "Ports of the endpoints."),
    printing.text("Endpoints", "Addresses of the endpoints."),
    printing.AGE,
)
_MOST_ENDPOINTS, _MOST_PORTS, _MOST_ADDRESSES = 1000, 20000, 100


def default(obj: Object) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def prepare_update(new: Object, old: Object) -> None:
    """There is no spec: whatever is not metadata counts, and so do labels."""
    changed = any(new.get(key) != old.get(key) for key in ("endpoints", "ports", "addressType"))
    changed = changed or resource.is_changed(new["metadata"], old["metadata"], "labels")
    resource.count_generation(new, old, changed)


def validate_create(obj: Object) -> Errors:
    kind = obj.get("addressType", "")
    found = checks.one_of(kind, "addressType", ("FQDN", "IPv4", "IPv6"))
    endpoints = obj.get("endpoints") or ()
    if len(endpoints) > _MOST_ENDPOINTS:
        return [*found, field.too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)]
    for position, endpoint in enumerate(endpoints):
        found += _endpoint(endpoint, kind, f"endpoints[{position}]")
    ports = obj.get("ports") or ()
    if len(ports) > _MOST_PORTS:
        return [*found, field.too_many("ports", len(ports), _MOST_PORTS)]
    seen: set[str] = set()
    for position, port in enumerate(ports):
        path = f"ports[{position}]"
        name = port.get("name", "")
        if name:
            found += checks.word(name, f"{path}.name", names.dns_label)
        if name in seen:
            found.append(field.duplicate(f"{path}.name", name))
        seen.add(name)
        found += checks.one_of(port.get("protocol"), f"{path}.protocol", ("SCTP", "TCP", "UDP"))
    return found


def _endpoint(endpoint: Object, kind: str, path: str) -> Errors:
    addresses = endpoint.get("addresses") or ()
    where = field.child(path, "addresses")
    found: Errors = []
    if not addresses:
        found.append(field.required(where, "must contain at least 1 address"))
    elif len(addresses) > _MOST_ADDRESSES:
        found.append(field.too_many(where, len(addresses), _MOST_ADDRESSES))
    for position, address in enumerate(addresses):
        found += _address(address, kind, field.index(where, position))
    if endpoint.get("nodeName"):
        found += checks.word(endpoint["nodeName"], field.child(path, "nodeName"), names.dns_subdomain)
    if endpoint.get("hostname"):
        found += checks.word(endpoint["hostname"], field.child(path, "hostname"), names.dns_label)
    return found


def _address(address: str, kind: str, path: str) -> Errors:
    if kind == "FQDN":
        return checks.word(address, path, names.dns_subdomain)
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return checks.ip(address, path)
    if kind == "IPv4" and version != 4:
        return [field.invalid(path, address, "must be an IPv4 address")]
    if kind == "IPv6" and version != 6:
        return [field.invalid(path, address, "must be an IPv6 address")]
    return []


def validate_update(new: Object, old: Object) -> Errors:
    found = validate_create(new)
    return found + checks.immutable(new.get("addressType"), old.get("addressType"), "addressType")


def columns(obj: Object, now: float) -> list[Any]:
    ports = [
        str(port["port"]) if port.get("port") is not None else port.get("name") or "*"
        for port in obj.get("ports") or ()
    ]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [
        printing.name(obj),
        obj.get("addressType", ""),
        printing.some(ports, empty=printing.UNSET),
        printing.some(addresses, empty=printing.UNSET),
        printing.age(obj, now),
    ]
