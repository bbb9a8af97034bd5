"""Fitting a Service's endpoints into slices.

Endpoints stay in the slice they are in; what is new fills slices that change anyway, then one that has room, then new
ones. So a change of one pod rewrites one slice, whatever the size of the Service.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kijabi.api.resource import Object
from kijabi.controllers import contract
from kijabi.controllers.endpointslice import endpoints as endpoints_
from kijabi.kit import jsons

CONTROLLER = "endpointslice-controller.k8s.io"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
MAXIMUM = 100


@dataclass(slots=True)
class Plan:
    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """The endpoints that share a list of ports; keyed by pod or address, so that one is found again."""

    ports: list[Object]
    wanted: dict[str, Object] = field(default_factory=dict)
    slices: list[Object] = field(default_factory=list)


def plan(
    service: Object,
    pods: Iterable[Object],
    nodes: dict[str, Object],
    existing: Sequence[Object],
    maximum: int = MAXIMUM,
) -> Plan:
    """What to write so that the slices say what the pods are. ``nodes`` by name; ``existing`` are all of ours."""
    made = Plan()
    types = endpoints_.address_types(service)
    listed = list(pods)
    for address_type in types:
        there = [item for item in existing if item["addressType"] == address_type]
        _plan_type(made, service, listed, nodes, there, address_type, maximum)
    made.delete += [item for item in existing if item["addressType"] not in types]
    _reuse(made, service)
    if service["metadata"].get("deletionTimestamp"):
        # The garbage collector takes the slices; making new ones would race with it.
        made.create = []
    return made


def _plan_type(
    made: Plan,
    service: Object,
    pods: list[Object],
    nodes: dict[str, Object],
    existing: list[Object],
    address_type: str,
    maximum: int,
) -> None:
    groups = _groups(service, pods, nodes, address_type)
    deleted = []
    for item in existing:
        group = groups.get(_port_key(item.get("ports") or []))
        if group is None or not contract.owned_by(item, service):
            deleted.append(item)
        else:
            group.slices.append(item)
    created: list[Object] = []
    for group in groups.values():
        emptied = _fit(made, created, service, group, address_type, maximum)
        deleted += emptied
    if len(deleted) == len(existing) and not created:
        # A Service without endpoints still shows one slice, so that "none" can be told from "not yet".
        placeholder = new_slice(service, address_type, [])
        if len(deleted) == 1 and _is_placeholder(deleted[0], placeholder):
            deleted = []
        else:
            created.append(placeholder)
    made.create += created
    made.delete += deleted


def _groups(service: Object, pods: list[Object], nodes: dict[str, Object], address_type: str) -> dict[bytes, _Group]:
    groups: dict[bytes, _Group] = {}
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    for pod in pods:
        if not endpoints_.belongs(pod, terminating=True):
            continue
        node = nodes.get(pod["spec"].get("nodeName", ""))
        if node is None and not publish:
            continue
        endpoint = endpoints_.endpoint(service, pod, node, address_type)
        if endpoint is None:
            continue
        ports = endpoints_.ports(service, pod)
        group = groups.setdefault(_port_key(ports), _Group(ports))
        group.wanted[_identity(endpoint)] = endpoint
    everything = [endpoint for group in groups.values() for endpoint in group.wanted.values()]
    endpoints_.hints(everything, service["spec"].get("trafficDistribution"))
    return groups


def _port_key(ports: list[Object]) -> bytes:
    return jsons.dumps(
        sorted([port.get(name) or "" for name in ("name", "port", "protocol", "appProtocol")] for port in ports)
    )


def _identity(endpoint: Object) -> str:
    return f"{endpoint.get('targetRef', {}).get('uid', '')}/{endpoint['addresses'][0]}"


def _fit(
    made: Plan, created: list[Object], service: Object, group: _Group, address_type: str, maximum: int
) -> list[Object]:
    """Place the group's endpoints; gives the slices that are left empty."""
    labels = slice_labels(service)
    changed: list[Object] = []
    unchanged: list[Object] = []
    emptied: list[Object] = []
    left = dict(group.wanted)
    for item in group.slices:
        there = item.get("endpoints") or []
        kept = [left.pop(_identity(endpoint)) for endpoint in there if _identity(endpoint) in left]
        if there and not kept:
            emptied.append(item)
        elif kept != there or (item["metadata"].get("labels") or {}) != labels:
            changed.append(_with(item, kept, labels))
        else:
            unchanged.append(item)
    rest = list(left.values())
    for item in sorted(changed, key=lambda one: -len(one["endpoints"])):
        room = maximum - len(item["endpoints"])
        item["endpoints"] += rest[:room]
        rest = rest[max(room, 0) :]
    while rest:
        target = _roomiest(unchanged, len(rest), maximum)
        if target is not None:
            unchanged.remove(target)
            target = _with(target, list(target.get("endpoints") or []), labels)
            changed.append(target)
        else:
            target = new_slice(service, address_type, group.ports)
            created.append(target)
        room = maximum - len(target["endpoints"])
        target["endpoints"] += rest[:room]
        rest = rest[room:]
    made.update += changed
    return emptied


def _roomiest(slices: list[Object], count: int, maximum: int) -> Object | None:
    """The fullest slice into which ``count`` more still fit whole."""
    fitting = [item for item in slices if len(item.get("endpoints") or []) + count <= maximum]
    return max(fitting, key=lambda item: len(item.get("endpoints") or []), default=None)


def _with(item: Object, endpoints: list[Object], labels: dict[str, str]) -> Object:
    changed = copy.copy(item)
    changed["metadata"] = {**item["metadata"], "labels": labels}
    changed["endpoints"] = endpoints
    return changed


def _is_placeholder(item: Object, placeholder: Object) -> bool:
    same_labels = item["metadata"].get("labels") == placeholder["metadata"]["labels"]
    return same_labels and not item.get("endpoints") and not item.get("ports")


def _reuse(made: Plan, service: Object) -> None:
    """Turn pairs of a creation and a deletion into an update, which keeps the slice's name."""
    for item in list(made.delete):
        if not contract.owned_by(item, service):
            continue
        fresh = next((one for one in made.create if one["addressType"] == item["addressType"]), None)
        if fresh is None:
            continue
        made.delete.remove(item)
        made.create.remove(fresh)
        made.update.append({**_with(item, fresh["endpoints"], fresh["metadata"]["labels"]), "ports": fresh["ports"]})


def slice_labels(service: Object) -> dict[str, str]:
    """The Service's labels, and those by which a slice is found."""
    own = {SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: CONTROLLER}
    if service["spec"].get("clusterIP") in (None, "", endpoints_.HEADLESS):
        own[HEADLESS] = ""
    reserved = (SERVICE_NAME, MANAGED_BY, HEADLESS)
    inherited = service["metadata"].get("labels") or {}
    return {**{name: value for name, value in inherited.items() if name not in reserved}, **own}


def new_slice(service: Object, address_type: str, ports: list[Object]) -> Object:
    meta = service["metadata"]
    prefix = f"{meta['name']}-"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": prefix if len(prefix) <= 253 else meta["name"],
            "namespace": meta["namespace"],
            "labels": slice_labels(service),
            "ownerReferences": [contract.owner_reference(service)],
        },
        "addressType": address_type,
        "ports": ports,
        "endpoints": [],
    }
