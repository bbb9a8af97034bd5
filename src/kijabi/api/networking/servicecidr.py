"""ServiceCIDRs: the ranges that cluster IPs come from."""

from __future__ import annotations

import ipaddress
from typing import Any

from kijabi.api import field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "servicecidrs")
COLUMNS = (printing.NAME, printing.text("CIDRs", "The ranges, one per family."), printing.AGE)


def validate_create(obj: Object) -> Errors:
    cidrs = (obj.get("spec") or {}).get("cidrs") or []
    if not cidrs:
        return [field.required("spec.cidrs", "at least one CIDR required")]
    if len(cidrs) > 2:
        text = "may only hold up to 2 values"
        return [field.invalid("spec.cidrs", cidrs, text)]
    found: Errors = []
    versions = []
    for position, cidr in enumerate(cidrs):
        try:
            versions.append(ipaddress.ip_network(cidr).version)
        except ValueError:
            text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            found.append(field.invalid(f"spec.cidrs[{position}]", cidr, text))
    if len(versions) == 2 and versions[0] == versions[1]:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(field.invalid("spec.cidrs", cidrs, text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    after, before = ((obj.get("spec") or {}).get("cidrs") or [] for obj in (new, old))
    # A second family may be added, never taken away.
    if before and after[: len(before)] != before:
        return [field.immutable("spec.cidrs", after)]
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), ",".join((obj.get("spec") or {}).get("cidrs") or ()), printing.age(obj, now)]
