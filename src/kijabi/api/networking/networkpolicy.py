"""NetworkPolicies."""

from __future__ import annotations

import ipaddress
from typing import Any

from kijabi.api import checks, field, labels, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "networkpolicies")
GENERATION = True
COLUMNS = (printing.NAME, printing.text("Pod-Selector", "The pods it is about."), printing.AGE)


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
    spec = obj["spec"]
    found = checks.selector(spec.get("podSelector"), "spec.podSelector")
    for key, peers in (("ingress", "from"), ("egress", "to")):
        for position, rule in enumerate(spec.get(key) or ()):
            path = f"spec.{key}[{position}]"
            for number, port in enumerate(rule.get("ports") or ()):
                found += _port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or ()):
                found += _peer(peer, f"{path}.{peers}[{number}]")
    for position, kind in enumerate(spec.get("policyTypes") or ()):
        found += checks.optional(kind, f"spec.policyTypes[{position}]", ("Egress", "Ingress"))
    return found


def _port(port: Object, path: str) -> Errors:
    found = checks.optional(port.get("protocol"), field.child(path, "protocol"), ("SCTP", "TCP", "UDP"))
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
            found.append(field.invalid(where, end, "must be greater than or equal to `port`"))
    return found


def _peer(peer: Object, path: str) -> Errors:
    found: Errors = []
    for key in ("podSelector", "namespaceSelector"):
        found += checks.selector(peer.get(key), field.child(path, key))
    block = peer.get("ipBlock")
    if block is not None:
        if len(peer) > 1:
            return [*found, field.forbidden(path, "may not specify more than 1 from type")]
        return found + _block(block, field.child(path, "ipBlock"))
    if not peer:
        found.append(field.required(path, "must specify a peer"))
    return found


def _block(block: Object, path: str) -> Errors:
    text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    where = field.child(path, "cidr")
    if not block.get("cidr"):
        return [field.required(where)]
    try:
        whole = ipaddress.ip_network(block["cidr"], strict=False)
    except ValueError:
        return [field.invalid(where, block["cidr"], text)]
    found: Errors = []
    for position, cidr in enumerate(block.get("except") or ()):
        inner = field.index(field.child(path, "except"), position)
        try:
            part = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            found.append(field.invalid(inner, cidr, text))
            continue
        if part.version != whole.version or not part.subnet_of(whole) or part == whole:  # type: ignore[arg-type]
            found.append(field.invalid(inner, cidr, "must be a strict subset of `cidr`"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    chosen = labels.format_label_selector((obj.get("spec") or {}).get("podSelector") or {})
    return [printing.name(obj), chosen, printing.age(obj, now)]
