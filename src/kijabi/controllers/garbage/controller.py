"""Follows every resource and acts on what the graph says."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from kijabi.api import errors
from kijabi.api.resource import Object, Resource
from kijabi.client import discovery, events, informer, rest, workqueue
from kijabi.controllers import contract
from kijabi.controllers.garbage import graph as graphs
from kijabi.controllers.garbage.graph import Node, Reference
from kijabi.kit import tasks

log = logging.getLogger(__name__)

# How often new and vanished resources are looked for; a custom resource is followed this many seconds after it came.
REDISCOVER = 5.0
ABSENT_REMEMBERED = 500
WORKERS = 20
# Nothing owns these, or they come and go too fast to be worth following.
IGNORED = {("", "events"), ("events.k8s.io", "events"), ("", "componentstatuses")}


def metadata_only(obj: Object) -> Object:
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": obj["metadata"]}


class GarbageCollector:
    name = "garbage-collector-controller"
    account = "generic-garbage-collector"

    def __init__(self, context: contract.Context) -> None:
        self._context = context
        self._client = context.client_of(self.account)
        self._graph = graphs.Graph()
        self._queue = context.queue(self.name)
        self._recorder = context.recorder(self._client, self.name)
        self._followed: dict[Resource, tasks.Nursery | None] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._absent: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def run(self) -> None:
        async with tasks.nursery(self.name, self._context.clock) as nursery:
            nursery.keep(self._recorder.run, "events")
            try:
                for copy in await self._discover():
                    await copy.wait_synced()
                nursery.keep(self._rediscover, "discovery")
                await workqueue.run(self._queue, self._look, WORKERS)
            finally:
                for followed in self._followed.values():
                    if followed is not None:
                        await followed.aclose()
                self._followed.clear()

    async def _rediscover(self) -> None:
        while True:
            await self._context.clock.sleep(REDISCOVER)
            await self._discover()

    async def _discover(self) -> list[informer.Informer]:
        """Follow what is served and not yet followed; forget what is served no more. Gives the new informers."""
        found = await discovery.preferred(self._client)
        wanted = {
            bare(resource)
            for resource in found.resources
            if {"delete", "list", "watch"} <= set(resource.verbs) and (resource.group, resource.plural) not in IGNORED
        }
        self._kinds.update({(resource.group, resource.kind): bare(resource) for resource in found.resources})
        made = [self._follow(resource) for resource in wanted - self._followed.keys()]
        for resource in self._followed.keys() - wanted:
            if resource.api_version not in found.failed:
                await self._unfollow(resource)
        return made

    def _follow(self, resource: Resource) -> informer.Informer:
        def changed(old: Object | None, new: Object | None) -> None:
            if new is not None:
                self._enqueue(self._graph.put(graphs.node(resource, new)))
            elif old is not None:
                self._enqueue(self._graph.remove(old["metadata"]["uid"]))

        copy = self._context.informers.shared(resource)
        if copy is None:
            copy = informer.Informer(self._client, resource, transform=metadata_only, timepiece=self._context.clock)
            nursery = tasks.Nursery(f"{self.name}/{resource}", self._context.clock)
            nursery.keep(copy.run, "informer")
            self._followed[resource] = nursery
        else:
            self._followed[resource] = None
        copy.subscribe(changed)
        return copy

    async def _unfollow(self, resource: Resource) -> None:
        nursery = self._followed.pop(resource)
        if nursery is not None:
            await nursery.aclose()
        for gone in [node for node in self._graph.nodes.values() if node.resource == resource]:
            self._enqueue(self._graph.remove(gone.uid))

    def _enqueue(self, uids: Iterable[str]) -> None:
        for uid in uids:
            self._queue.add(uid)

    async def _look(self, uid: str) -> float | None:
        node = self._graph.nodes.get(uid)
        if node is None:
            return None
        if node.orphans_dependents:
            await self._orphan(node)
        elif node.deletes_dependents:
            await self._foreground(node)
        elif not node.deleting and node.owners:
            await self._judge(node)
        return None

    async def _orphan(self, node: Node) -> None:
        """Take the references to ``node`` out of its dependents, then let it go."""
        for dependent in list(self._graph.dependents(node.uid)):
            await self._release(dependent, {node.uid})
        await self._drop_finalizer(node, graphs.ORPHAN)

    async def _foreground(self, node: Node) -> None:
        """Let ``node`` go when no dependent blocks it; its dependents look after themselves."""
        if not self._graph.blocking(node.uid):
            await self._drop_finalizer(node, graphs.FOREGROUND)

    async def _judge(self, node: Node) -> None:
        """Delete ``node`` if all its owners are gone; forget those that are, if some are not."""
        latest = await self._get(node.resource, node.namespace, node.name)
        if latest is None or latest["metadata"]["uid"] != node.uid:
            return
        node = graphs.node(node.resource, latest)
        solid, gone, waiting = [], set(), set()
        for owner in node.owners:
            found = await self._owner(node, owner)
            if found is None:
                gone.add(owner.uid)
            elif found.deletes_dependents:
                waiting.add(owner.uid)
            else:
                solid.append(owner)
        if not node.owners or (solid and not gone and not waiting):
            return
        if solid:
            await self._release(node, gone | waiting)
        elif waiting and any(True for _ in self._graph.dependents(node.uid)):
            await self._delete_with_dependents(node, latest)
        else:
            await self._delete(node, latest, _policy(node))

    async def _delete_with_dependents(self, node: Node, latest: Object) -> None:
        if any(dependent.deletes_dependents for dependent in self._graph.dependents(node.uid)):
            # Perhaps a cycle, in which each would wait for the other: this one stops blocking its owners.
            unblocked = [{**owner, "blockOwnerDeletion": False} for owner in latest["metadata"]["ownerReferences"]]
            latest = await self._patch(node, {"ownerReferences": unblocked}, latest) or latest
        await self._delete(node, latest, "Foreground")

    async def _owner(self, node: Node, owner: Reference) -> Node | None:
        """The owner, as the graph or else the server knows it; None when there is no such object."""
        known = self._graph.nodes.get(owner.uid)
        if known is not None and known.is_called(owner, node.namespace):
            return known
        mark = (owner.uid, node.namespace)
        if mark in self._absent:
            return None
        group = owner.api_version.rpartition("/")[0]
        resource = self._kinds.get((group, owner.kind))
        if resource is None:
            raise errors.NotFound(f'no matches for kind "{owner.kind}" in version "{owner.api_version}"')
        if resource.namespaced and not node.namespace:
            self._tell_misplaced(node, owner, "cluster-scoped objects cannot have namespaced owners")
            return Node(resource, "", owner.name, owner.uid, (), False, ())
        namespace = node.namespace if resource.namespaced else ""
        found = await self._get(resource, namespace, owner.name)
        if found is not None and found["metadata"]["uid"] == owner.uid:
            return graphs.node(resource, found)
        if known is not None:
            why = f"ownerRef does not exist in namespace {node.namespace!r}"
            self._tell_misplaced(node, owner, why)
        self._absent[mark] = None
        if len(self._absent) > ABSENT_REMEMBERED:
            self._absent.popitem(last=False)
        return None

    def _tell_misplaced(self, node: Node, owner: Reference, why: str) -> None:
        about = {
            "kind": node.resource.kind,
            "apiVersion": node.resource.api_version,
            "namespace": node.namespace,
            "name": node.name,
            "uid": node.uid,
        }
        message = f"ownerRef [{owner.api_version}/{owner.kind}, namespace: {node.namespace}, name: {owner.name}, "
        message += f"uid: {owner.uid}] is invalid: {why}"
        self._recorder.record(about, events.WARNING, "OwnerRefInvalidNamespace", message)

    async def _get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(resource, name, namespace)
        except errors.NotFound:
            return None

    async def _delete(self, node: Node, latest: Object, policy: str) -> None:
        try:
            await self._client.delete(
                node.resource,
                node.name,
                node.namespace,
                propagation=policy,
                uid=node.uid,
                resource_version=latest["metadata"]["resourceVersion"],
            )
        except errors.NotFound:
            return

    async def _release(self, node: Node, owners: set[str]) -> None:
        """Take references to ``owners`` out of an object."""
        latest = await self._get(node.resource, node.namespace, node.name)
        if latest is None or latest["metadata"]["uid"] != node.uid:
            return
        there = latest["metadata"].get("ownerReferences") or []
        kept = [owner for owner in there if owner["uid"] not in owners]
        if len(kept) != len(there):
            await self._patch(node, {"ownerReferences": kept or None}, latest)

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        latest = await self._get(node.resource, node.namespace, node.name)
        if latest is None or latest["metadata"]["uid"] != node.uid:
            return
        there = latest["metadata"].get("finalizers") or []
        if finalizer in there:
            await self._patch(node, {"finalizers": [name for name in there if name != finalizer] or None}, latest)

    async def _patch(self, node: Node, meta: dict[str, Any], latest: Object) -> Object | None:
        """A merge patch of metadata that holds only if the object is still as ``latest``; None removes a field."""
        bound = {"uid": node.uid, "resourceVersion": latest["metadata"]["resourceVersion"]}
        try:
            return await self._client.patch(
                node.resource, node.name, node.namespace, {"metadata": {**meta, **bound}}, type=rest.MERGE_PATCH
            )
        except errors.NotFound:
            return None


def bare(resource: Resource) -> Resource:
    """As other controllers address it, so that their informers are found."""
    return Resource(resource.group, resource.version, resource.plural, resource.kind, resource.namespaced)


def _policy(node: Node) -> str:
    """How to delete: as the object's own finalizers already say, else in the background."""
    if graphs.ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if graphs.FOREGROUND in node.finalizers else "Background"
