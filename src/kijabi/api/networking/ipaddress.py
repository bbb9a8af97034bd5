"""IPAddresses: one object per cluster IP that is taken; the name is the address."""

from __future__ import annotations

import ipaddress
from typing import Any

from kijabi.api import checks, field, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "ipaddresses")
COLUMNS = (printing.NAME, printing.text("ParentRef", "Who uses the address."), printing.AGE)


def NAME_RULE(name: str, prefix: bool = False) -> list[str]:
    """The canonical form of an address: an address has one object, however it may be spelled."""
    # Leading zeros are told of in words of their own, so what would be left without them must be an address.
    plain = ".".join(part.lstrip("0") or "0" for part in name.split(".")) if ":" not in name else name
    if not checks.is_ip(plain) or "%" in name or "/" in name:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    if plain != name:
        return ["must not have leading 0s"]
    parsed = ipaddress.ip_address(name)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return [] if str(parsed) == name else [f'must be in canonical form ("{parsed}")']


def validate_create(obj: Object) -> Errors:
    parent = (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        return [field.required("spec.parentRef")]
    found: Errors = []
    if parent.get("group"):
        found += checks.word(parent["group"], "spec.parentRef.group", names.dns_subdomain)
    for key in ("resource", "name", "namespace"):
        given, path = parent.get(key, ""), f"spec.parentRef.{key}"
        if given:
            found += checks.word(given, path, names.path_segment)
        elif key != "namespace":
            # Services are of the core group, so neither a group nor a namespace can be asked for.
            found.append(field.required(path))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    after, before = (new.get("spec") or {}).get("parentRef"), (old.get("spec") or {}).get("parentRef")
    return checks.immutable(after, before, "spec.parentRef")


def fields(obj: Object) -> dict[str, str]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    return {f"spec.parentRef.{key}": parent.get(key, "") for key in ("group", "resource", "namespace", "name")}


def columns(obj: Object, now: float) -> list[Any]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    kind = ".".join(part for part in (parent.get("resource", ""), parent.get("group", "")) if part)
    shown = "/".join(part for part in (kind, parent.get("namespace", ""), parent.get("name", "")) if part)
    return [printing.name(obj), shown, printing.age(obj, now)]
