"""Services. Cluster IPs and node ports are given out by the API server's allocators, between the functions here."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "services")
NAME_RULE = metadata.dns1035
COLUMNS = (
    printing.NAME,
    printing.text("Type", "How the Service is exposed."),
    printing.text("Cluster-IP", "The IP address of the service."),
    printing.text("External-IP", "Addresses outside the cluster."),
    printing.text("Port(s)", "The ports that are exposed by this service."),
    printing.AGE,
    printing.wide("Selector", "The labels of the pods that serve."),
)
CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
TYPES = (CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT)
HEADLESS = "None"
_DAY = 86400


def is_headless(spec: Object) -> bool:
    """No cluster IP on purpose."""
    return spec.get("clusterIP") == HEADLESS or (spec.get("clusterIPs") or [""])[0] == HEADLESS


def is_external(spec: Object) -> bool:
    """Reachable from outside: what an external traffic policy is about."""
    return spec.get("type") in (NODE_PORT, LOAD_BALANCER) or (
        spec.get("type") == CLUSTER_IP and bool(spec.get("externalIPs"))
    )


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        given = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if given.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    if not spec.get("type"):
        spec["type"] = CLUSTER_IP
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if is_external(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec["type"] != EXTERNAL_NAME:
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == LOAD_BALANCER:
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def prepare_create(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}
    _mirror_addresses(obj["spec"], None)


def _mirror_addresses(spec: Object, before: Object | None) -> None:
    """``clusterIP`` is the first of ``clusterIPs``; who knows only the old field changes it alone."""
    if before is not None and spec.get("clusterIP") != before.get("clusterIP"):
        if spec.get("clusterIPs") == before.get("clusterIPs"):
            if spec.get("clusterIP"):
                spec["clusterIPs"] = [spec["clusterIP"], *(spec.get("clusterIPs") or [])[1:]]
            else:
                spec.pop("clusterIPs", None)
    elif spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    spec, before = new["spec"], old["spec"]
    _patch_allocated(spec, before)
    _mirror_addresses(spec, before)
    _drop_dependent(new, old)


def _patch_allocated(spec: Object, before: Object) -> None:
    """A client that replaces a Service may leave out what the server gave it."""
    if spec["type"] == EXTERNAL_NAME or before["type"] == EXTERNAL_NAME:
        return
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        for key in ("clusterIP", "clusterIPs"):
            resource.keep(spec, before, key)
    for key in ("ipFamilies", "ipFamilyPolicy"):
        if key not in spec:
            resource.keep(spec, before, key)
    if _needs_node_port(spec) and _needs_node_port(before):
        _patch_node_ports(spec.get("ports") or [], before.get("ports") or [])
    if _needs_health_port(spec) and _needs_health_port(before) and not spec.get("healthCheckNodePort"):
        resource.keep(spec, before, "healthCheckNodePort")


def _patch_node_ports(ports: list[Object], before: list[Object]) -> None:
    known = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in before}
    taken = {(port.get("protocol"), port["nodePort"]) for port in ports if port.get("nodePort")}
    for port in ports:
        found = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and found and (port.get("protocol"), found) not in taken:
            port["nodePort"] = found


def _needs_node_port(spec: Object) -> bool:
    return spec.get("type") == NODE_PORT or (
        spec.get("type") == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts", True)
    )


def _needs_health_port(spec: Object) -> bool:
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"


def _drop_dependent(new: Object, old: Object) -> None:
    """What only the former type needed goes, where the client did not change it itself."""
    spec, before = new["spec"], old["spec"]
    if before["type"] != EXTERNAL_NAME and spec["type"] == EXTERNAL_NAME:
        if spec.get("clusterIP") == before.get("clusterIP"):
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        for key in ("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            _drop_same(spec, before, key)
    if _needs_node_port(before) and not _needs_node_port(spec):
        known = {port.get("nodePort") for port in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in known:
                port.pop("nodePort", None)
    if _needs_health_port(before) and not _needs_health_port(spec):
        _drop_same(spec, before, "healthCheckNodePort")
    if before["type"] == LOAD_BALANCER != spec["type"]:
        _drop_same(spec, before, "allocateLoadBalancerNodePorts")
        _drop_same(spec, before, "loadBalancerClass")
    if is_external(before) and not is_external(spec):
        _drop_same(spec, before, "externalTrafficPolicy")
    if spec["type"] != LOAD_BALANCER:
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def _drop_same(spec: Object, before: Object, key: str) -> None:
    if spec.get(key) == before.get(key):
        spec.pop(key, None)


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    kind, ports = spec.get("type"), spec.get("ports") or []
    found: Errors = []
    if not ports and not is_headless(spec) and kind != EXTERNAL_NAME:
        found.append(field.required("spec.ports"))
    if kind in (LOAD_BALANCER, NODE_PORT) and is_headless(spec):
        text = f"may not be set to 'None' for {kind} services"
        found.append(field.invalid("spec.clusterIPs[0]", HEADLESS, text))
    if kind == EXTERNAL_NAME:
        found += _external_name(spec)
    seen: set[str] = set()
    for position, port in enumerate(ports):
        found += _port(port, len(ports) > 1, seen, f"spec.ports[{position}]")
    found += metadata.validate_labels(spec.get("selector"), "spec.selector")
    found += _affinity(spec) + _addresses(spec)
    for position, address in enumerate(spec.get("externalIPs") or ()):
        found += checks.ip(address, f"spec.externalIPs[{position}]")
    found += checks.one_of(kind, "spec.type", TYPES)
    found += _numbers(ports, kind)
    return found + _traffic(spec, kind)


def _external_name(spec: Object) -> Errors:
    found: Errors = []
    for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(key):
            found.append(field.forbidden(f"spec.{key}", "may not be set for ExternalName services"))
    name = spec.get("externalName", "").removesuffix(".")
    return found + checks.required_word(name, "spec.externalName", names.dns_subdomain)


def _port(port: Object, name_required: bool, seen: set[str], path: str) -> Errors:
    found: Errors = []
    name = port.get("name", "")
    if name:
        found += checks.word(name, field.child(path, "name"), names.dns_label)
        if name in seen:
            found.append(field.duplicate(field.child(path, "name"), name))
        seen.add(name)
    elif name_required:
        found.append(field.required(field.child(path, "name")))
    found += checks.port_number_or_name(port.get("port", 0), field.child(path, "port"))
    found += checks.one_of(port.get("protocol"), field.child(path, "protocol"), ("SCTP", "TCP", "UDP"))
    found += checks.port_number_or_name(port.get("targetPort"), field.child(path, "targetPort"))
    if port.get("appProtocol") is not None:
        found += checks.word(port["appProtocol"], field.child(path, "appProtocol"), names.label_key)
    return found


def _affinity(spec: Object) -> Errors:
    affinity = spec.get("sessionAffinity")
    found = checks.one_of(affinity, "spec.sessionAffinity", ("ClientIP", "None"))
    config = spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinityConfig"
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds", 0)
        if not 0 < seconds <= _DAY:
            text = f"must be greater than 0 and less than {_DAY}"
            found.append(field.invalid(f"{path}.clientIP.timeoutSeconds", seconds, text))
    elif affinity == "None" and config is not None:
        found.append(field.forbidden(path, "must not be set when session affinity is None"))
    return found


def _addresses(spec: Object) -> Errors:
    addresses = spec.get("clusterIPs") or []
    found: Errors = []
    if addresses and spec.get("clusterIP") != addresses[0]:
        text = "first value must match `clusterIP`"
        found.append(field.invalid("spec.clusterIPs", addresses, text))
    for position, address in enumerate(addresses):
        if position == 0 and address == HEADLESS:
            if len(addresses) > 1:
                text = "'None' must be the first and only value"
                found.append(field.invalid("spec.clusterIPs[0]", address, text))
            break
        found += checks.ip(address, f"spec.clusterIPs[{position}]")
    policies = ("SingleStack", "PreferDualStack", "RequireDualStack")
    found += checks.optional(spec.get("ipFamilyPolicy"), "spec.ipFamilyPolicy", policies)
    for position, family in enumerate(spec.get("ipFamilies") or ()):
        found += checks.optional(family, f"spec.ipFamilies[{position}]", ("IPv4", "IPv6"))
    return found


def _numbers(ports: list[Object], kind: str | None) -> Errors:
    found: Errors = []
    node_ports: set[tuple[Any, Any]] = set()
    own: set[tuple[Any, Any]] = set()
    for position, port in enumerate(ports):
        path = f"spec.ports[{position}]"
        number = port.get("nodePort")
        if number:
            if kind == CLUSTER_IP:
                text = "may not be used when `type` is 'ClusterIP'"
                found.append(field.forbidden(f"{path}.nodePort", text))
            if (port.get("protocol"), number) in node_ports:
                found.append(field.duplicate(f"{path}.nodePort", number))
            node_ports.add((port.get("protocol"), number))
        key = (port.get("protocol"), port.get("port"))
        if key in own:
            shown = {"protocol": key[0], "port": key[1], "targetPort": 0}
            found.append(field.duplicate(path, shown))
        own.add(key)
    return found


def _traffic(spec: Object, kind: str | None) -> Errors:
    found: Errors = []
    only = "may only be used when `type` is 'LoadBalancer'"
    if kind != LOAD_BALANCER:
        for key, path in (
            ("loadBalancerSourceRanges", "LoadBalancerSourceRanges"),
            ("allocateLoadBalancerNodePorts", "allocateLoadBalancerNodePorts"),
            ("loadBalancerClass", "loadBalancerClass"),
        ):
            if spec.get(key) is not None:
                found.append(field.forbidden(f"spec.{path}", only))
    external = spec.get("externalTrafficPolicy")
    if external and not is_external(spec):
        text = "may only be set for externally-accessible services"
        found.append(field.invalid("spec.externalTrafficPolicy", external, text))
    found += checks.optional(external, "spec.externalTrafficPolicy", ("Cluster", "Local"))
    if spec.get("healthCheckNodePort") and not _needs_health_port(spec):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(field.invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], text))
    found += checks.optional(spec.get("internalTrafficPolicy"), "spec.internalTrafficPolicy", ("Cluster", "Local"))
    choices = ("PreferClose", "PreferSameNode", "PreferSameZone")
    return found + checks.optional(spec.get("trafficDistribution"), "spec.trafficDistribution", choices)


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found: Errors = []
    text = "may not change once set"
    keeps_address = EXTERNAL_NAME not in (before["type"], spec["type"]) and before.get("clusterIP")
    if keeps_address and spec.get("clusterIP") != before["clusterIP"]:
        found.append(field.invalid("spec.clusterIPs[0]", spec.get("clusterIPs"), text))
    balanced = before["type"] == LOAD_BALANCER == spec["type"]
    if balanced and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        found.append(field.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), text))
    return found + validate_create(new)


def fields(obj: Object) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}


def _external(spec: Object, told: Object) -> str:
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or printing.NONE
        case "LoadBalancer":
            ingress = (told.get("loadBalancer") or {}).get("ingress") or ()
            given = [i.get("ip") or i.get("hostname", "") for i in ingress]
            return ",".join([*given, *external]) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return printing.UNKNOWN


def _ports(ports: list[Object]) -> str:
    shown = []
    for port in ports:
        number = f"{port.get('port')}:{port['nodePort']}" if port.get("nodePort") else str(port.get("port"))
        shown.append(f"{number}/{port.get('protocol')}")
    return ",".join(shown) or printing.NONE


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj["spec"]
    return [
        printing.name(obj),
        spec.get("type", ""),
        (spec.get("clusterIPs") or [spec.get("clusterIP") or printing.NONE])[0],
        _external(spec, obj.get("status") or {}),
        _ports(spec.get("ports") or []),
        printing.age(obj, now),
        printing.labels(spec.get("selector")),
    ]
