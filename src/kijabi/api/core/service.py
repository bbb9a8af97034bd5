"""Services. Cluster IPs and node ports are given out by the API server's allocators, between the functions here."""

from __future__ import annotations

from typing import Any

from kijabi.api import addresses, checks, field, metadata, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.core import clusterips
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "services")
NAME_RULE = metadata.label
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
HEADLESS = clusterips.HEADLESS
_DAY = 86400
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_ONCE = "may not change once set"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


is_headless = clusterips.is_headless


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
    if spec["type"] in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == LOAD_BALANCER:
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")

    if spec.get("publishNotReadyAddresses") is False:
        del spec["publishNotReadyAddresses"]


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


def prepare_status(new: Object, old: Object) -> None:
    default({**new, "spec": dict(new["spec"])})


def validate_create(obj: Object) -> Errors:
    return _validate(obj, {})


def _validate(obj: Object, before: Object) -> Errors:
    """``before`` is the stored spec, empty for a new Service."""
    spec, told = obj["spec"], obj["metadata"].get("annotations") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    found = _topology(told) if told else []
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
    found += _affinity(spec) + clusterips.validate(spec, before)
    for position, address in enumerate(spec.get("externalIPs") or ()):
        path = f"spec.externalIPs[{position}]"
        found += addresses.ip(address, path, before.get("externalIPs") or ()) or addresses.endpoint(address, path)
    found += checks.one_of(kind, "spec.type", TYPES)
    found += _numbers(ports, kind) + _source_ranges(spec, before, told)
    return found + _traffic(spec, kind)


def _topology(told: Object) -> Errors:
    mode, hints = told.get(_MODE), told.get(_HINTS)
    if mode is None or hints is None or mode == hints:
        return []
    text = f"must match annotations[{_HINTS}] when both are specified"
    return [field.invalid(f"metadata.annotations[{_MODE}]", mode, text)]


def _source_ranges(spec: Object, before: Object, told: Object) -> Errors:
    ranges, balanced = spec.get("loadBalancerSourceRanges") or [], spec.get("type") == LOAD_BALANCER
    only = "may only be used when `type` is 'LoadBalancer'"
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        found = [] if balanced else [field.forbidden(path, only)]
        kept = [one.strip() for one in before.get("loadBalancerSourceRanges") or ()]
        for position, one in enumerate(ranges):
            found += addresses.cidr(one.strip(), f"{path}[{position}]", kept)
        return found
    if _RANGES not in told:
        return []
    path = f"metadata.annotations[{_RANGES}]"
    found = [] if balanced else [field.forbidden(path, only)]
    for one in told[_RANGES].split(",") if told[_RANGES].strip() else ():
        found += addresses.cidr(one.strip(), path)
    return found


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
            shown = {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1]}
            shown |= {"TargetPort": 0, "NodePort": 0}
            found.append(field.duplicate(path, shown))
        own.add(key)
    return found


def _traffic(spec: Object, kind: str | None) -> Errors:
    found: Errors = []
    only = "may only be used when `type` is 'LoadBalancer'"
    if kind != LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts") is not None:
        found.append(field.forbidden("spec.allocateLoadBalancerNodePorts", only))
    chosen = spec.get("loadBalancerClass")
    if chosen is not None and kind == LOAD_BALANCER:
        found += checks.word(chosen, "spec.loadBalancerClass", names.label_key)
    elif chosen is not None:
        found.append(field.forbidden("spec.loadBalancerClass", only))
    external = spec.get("externalTrafficPolicy")
    if external and not is_external(spec):
        text = "may only be set for externally-accessible services"
        found.append(field.invalid("spec.externalTrafficPolicy", external, text))
    elif is_external(spec):
        found += checks.one_of(external, "spec.externalTrafficPolicy", _POLICIES)
    port = spec.get("healthCheckNodePort")
    if port and not _needs_health_port(spec):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(field.invalid("spec.healthCheckNodePort", port, text))
    elif port:
        found += checks.port_number_or_name(port, "spec.healthCheckNodePort")
    found += checks.pointer(spec, "internalTrafficPolicy", "spec", _POLICIES)
    spread = spec.get("trafficDistribution")
    if spread is not None and spread not in _DISTRIBUTIONS:
        found.append(field.not_supported("spec.trafficDistribution", spread, _DISTRIBUTIONS, ordered=True))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found: Errors = []
    if EXTERNAL_NAME not in (before["type"], spec["type"]):
        found += clusterips.validate_update(spec, before)
    balanced = before["type"] == LOAD_BALANCER == spec["type"]
    if balanced and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        found.append(field.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), _ONCE))
    both = _needs_health_port(spec) and _needs_health_port(before)
    if both and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        found.append(field.forbidden("spec.healthCheckNodePort", "field is immutable"))
    return found + _validate(new, before)


def validate_status(new: Object, old: Object) -> Errors:
    told, before = new.get("status") or {}, old.get("status") or {}
    ingress = (told.get("loadBalancer") or {}).get("ingress") or []
    path = "status.loadBalancer.ingress"
    if ingress and new["spec"].get("type") != LOAD_BALANCER:
        return [field.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    kept = [one["ip"] for one in (before.get("loadBalancer") or {}).get("ingress") or () if one.get("ip")]
    return [
        problem
        for position, one in enumerate(ingress)
        for problem in validate_ingress(one, kept, field.index(path, position))
    ]


def validate_ingress(ingress: Object, kept: list[str], path: str) -> Errors:
    """Where a load balancer can be reached; ``kept`` are addresses that are stored already."""
    address, name, mode = ingress.get("ip"), ingress.get("hostname"), ingress.get("ipMode")
    found = addresses.ip(address, f"{path}.ip", kept) if address else []
    if mode is None and address:
        found.append(field.required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif mode is not None and not address:
        found.append(field.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    else:
        found += checks.pointer(ingress, "ipMode", path, ("Proxy", "VIP"))
    if name:
        found += checks.word(name, f"{path}.hostname", names.dns_subdomain)
        if checks.is_ip(name):
            found.append(field.invalid(f"{path}.hostname", name, "must be a DNS name, not an IP address"))
    return found


def warn_create(obj: Object) -> list[str]:
    spec = obj["spec"]
    kind, external = spec.get("type"), spec.get("externalIPs") or []
    found: list[str] = []
    if _HINTS in (obj["metadata"].get("annotations") or {}):
        found.append(f"annotation {_HINTS} is deprecated, please use {_MODE} instead")
    headless = kind == CLUSTER_IP and spec.get("clusterIP") == HEADLESS
    if spec.get("clusterIP") not in (None, "", HEADLESS):
        for position, address in enumerate(spec.get("clusterIPs") or ()):
            found += addresses.ip_warnings(address, f"spec.clusterIPs[{position}]")
    if headless:
        ignored = (
            ("loadBalancerIP", spec.get("loadBalancerIP")),
            ("externalIPs", external),
            ("SessionAffinity", spec.get("sessionAffinity") != "None"),
        )
        found += [f"spec.{key} is ignored for headless services" for key, given in ignored if given]
    for position, address in enumerate(external):
        found += addresses.ip_warnings(address, f"spec.externalIPs[{position}]")
    if external and not headless and kind != EXTERNAL_NAME:
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if spec.get("loadBalancerIP"):
        found += addresses.ip_warnings(spec["loadBalancerIP"], "spec.loadBalancerIP")
    for position, one in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        found += addresses.cidr_warnings(one, f"spec.loadBalancerSourceRanges[{position}]")
    if external and kind == EXTERNAL_NAME:
        found.append(f'spec.externalIPs is ignored when spec.type is "{EXTERNAL_NAME}"')
    if spec.get("externalName") and kind != EXTERNAL_NAME:
        found.append(f'spec.externalName is ignored when spec.type is not "{EXTERNAL_NAME}"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def warn_status(new: Object, old: Object) -> list[str]:
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [
        text
        for position, one in enumerate(ingress)
        for text in addresses.ip_warnings(one.get("ip", ""), f"status.loadBalancer.ingress[{position}]")
    ]


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
