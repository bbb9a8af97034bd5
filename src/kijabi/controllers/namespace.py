"""Namespaces on their way out: everything in them is deleted, pods first, and only then the namespace goes.

What is left and why is said in the namespace's conditions.
Source: the documentation of namespaces; KEP-5080 (ordered deletion).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from kijabi.api import conditions, errors, kinds
from kijabi.api.resource import Object, Resource
from kijabi.client import discovery, informer, rest
from kijabi.controllers import contract

FINALIZER = "kubernetes"
# How soon to look again while things are still going; pods take their grace period, most else goes at once.
SOON, LATER = 0.2, 5.0


@dataclass(slots=True)
class Remains:
    """What one pass left: ``counts`` by resource, ``finalizers`` with how many objects wait for each."""

    counts: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    undiscovered: dict[str, str] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        return not (self.counts or self.failures or self.undiscovered)

    def count(self, resource: Resource, items: Iterable[Object]) -> None:
        listed = list(items)
        if listed:
            self.counts[resource.qualified] = len(listed)
        for item in listed:
            for finalizer in item["metadata"].get("finalizers") or ():
                self.finalizers[finalizer] = self.finalizers.get(finalizer, 0) + 1


def told(remains: Remains) -> list[Object]:
    """The five conditions that describe a pass, in upstream's words."""
    counted = [f"{name}. has {count} resource instances" for name, count in sorted(remains.counts.items())]
    waiting = [f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items())]
    undiscovered = "; ".join(f"{name}: {why}" for name, why in sorted(remains.undiscovered.items()))
    return [
        _condition(
            "NamespaceDeletionDiscoveryFailure",
            f"Discovery failed for some groups, {len(remains.undiscovered)} failing: {undiscovered}",
            bool(remains.undiscovered),
            ("DiscoveryFailed", "ResourcesDiscovered", "All resources successfully discovered"),
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            False,
            ("GroupVersionParsingFailed", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            "Failed to delete all resource types, "
            f"{len(remains.failures)} remaining: {', '.join(sorted(remains.failures))}",
            bool(remains.failures),
            (
                "ContentDeletionFailed",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        ),
        _condition(
            "NamespaceContentRemaining",
            f"Some resources are remaining: {', '.join(counted)}",
            bool(counted),
            ("SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            f"Some content in the namespace has finalizers remaining: {', '.join(waiting)}",
            bool(waiting),
            ("SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]


def _condition(kind: str, bad: str, is_bad: bool, words: tuple[str, str, str]) -> Object:
    bad_reason, good_reason, good = words
    return {
        "type": kind,
        "status": "True" if is_bad else "False",
        "reason": bad_reason if is_bad else good_reason,
        "message": bad if is_bad else good,
    }


class Namespaces(contract.KeyedController):
    name = "namespace-controller"
    account = "namespace-controller"
    workers = 10

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._namespaces = context.informers.of(kinds.NAMESPACES)

    def watch(self) -> list[informer.Informer]:
        self._namespaces.subscribe(self._changed)
        return [self._namespaces]

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and new["metadata"].get("deletionTimestamp"):
            self.enqueue(new)

    async def reconcile(self, key: str) -> float | None:
        namespace = self._namespaces.by_key(key)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return None
        if FINALIZER not in ((namespace.get("spec") or {}).get("finalizers") or ()):
            return None
        remains = await self._empty(key)
        if remains.nothing:
            await self._finalize(namespace)
            return None
        await self._tell(namespace, told(remains))
        return LATER if remains.failures or remains.undiscovered else SOON

    async def _empty(self, name: str) -> Remains:
        """Delete everything; gives what is there afterwards."""
        found = await discovery.preferred(self.client)
        remains = Remains(undiscovered=found.failed)
        deletable = [r for r in found.resources if r.namespaced and "delete" in r.verbs and "list" in r.verbs]
        pods = [resource for resource in deletable if (resource.group, resource.plural) == ("", "pods")]
        await self._empty_all(name, pods, remains)
        if remains.counts:
            # The rest waits: secrets, network policies and leases may be needed until the last pod has stopped.
            return remains
        await self._empty_all(name, [resource for resource in deletable if resource not in pods], remains)
        return remains

    async def _empty_all(self, name: str, resources: list[Resource], remains: Remains) -> None:
        async def one(resource: Resource) -> None:
            try:
                remains.count(resource, await self._empty_one(name, resource))
            except (errors.NotFound, errors.MethodNotAllowed):
                # The resource itself went away (a CustomResourceDefinition), or cannot be deleted from.
                return
            except errors.ApiError as error:
                remains.failures.append(f"{resource.qualified}: {error}")

        await asyncio.gather(*(one(resource) for resource in resources))

    async def _empty_one(self, name: str, resource: Resource) -> list[Object]:
        select = rest.Selection(name)
        items: list[Object] = (await self.client.list(resource, select))["items"]
        if not items:
            return []
        if "deletecollection" in resource.verbs:
            await self.client.delete_collection(resource, select, propagation="Background")
        else:
            for item in items:
                await self.client.delete(resource, item["metadata"]["name"], name, propagation="Background")
        left: list[Object] = (await self.client.list(resource, select))["items"]
        return left

    async def _finalize(self, namespace: Object) -> None:
        fresh = dict(namespace)
        kept = [name for name in namespace["spec"]["finalizers"] if name != FINALIZER]
        fresh["spec"] = {**namespace["spec"], "finalizers": kept}
        try:
            await self.client.update(kinds.NAMESPACES, fresh, subresource="finalize")
        except errors.NotFound:
            return

    async def _tell(self, namespace: Object, wanted: list[Object]) -> None:
        fresh = {**namespace, "status": {**(namespace.get("status") or {})}}
        fresh["status"]["conditions"] = [dict(item) for item in fresh["status"].get("conditions") or ()]
        now = self.clock.time()
        changed = [conditions.put(fresh, condition, now) for condition in wanted]
        if any(changed):
            try:
                await self.client.update(kinds.NAMESPACES, fresh, subresource="status")
            except errors.NotFound:
                return
