"""NetworkPolicies."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any

from kijabi.api import addresses, checks, field, labels, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "networkpolicies")
GENERATION = True
COLUMNS = (printing.NAME, printing.text("Pod-Selector", "The pods it is about."), printing.AGE)

_RULES = (("ingress", "from"), ("egress", "to"))
_TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    for key in ("ingress", "egress"):
        for rule in spec.get(key) or ():
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    return _validate(obj, ())


def _validate(obj: Object, kept: Collection[str]) -> Errors:
    """``kept``: ranges that are stored already, in whatever form."""
    spec = obj["spec"]
    found = checks.selector(spec.get("podSelector"), "spec.podSelector")
    for key, peers in _RULES:
        for position, rule in enumerate(spec.get(key) or ()):
            path = f"spec.{key}[{position}]"
            for number, port in enumerate(rule.get("ports") or ()):
                found += _port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or ()):
                found += _peer(peer, f"{path}.{peers}[{number}]", kept)
    kinds = spec.get("policyTypes") or []
    if len(kinds) > len(_TYPES):
        return [*found, field.invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes")]
    for position, kind in enumerate(kinds):
        if kind not in _TYPES:
            found.append(field.not_supported(f"spec.policyTypes[{position}]", kind, _TYPES, ordered=True))
    return found


def _port(port: Object, path: str) -> Errors:
    protocol, where = port.get("protocol"), field.child(path, "protocol")
    found = [] if protocol in _PROTOCOLS else [field.not_supported(where, protocol, _PROTOCOLS, ordered=True)]
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        found += checks.port_number_or_name(number, field.child(path, "port"))
    if end is not None:
        where = field.child(path, "endPort")
        if number is None:
            found.append(field.invalid(where, end, "may not be specified when `port` is not specified"))
        elif isinstance(number, str):
            found.append(field.invalid(where, end, "may not be specified when `port` is non-numeric"))
        elif end < number:
            # Upstream shows the port.
            found.append(field.invalid(where, number, "must be greater than or equal to `port`"))
        found += [field.invalid(where, end, text) for text in names.port_number(end)]
    return found


def _peer(peer: Object, path: str, kept: Collection[str]) -> Errors:
    found: Errors = []
    for key in ("podSelector", "namespaceSelector"):
        found += checks.selector(peer.get(key), field.child(path, key))
    block = peer.get("ipBlock")
    if block is not None:
        if len(peer) > 1:
            return [*found, field.forbidden(path, "may not specify both ipBlock and another peer")]
        return found + _block(block, field.child(path, "ipBlock"), kept)
    if not peer:
        found.append(field.required(path, "must specify a peer"))
    return found


def _block(block: Object, path: str, kept: Collection[str]) -> Errors:
    where, whole = field.child(path, "cidr"), block.get("cidr", "")
    if not whole:
        return [field.required(where)]
    found = addresses.cidr(whole, where, kept)
    if found:
        return found
    for position, part in enumerate(block.get("except") or ()):
        inner = field.index(field.child(path, "except"), position)
        problems = addresses.cidr(part, inner, kept)
        if not problems and not _is_within(part, whole):
            problems = [field.invalid(inner, part, "must be a strict subset of `cidr`")]
        found += problems
    return found


def _is_within(part: str, whole: str) -> bool:
    try:
        inner, outer = ipaddress.ip_network(part, strict=False), ipaddress.ip_network(whole, strict=False)
    except ValueError:
        # Of a form that only old releases took.
        return True
    return inner.version == outer.version and inner.subnet_of(outer) and inner != outer  # type: ignore[arg-type]


def _ranges(obj: Object) -> list[str]:
    found = []
    for key, peers in _RULES:
        for rule in obj["spec"].get(key) or ():
            for peer in rule.get(peers) or ():
                block = peer.get("ipBlock") or {}
                found += [block.get("cidr", ""), *(block.get("except") or ())]
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return _validate(new, _ranges(old))


def columns(obj: Object, now: float) -> list[Any]:
    chosen = labels.format_label_selector((obj.get("spec") or {}).get("podSelector") or {})
    return [printing.name(obj), chosen, printing.age(obj, now)]
