"""Writes what ``plan`` decides for each Service."""

from __future__ import annotations

from kijabi.api import errors, kinds, labels
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract, freshness, podset
from kijabi.controllers.endpointslice import plan as plans


class EndpointSlices(contract.KeyedController):
    name = "endpointslice-controller"
    account = "endpointslice-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._services = context.informers.of(kinds.SERVICES)
        self._pods = context.informers.of(kinds.PODS)
        self._nodes = context.informers.of(kinds.NODES)
        self._slices = context.informers.of(kinds.ENDPOINT_SLICES, indexes={"service": by_service})
        self._seen = freshness.Freshness(self._slices)

    def watch(self) -> list[informer.Informer]:
        self._services.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._pods.subscribe(wake_services(self, self._services))
        self._slices.subscribe(self._slice_changed)
        self._nodes.subscribe(self._node_changed)
        return [self._services, self._pods, self._slices, self._nodes]

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            for key in by_service(item) if item is not None else ():
                self.queue.add(key)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        # A pod whose node is not known has no place; nodes that come or go or change zone move many.
        if old is not None and new is not None and _zone(old) == _zone(new):
            return
        for service in self._services.items():
            if service["spec"].get("selector"):
                self.enqueue(service)

    async def reconcile(self, key: str) -> float | None:
        service = self._services.by_key(key)
        if service is None:
            self._seen.forget(key)
            return None
        selector = service["spec"].get("selector")
        if service["spec"].get("type") == "ExternalName" or not selector:
            return None
        if not self._seen.caught_up(key):
            return freshness.LOOK_AGAIN
        matching = labels.from_set(selector)
        found = self._pods.items(service["metadata"]["namespace"])
        pods = [pod for pod in found if matching.matches(pod["metadata"].get("labels"))]
        nodes = {node["metadata"]["name"]: node for node in self._nodes.items()}
        await self._write(key, plans.plan(service, pods, nodes, self._slices.by_index("service", key)))
        return None

    async def _write(self, key: str, made: plans.Plan) -> None:
        for item in made.create:
            try:
                self._seen.wrote(key, await self.client.create(kinds.ENDPOINT_SLICES, item))
            except errors.Forbidden as error:
                if podset.namespace_terminating(error):
                    return
                raise
        for item in made.update:
            self._seen.wrote(key, await self.client.update(kinds.ENDPOINT_SLICES, item))
        for item in made.delete:
            meta = item["metadata"]
            try:
                await self.client.delete(kinds.ENDPOINT_SLICES, meta["name"], meta["namespace"], uid=meta["uid"])
            except (errors.NotFound, errors.Conflict):
                continue
            self._seen.deleting(key, item)


def _zone(node: Object) -> str:
    return str((node["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone", ""))


def by_service(item: Object) -> list[str]:
    """The key of the Service that a slice of ours is for."""
    marks = item["metadata"].get("labels") or {}
    if marks.get(plans.MANAGED_BY) != plans.CONTROLLER or not marks.get(plans.SERVICE_NAME):
        return []
    return [f"{item['metadata']['namespace']}/{marks[plans.SERVICE_NAME]}"]


def wake_services(controller: contract.KeyedController, services: informer.Informer) -> informer.Handler:
    """A handler for pods: enqueue every Service that selects the pod, as it was or as it is."""

    def handle(old: Object | None, new: Object | None) -> None:
        pods = [pod for pod in (old, new) if pod is not None]
        for service in services.items(pods[0]["metadata"]["namespace"]):
            selector = service["spec"].get("selector")
            if selector and any(labels.from_set(selector).matches(pod["metadata"].get("labels")) for pod in pods):
                controller.enqueue(service)

    return handle
