"""Endpoints (v1): the older form of what EndpointSlices say, one object per Service, kept for clients that read it.

Source: the documentation of Services ("Endpoints"): at most 1,000 addresses, terminating pods left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api import errors, kinds, labels
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract, podset
from kijabi.controllers.endpointslice import controller as slices
from kijabi.controllers.endpointslice import endpoints as endpoints_
from kijabi.kit import jsons

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"
HEADLESS = "service.kubernetes.io/headless"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAXIMUM = 1000


def subsets(service: Object, pods: Iterable[Object]) -> list[Object]:
    """Addresses grouped by the ports they answer on, each group's ports in one list, all in a stable order."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    by_address: dict[bytes, tuple[Object, bool, list[Object]]] = {}
    for pod in pods:
        if not endpoints_.belongs(pod, terminating=publish):
            continue
        ports = endpoints_.ports(service, pod)
        if not ports and service["spec"].get("ports"):
            continue
        for family in endpoints_.address_types(service)[:1]:
            endpoint = endpoints_.endpoint(service, pod, None, family)
            if endpoint is not None:
                address = _address(endpoint)
                by_address[jsons.dumps(address)] = (address, endpoint["conditions"]["ready"], ports)
    groups: dict[bytes, Object] = {}
    for _, (address, ready, ports) in sorted(by_address.items()):
        ordered = sorted(ports, key=jsons.dumps)
        group = groups.setdefault(jsons.dumps(ordered), {"ports": [_bare(port) for port in ordered]})
        group.setdefault("addresses" if ready else "notReadyAddresses", []).append(address)
    return [_without_empty(group) for _, group in sorted(groups.items())]


def _address(endpoint: Object) -> Object:
    address = {"ip": endpoint["addresses"][0], "targetRef": endpoint["targetRef"]}
    for name in ("nodeName", "hostname"):
        if endpoint.get(name):
            address[name] = endpoint[name]
    return address


def _bare(port: Object) -> Object:
    return {name: value for name, value in port.items() if value}


def _without_empty(group: Object) -> Object:
    return {name: value for name, value in group.items() if value}


def truncated(listed: list[Object], maximum: int = MAXIMUM) -> tuple[list[Object], bool]:
    """At most ``maximum`` addresses, ready ones before the others; whether any were dropped."""
    total = sum(len(group.get(name, ())) for group in listed for name in ("addresses", "notReadyAddresses"))
    if total <= maximum:
        return listed, False
    room, kept = maximum, [dict(group) for group in listed]
    for name in ("addresses", "notReadyAddresses"):
        for group in kept:
            group[name] = group.get(name, [])[:room]
            room -= len(group[name])
    return [_without_empty(group) for group in kept if group.get("addresses") or group.get("notReadyAddresses")], True


def wanted(service: Object, pods: Iterable[Object], current: Object | None) -> Object:
    """The Endpoints object that the Service should have, built on the one there is."""
    meta = service["metadata"]
    marks = {**(meta.get("labels") or {}), MANAGED_BY: CONTROLLER}
    if service["spec"].get("clusterIP") in (None, "", endpoints_.HEADLESS):
        marks[HEADLESS] = ""
    listed, over = truncated(subsets(service, pods))
    base = (current or {}).get("metadata") or {"name": meta["name"], "namespace": meta["namespace"]}
    notes = {name: value for name, value in (base.get("annotations") or {}).items() if name != OVER_CAPACITY}
    if over:
        notes[OVER_CAPACITY] = "truncated"
    made: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {**base, "labels": marks}}
    if notes or "annotations" in base:
        made["metadata"]["annotations"] = notes
    if listed:
        made["subsets"] = listed
    return made


class Endpoints(contract.KeyedController):
    name = "endpoints-controller"
    account = "endpoint-controller"
    component = "endpoint-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._services = context.informers.of(kinds.SERVICES)
        self._pods = context.informers.of(kinds.PODS)
        self._endpoints = context.informers.of(kinds.ENDPOINTS)

    def watch(self) -> list[informer.Informer]:
        self._services.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._pods.subscribe(slices.wake_services(self, self._services))
        self._endpoints.subscribe(lambda old, new: self.enqueue(new or old or {}))
        return [self._services, self._pods, self._endpoints]

    async def reconcile(self, key: str) -> float | None:
        service, current = self._services.by_key(key), self._endpoints.by_key(key)
        if service is None:
            if current is not None and (current["metadata"].get("labels") or {}).get(MANAGED_BY) == CONTROLLER:
                await self._delete(current)
            return None
        selector = service["spec"].get("selector")
        if service["spec"].get("type") == "ExternalName" or not selector:
            return None
        matching = labels.from_set(selector)
        found = self._pods.items(service["metadata"]["namespace"])
        pods = [pod for pod in found if matching.matches(pod["metadata"].get("labels"))]
        made = wanted(service, pods, current)
        if current is None:
            await self._create(made)
        elif made != current:
            await self.client.update(kinds.ENDPOINTS, made)
        return None

    async def _create(self, made: Object) -> None:
        try:
            await self.client.create(kinds.ENDPOINTS, made)
        except errors.Forbidden as error:
            if not podset.namespace_terminating(error):
                raise

    async def _delete(self, current: Object) -> None:
        meta = current["metadata"]
        try:
            await self.client.delete(kinds.ENDPOINTS, meta["name"], meta["namespace"], uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return
