"""ServiceCIDRs: the ranges that cluster IPs come from."""

from __future__ import annotations

import ipaddress
from typing import Any

from kijabi.api import field, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "servicecidrs")
COLUMNS = (printing.NAME, printing.text("CIDRs", "The ranges, one per family."), printing.AGE)


def prepare_create(obj: Object) -> None:
    obj["status"] = {}


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    cidrs = spec.get("cidrs") or []
    if not cidrs:
        return [field.required("spec.cidrs", "at least one CIDR required")]
    if len(cidrs) > 2:
        return [field.invalid("spec.cidrs", spec, "may only hold up to 2 values")]
    found: Errors = []
    for position, cidr in enumerate(cidrs):
        why = complaint(cidr)
        if why:
            found.append(field.invalid(field.index("spec.cidrs", position), cidr, why))
    versions = [_version(cidr) for cidr in cidrs]
    if len(versions) == 2 and versions[0] == versions[1] != 0:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(field.invalid("spec.cidrs", cidrs, text))
    return found


def complaint(cidr: str) -> str:
    """What is wrong with a network in text; empty where nothing is. Only the canonical form is right."""
    address, slash, length = cidr.partition("/")
    # Leading zeros are told of in words of their own, so what would be left without them must be a network.
    plain = ".".join(part.lstrip("0") or "0" for part in address.split(".")) if ":" not in address else address
    try:
        if not slash or not length.isdecimal() or not length.isascii():
            raise ValueError(cidr)
        network = ipaddress.ip_network(f"{plain}/{int(length)}", strict=False)
    except ValueError:
        return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    if plain != address or str(int(length)) != length:
        return "must not have leading 0s in IP or prefix length"
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return "must not have an IPv4-mapped IPv6 address"
    if parsed != network.network_address:
        return "must not have bits set beyond the prefix length"
    return "" if str(network) == cidr else f'must be in canonical form ("{network}")'


def _version(cidr: str) -> int:
    """4 or 6; 0 for what is no network."""
    try:
        return ipaddress.ip_network(cidr, strict=False).version
    except ValueError:
        return 0


def prepare_update(new: Object, old: Object) -> None:
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)


def prepare_status(new: Object, old: Object) -> None:
    resource.keep_metadata(new, old)


def validate_update(new: Object, old: Object) -> Errors:
    after, before = ((obj.get("spec") or {}).get("cidrs") or [] for obj in (new, old))
    grows = len(before) == 1 and len(after) == 2
    if len(before) != len(after) and not grows:
        return [field.immutable("spec.cidrs", after)]
    found: Errors = [
        field.immutable(field.index("spec.cidrs", position), now)
        for position, (was, now) in enumerate(zip(before, after, strict=False))
        if was != now
    ]
    # A second family may be added, never taken away.
    return found + validate_create(new) if grows else found


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), ",".join((obj.get("spec") or {}).get("cidrs") or ()), printing.age(obj, now)]
