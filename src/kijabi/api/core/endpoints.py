"""Endpoints: the old form of EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kijabi.api import addresses, checks, field, metadata, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "endpoints")
COLUMNS = (printing.NAME, printing.text("Endpoints", "Addresses and ports that serve."), printing.AGE)


EXTRA = {"warnings": ("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",)}


def default(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    for position, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{position}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            found.append(field.required(path, "must specify `addresses` or `notReadyAddresses`"))
        for key in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(key) or ()):
                found += _address(address, f"{path}.{key}[{number}]")
        ports = subset.get("ports") or ()
        for number, port in enumerate(ports):
            found += _port(port, len(ports) > 1, f"{path}.ports[{number}]")
    return found


def _address(address: Object, path: str) -> Errors:
    text = address.get("ip", "")
    found = addresses.ip(text, f"{path}.ip")
    if address.get("hostname"):
        found += checks.word(address["hostname"], field.child(path, "hostname"), names.dns_label)
    if address.get("nodeName") is not None:
        found += checks.word(address["nodeName"], field.child(path, "nodeName"), names.dns_subdomain)
    return found + addresses.endpoint(text, f"{path}.ip")


def _port(port: Object, name_required: bool, path: str) -> Errors:
    found: Errors = []
    if port.get("name"):
        found += checks.word(port["name"], field.child(path, "name"), names.dns_label)
    elif name_required:
        found.append(field.required(field.child(path, "name")))
    found += checks.port_number_or_name(port.get("port", 0), field.child(path, "port"))
    found += checks.one_of(port.get("protocol"), field.child(path, "protocol"), ("SCTP", "TCP", "UDP"))
    if port.get("appProtocol") is not None:
        found += checks.word(port["appProtocol"], field.child(path, "appProtocol"), names.label_key)
    return found


def validate_update(new: Object, old: Object) -> Errors:
    again = metadata.validate(new["metadata"], True, metadata.subdomain)
    # What was let in once may stay while nothing about it changes.
    return again if new.get("subsets") == old.get("subsets") else again + validate_create(new)


_MANAGED_BY = ("endpoints.kubernetes.io/managed-by", "endpoint-controller")


def warn_create(obj: Object) -> list[str]:
    key, controller = _MANAGED_BY
    if (obj["metadata"].get("labels") or {}).get(key) == controller:
        return []
    return [
        text
        for position, subset in enumerate(obj.get("subsets") or ())
        for kind in ("addresses", "notReadyAddresses")
        for number, address in enumerate(subset.get(kind) or ())
        for text in addresses.ip_warnings(address.get("ip", ""), f"subsets[{position}].{kind}[{number}].ip")
    ]


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def _shown(obj: Object) -> Iterator[str]:
    for subset in obj.get("subsets") or ():
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        if not subset.get("ports"):
            yield from addresses
        for port in subset.get("ports") or ():
            for address in addresses:
                host = f"[{address}]" if ":" in address else address
                yield f"{host}:{port.get('port')}"


def columns(obj: Object, now: float) -> list[Any]:
    empty = "" if obj.get("subsets") else printing.NONE
    return [printing.name(obj), printing.some(_shown(obj), empty=empty), printing.age(obj, now)]
