"""A Service's cluster IPs, IP families and family policy: what they may be, and what of them may change.

Source: "IPv4/IPv6 dual-stack" in the documentation, KEP-563.
"""

from __future__ import annotations

from kijabi.api import addresses, checks, field
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

HEADLESS = "None"
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_ONCE = "may not change once set"


def is_headless(spec: Object) -> bool:
    """No cluster IP on purpose."""
    return spec.get("clusterIP") == HEADLESS or (spec.get("clusterIPs") or [""])[0] == HEADLESS


def validate(spec: Object, before: Object) -> Errors:
    """Cluster IPs, families and policy; also asked before addresses are given out."""
    if spec.get("type") == "ExternalName":
        return []
    listed, first = spec.get("clusterIPs") or [], spec.get("clusterIP")
    path = "spec.clusterIPs"
    found: Errors = []
    if first and not listed:
        found.append(field.required(path))
    elif first and listed[0] != first:
        found.append(field.invalid(path, listed, "first value must match `clusterIP`"))
    elif listed and not first:
        found.append(field.invalid(path, listed, "must be empty when `clusterIP` is not specified"))
    families: list[str] = spec.get("ipFamilies") or []
    for position, family in enumerate(families):
        where = f"spec.ipFamilies[{position}]"
        if family not in _FAMILIES:
            found.append(field.not_supported(where, family, _FAMILIES))
        if family in families[:position]:
            found.append(field.duplicate(where, family))
    found += checks.pointer(spec, "ipFamilyPolicy", "spec", _FAMILY_POLICIES)
    problems = _cluster_ips(listed, before.get("clusterIPs") or [], path)
    if len(listed) > 2:
        found.append(field.invalid(path, listed, "may only hold up to 2 values"))
    if problems:
        return found + problems
    if len(listed) > 1 and not addresses.is_dual(listed):
        found.append(field.invalid(path, listed, "may specify no more than one IP for each IP family"))
    if not is_headless(spec):
        for position, (family, address) in enumerate(zip(families, listed, strict=False)):
            if family in _FAMILIES and (":" in address) != (family == "IPv6"):
                text = f"expected an {family} value as indicated by `ipFamilies[{position}]`"
                found.append(field.invalid(f"{path}[{position}]", address, text))
    return found


def _cluster_ips(listed: list[str], kept: list[str], path: str) -> Errors:
    found: Errors = []
    for position, address in enumerate(listed):
        if position == 0 and address == HEADLESS:
            if len(listed) > 1:
                found.append(field.invalid(path, listed, "'None' must be the first and only value"))
            continue
        found += addresses.ip(address, f"{path}[{position}]", kept)
    return found


def validate_update(spec: Object, before: Object) -> Errors:
    return _addresses_kept(spec, before) + _families_kept(spec, before)


def _addresses_kept(spec: Object, before: Object) -> Errors:
    """The first stays; a second one may come and go."""
    now, was = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    path = "spec.clusterIPs"
    if is_headless(spec) and is_headless(before):
        return []
    if len(now) == len(was):
        changed = [n for n, (one, other) in enumerate(zip(now, was, strict=True)) if one != other]
        return [field.invalid(f"{path}[{position}]", now, _ONCE) for position in changed]
    found: Errors = []
    if was and not now:
        found.append(field.invalid(f"{path}[0]", None, "primary clusterIP can not be unset"))
    if was and now and now[0] != was[0]:
        found.append(field.invalid(f"{path}[0]", now, _ONCE))
    if len(now) == 1 < len(was):
        found += _single(spec, "clusterIP")
    return found


def _families_kept(spec: Object, before: Object) -> Errors:
    now, was = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    path = "spec.ipFamilies[0]"
    if is_headless(spec) or is_headless(before):
        return []
    if len(now) == len(was):
        return [field.invalid(path, now, _ONCE) for one, other in zip(now, was, strict=True) if one != other]
    found: Errors = []
    if was and not spec.get("clusterIPs"):
        found.append(field.invalid(path, now or None, "primary ipFamily can not be unset"))
    if was and now and now[0] != was[0]:
        found.append(field.invalid(path, spec.get("clusterIPs"), _ONCE))
    if len(now) == 1 < len(was):
        found += _single(spec, "ipFamily")
    return found


def _single(spec: Object, what: str) -> Errors:
    policy = spec.get("ipFamilyPolicy")
    if policy == "SingleStack":
        return []
    text = f"must be set to 'SingleStack' when releasing the secondary {what}"
    return [field.invalid("spec.ipFamilyPolicy", policy, text)]
