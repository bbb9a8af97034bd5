"""EndpointSlices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kijabi.api import addresses, checks, field, names, printing, resource, served
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
_MOST_ENDPOINTS, _MOST_PORTS, _MOST_ADDRESSES, _MOST_HINTS = 1000, 20000, 100, 8
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def default(obj: Object) -> None:
    for key in ("endpoints", "ports"):
        obj[key] = obj.get(key) or None
    for endpoint in obj["endpoints"] or ():
        endpoint.setdefault("conditions", {})
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def prepare_create(obj: Object) -> None:
    for endpoint in obj["endpoints"] or ():
        endpoint.pop("deprecatedTopology", None)


def prepare_update(new: Object, old: Object) -> None:
    """There is no spec: whatever is not metadata counts, and so do labels."""
    if (old.get("endpoints") or None) != new["endpoints"]:
        # Version 1 never had it; it may only stay where it is stored.
        prepare_create(new)
    changed = any((new.get(key) or None) != (old.get(key) or None) for key in ("endpoints", "ports", "addressType"))
    changed = changed or resource.is_changed(new["metadata"], old["metadata"], "labels")
    resource.count_generation(new, old, changed)


def validate_create(obj: Object) -> Errors:
    found = checks.one_of(obj.get("addressType"), "addressType", ("FQDN", "IPv4", "IPv6"))
    return found + _ports(obj.get("ports") or ()) + _endpoints(obj)


def _ports(ports: Sequence[Object]) -> Errors:
    if len(ports) > _MOST_PORTS:
        return [field.too_many("ports", len(ports), _MOST_PORTS)]
    found: Errors = []
    seen: set[str] = set()
    for position, port in enumerate(ports):
        path, name = f"ports[{position}]", port.get("name", "")
        if name:
            found += checks.word(name, f"{path}.name", names.dns_label)
        if name in seen:
            found.append(field.duplicate(f"{path}.name", name))
        seen.add(name)
        protocol = port.get("protocol")
        if protocol not in _PROTOCOLS:
            found.append(field.not_supported(f"{path}.protocol", protocol, _PROTOCOLS))
        if port.get("appProtocol") is not None:
            found += checks.word(port["appProtocol"], f"{path}.appProtocol", names.label_key)
    return found


def _endpoints(obj: Object) -> Errors:
    endpoints, kind = obj.get("endpoints") or (), obj.get("addressType", "")
    if len(endpoints) > _MOST_ENDPOINTS:
        return [field.too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)]
    found: Errors = []
    for position, endpoint in enumerate(endpoints):
        found += _endpoint(endpoint, kind, f"endpoints[{position}]")
    return found


def _endpoint(endpoint: Object, kind: str, path: str) -> Errors:
    listed, where = endpoint.get("addresses") or (), field.child(path, "addresses")
    found: Errors = []
    if not listed:
        found.append(field.required(where, "must contain at least 1 address"))
    elif len(listed) > _MOST_ADDRESSES:
        found.append(field.too_many(where, len(listed), _MOST_ADDRESSES))
    for position, address in enumerate(listed):
        found += _address(address, kind, where, field.index(where, position))
    if endpoint.get("nodeName") is not None:
        found += checks.word(endpoint["nodeName"], field.child(path, "nodeName"), names.dns_subdomain)
    if endpoint.get("hostname") is not None:
        found += checks.word(endpoint["hostname"], field.child(path, "hostname"), names.dns_label)
    hints = endpoint.get("hints") or {}
    for key, rule in (("forZones", names.label_value), ("forNodes", names.dns_subdomain)):
        found += _hints(hints.get(key) or (), field.child(path, "hints", key), rule)
    return found


def _address(address: str, kind: str, path: str, where: str) -> Errors:
    if kind == "FQDN":
        return checks.word(address, where, names.dns_subdomain)
    if kind not in _FAMILIES:
        return []
    found = addresses.ip(address, where)
    if found:
        return found
    parsed = addresses.parse(address)
    if parsed is not None and parsed.version != _FAMILIES[kind]:
        found.append(field.invalid(path, address, f"must be an {kind} address"))
    return found + addresses.endpoint(address, where)


def _hints(listed: Sequence[Object], path: str, rule: Callable[[str], list[str]]) -> Errors:
    if len(listed) > _MOST_HINTS:
        return [field.too_many(path, len(listed), _MOST_HINTS)]
    found: Errors = []
    seen: set[str] = set()
    for position, hint in enumerate(listed):
        name, where = hint.get("name", ""), field.child(field.index(path, position), "name")
        if name in seen:
            found.append(field.duplicate(where, name))
        seen.add(name)
        found += checks.word(name, where, rule)
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found = checks.one_of(new.get("addressType"), "addressType", ("FQDN", "IPv4", "IPv6"))
    found += _ports(new.get("ports") or ())
    if (new.get("endpoints") or None) != (old.get("endpoints") or None):
        # Unchanged, they may be what older releases took.
        found += _endpoints(new)
    return found + checks.immutable(new.get("addressType"), old.get("addressType"), "addressType")


def warn_create(obj: Object) -> list[str]:
    found = ["spec.addressType: FQDN endpoints are deprecated"] if obj.get("addressType") == "FQDN" else []
    return found + warn_update(obj, obj)


def warn_update(new: Object, old: Object) -> list[str]:
    if new.get("addressType") == "FQDN":
        return []
    return [
        text
        for position, endpoint in enumerate(new.get("endpoints") or ())
        for number, address in enumerate(endpoint.get("addresses") or ())
        for text in addresses.ip_warnings(address, f"endpoints[{position}].addresses[{number}]")
    ]


def columns(obj: Object, now: float) -> list[Any]:
    ports = [
        str(port["port"]) if port.get("port") is not None else port.get("name") or "*"
        for port in obj.get("ports") or ()
    ]
    reached = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [
        printing.name(obj),
        obj.get("addressType", ""),
        printing.some(ports, empty=printing.UNSET),
        printing.some(reached, empty=printing.UNSET),
        printing.age(obj, now),
    ]
