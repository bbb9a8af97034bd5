"""A Service's linked fields: which follow from which, on creation and on update. Pure.

Source: the Kubernetes documentation, "Service" and "IPv4/IPv6 dual-stack"; the texts are upstream's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping

from kijabi.api import field
from kijabi.apiserver import contract

Object = contract.Object

NONE = "None"
IPV4, IPV6 = "IPv4", "IPv6"
SINGLE, PREFER_DUAL, REQUIRE_DUAL = "SingleStack", "PreferDualStack", "RequireDualStack"
_EXPOSED = ("NodePort", "LoadBalancer")


def family(address: str) -> str:
    return f"IPv{ipaddress.ip_address(address).version}"


def other_family(one: str) -> str:
    return IPV6 if one == IPV4 else IPV4


def kind(spec: Object) -> str:
    return str(spec.get("type") or "ClusterIP")


def needs_addresses(spec: Object) -> bool:
    return kind(spec) != "ExternalName"


def is_headless(spec: Object) -> bool:
    return spec.get("clusterIP") == NONE or (spec.get("clusterIPs") or [""])[0] == NONE


def needs_node_ports(spec: Object) -> bool:
    return kind(spec) in _EXPOSED


def gets_node_ports(spec: Object) -> bool:
    """Whether ports that name no node port get one."""
    return needs_node_ports(spec) and not (
        kind(spec) == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False
    )


def needs_health_port(spec: Object) -> bool:
    return kind(spec) == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def addresses(spec: Object) -> Iterator[str]:
    """The cluster addresses a stored Service holds."""
    if needs_addresses(spec):
        for one in spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else []):
            if one and one != NONE:
                yield one


def node_ports(spec: Object) -> set[int]:
    """The node ports a stored Service holds; one number serves several protocols of the same Service."""
    held = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        held.add(spec["healthCheckNodePort"])
    return held


def link_created(spec: Object) -> None:
    """A client that knows only ``clusterIP`` means ``clusterIPs`` as well."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def link_updated(spec: Object, old: Object) -> None:
    """What an update leaves out but cannot mean to change is taken from the stored Service."""
    if needs_addresses(spec) and needs_addresses(old):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and old.get("clusterIPs"):
            spec["clusterIPs"] = list(old["clusterIPs"])
    if needs_node_ports(spec) and needs_node_ports(old):
        _keep_node_ports(spec, old)
    if needs_health_port(spec) and needs_health_port(old) and not spec.get("healthCheckNodePort"):
        _keep(spec, old, "healthCheckNodePort")
    _link_addresses(spec, old)


def _keep(spec: Object, old: Object, key: str) -> None:
    if key in old:
        spec[key] = old[key]


def _keep_node_ports(spec: Object, old: Object) -> None:
    there = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports") or ()}
    named = {port.get("nodePort", 0) for port in spec.get("ports") or ()} & set(there.values())
    for port in spec.get("ports") or ():
        before = there.get(port.get("name", ""), 0)
        if not port.get("nodePort") and before and before not in named:
            port["nodePort"] = before


def _link_addresses(spec: Object, old: Object) -> None:
    was, now = old.get("clusterIP", ""), spec.get("clusterIP", "")
    many_was, many_now = old.get("clusterIPs") or [], spec.get("clusterIPs") or []
    if many_was and not many_now and was == now:
        spec["clusterIPs"] = list(many_was)
    elif was != now and many_was == many_now:
        # An old client changed or cleared the one field it knows.
        if was and not now:
            spec.pop("clusterIPs", None)
        else:
            spec["clusterIPs"] = [now]


def drop_dependent(spec: Object, old: Object) -> None:
    """Take away what belongs to the old type and was only carried along; what changed stays, to be refused."""
    if needs_addresses(old) and not needs_addresses(spec):
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            _drop_same(spec, old, key)
    if needs_node_ports(old) and not needs_node_ports(spec):
        same = [port.get("nodePort") for port in old.get("ports") or ()]
        if [port.get("nodePort") for port in spec.get("ports") or ()] == same:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(spec):
        _drop_same(spec, old, "healthCheckNodePort")
    if kind(old) == "LoadBalancer" and kind(spec) != "LoadBalancer":
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            _drop_same(spec, old, key)
    if needs_node_ports(old) and not needs_node_ports(spec):
        _drop_same(spec, old, "externalTrafficPolicy")
    if needs_addresses(old) and not needs_addresses(spec):
        _drop_same(spec, old, "internalTrafficPolicy")


def _drop_same(spec: Object, old: Object, key: str) -> None:
    if spec.get(key) == old.get(key):
        spec.pop(key, None)


def set_families(spec: Object, old: Object | None, served: Collection[str], default: str) -> list[field.Error]:
    """Fill ``ipFamilyPolicy`` and ``ipFamilies``. ``served`` are the families with a range; problems are the value."""
    if not needs_addresses(spec) or (old is not None and _prefers_dual_unchanged(spec, old)):
        return []
    headless_alone = is_headless(spec) and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        if old is not None and old.get("ipFamilyPolicy"):
            spec["ipFamilyPolicy"] = old["ipFamilyPolicy"]
        else:
            spec["ipFamilyPolicy"] = REQUIRE_DUAL if headless_alone else SINGLE
    problems = _released(spec, old) if old is not None else []
    problems += _too_many(spec)
    problems += _infer(spec, served)
    if problems:
        return problems
    families = spec.get("ipFamilies") or []
    if headless_alone:
        families = families or [default]
        if len(families) < 2 and spec["ipFamilyPolicy"] != SINGLE:
            families = [*families, other_family(families[0])]
        spec["ipFamilies"] = families
        return []
    problems = list(_unserved(spec, families, served))
    if problems:
        return problems
    families = families or [default]
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1 and len(served) == 2:
        families = [*families, other_family(families[0])]
    spec["ipFamilies"] = families
    return []


def _prefers_dual_unchanged(spec: Object, old: Object) -> bool:
    # Such a Service stays as it is when the cluster changes between one stack and two.
    return (
        needs_addresses(old)
        and spec.get("ipFamilyPolicy") == old.get("ipFamilyPolicy") == PREFER_DUAL
        and (spec.get("clusterIPs") or []) == (old.get("clusterIPs") or [])
        and (spec.get("ipFamilies") or []) == (old.get("ipFamilies") or [])
    )


def _released(spec: Object, old: Object) -> list[field.Error]:
    policy = spec["ipFamilyPolicy"]
    path = "spec.ipFamilyPolicy"
    problems = []
    for key, word in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        was, now = old.get(key) or [], spec.get(key) or []
        if policy == SINGLE:
            if was == now and len(now) > 1:
                spec[key] = now[:1]
        elif len(now) == 1 and len(was) == 2 and now[0] == was[0]:
            problems.append(field.invalid(path, policy, f"must be 'SingleStack' to release the secondary {word}"))
    return problems


def _too_many(spec: Object) -> list[field.Error]:
    if spec["ipFamilyPolicy"] != SINGLE:
        return []
    text = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
    return [
        field.invalid("spec.ipFamilyPolicy", SINGLE, text.format(words))
        for key, words in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if len(spec.get(key) or ()) == 2
    ]


def _infer(spec: Object, served: Collection[str]) -> list[field.Error]:
    problems = []
    listed = spec.get("clusterIPs") or []
    for index, address in enumerate(listed):
        if address == NONE:
            break
        if not address or index < len(spec.get("ipFamilies") or ()):
            continue
        try:
            found = family(address)
        except ValueError:
            # Not an address: validation says so in its own words.
            return [
                field.invalid(
                    f"spec.clusterIPs[{index}]",
                    address,
                    "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                )
            ]
        if found in served:
            spec["ipFamilies"] = [*(spec.get("ipFamilies") or ()), found]
        else:
            path = f"spec.clusterIPs[{index}]"
            problems.append(field.invalid(path, listed, f"{found} is not configured on this cluster"))
    return problems


def _unserved(spec: Object, families: list[str], served: Collection[str]) -> Iterator[field.Error]:
    policy = spec["ipFamilyPolicy"]
    if policy == REQUIRE_DUAL and len(served) < 2:
        text = "this cluster is not configured for dual-stack services"
        yield field.invalid("spec.ipFamilyPolicy", policy, text)
    for index, one in enumerate(families):
        if one not in served:
            yield field.invalid(f"spec.ipFamilies[{index}]", one, "not configured on this cluster")


def port_key(port: Mapping[str, object]) -> tuple[object, object]:
    return port.get("protocol") or "TCP", port.get("nodePort")
