"""What a pod contributes to a Service: its addresses, ports and conditions, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object

IPV4, IPV6 = "IPv4", "IPv6"
ZONE = "topology.kubernetes.io/zone"
HEADLESS = "None"


def address_types(service: Object) -> list[str]:
    """The address types that the Service has, in the order of its families."""
    families = service["spec"].get("ipFamilies") or []
    if not families:
        families = [IPV6 if ":" in service["spec"].get("clusterIP", "") else IPV4]
    return list(dict.fromkeys(families))


def belongs(pod: Object, *, terminating: bool) -> bool:
    """Whether the pod has a place among the endpoints; those on their way out only where ``terminating`` are wanted."""
    if pods_.is_terminal(pod) or not pod_ips(pod):
        return False
    return terminating or not pod["metadata"].get("deletionTimestamp")


def pod_ips(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    listed = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return listed or ([status["podIP"]] if status.get("podIP") else [])


def find_port(pod: Object, service_port: Object) -> int | None:
    """The number behind ``targetPort``: itself, or the container port of that name and protocol."""
    target = service_port.get("targetPort")
    if isinstance(target, int):
        return target or int(service_port["port"])
    if not target:
        return int(service_port["port"])
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*spec.get("containers", ()), *sidecars]:
        for port in container.get("ports") or ():
            same_protocol = port.get("protocol", "TCP") == service_port.get("protocol", "TCP")
            if port.get("name") == target and same_protocol:
                return int(port["containerPort"])
    return None


def ports(service: Object, pod: Object) -> list[Object]:
    """The EndpointPorts of this pod; a port that the pod does not have is left out."""
    listed = []
    for service_port in service["spec"].get("ports") or ():
        number = find_port(pod, service_port)
        if number is None:
            continue
        port: Object = {
            "name": service_port.get("name", ""),
            "port": number,
            "protocol": service_port.get("protocol", "TCP"),
        }
        if service_port.get("appProtocol"):
            port["appProtocol"] = service_port["appProtocol"]
        listed.append(port)
    return listed


def endpoint(service: Object, pod: Object, node: Object | None, address_type: str) -> Object | None:
    """The Endpoint of a pod, or None when it has no address of this type."""
    addresses = [ip for ip in pod_ips(pod) if (":" in ip) == (address_type == IPV6)]
    if not addresses:
        return None
    meta, spec = pod["metadata"], pod["spec"]
    serving = pods_.is_ready(pod)
    terminating = bool(meta.get("deletionTimestamp"))
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    made: Object = {
        "addresses": addresses[:1],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
    }
    if spec.get("nodeName"):
        made["nodeName"] = spec["nodeName"]
    zone = ((node or {}).get("metadata", {}).get("labels") or {}).get(ZONE)
    if zone:
        made["zone"] = zone
    if names_host(service, pod):
        made["hostname"] = spec["hostname"]
    return made


def names_host(service: Object, pod: Object) -> bool:
    """Whether the pod asks for a DNS name of its own below this Service."""
    spec = pod["spec"]
    return bool(spec.get("hostname")) and spec.get("subdomain") == service["metadata"]["name"]


def hints(endpoints: Iterable[Object], distribution: str | None) -> None:
    """Set or clear the hints that ``trafficDistribution`` asks for, in place."""
    listed = list(endpoints)
    by_zone = distribution in ("PreferClose", "PreferSameZone", "PreferSameNode")
    all_zoned = all(item.get("zone") for item in listed)
    for item in listed:
        found: Object = {}
        if by_zone and all_zoned:
            found["forZones"] = [{"name": item["zone"]}]
        if distribution == "PreferSameNode" and item.get("nodeName"):
            found["forNodes"] = [{"name": item["nodeName"]}]
        if found:
            item["hints"] = found
        else:
            item.pop("hints", None)
