"""How many pods the owners of some pods want in all."""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api import errors, kinds
from kijabi.api.resource import Object, Resource
from kijabi.client import discovery, informer, rest
from kijabi.controllers import contract


class NoController(LookupError):
    """A pod's owner is of a kind that has no scale; the message is upstream's."""


class Scales:
    def __init__(self, client: rest.Client, informers: informer.Informers) -> None:
        self._client = client
        self._copies = {
            resource.kind: informers.of(resource)
            for resource in (
                kinds.REPLICATION_CONTROLLERS,
                kinds.REPLICA_SETS,
                kinds.DEPLOYMENTS,
                kinds.STATEFUL_SETS,
            )
        }

    @property
    def informers(self) -> list[informer.Informer]:
        return list(self._copies.values())

    async def total(self, pods: Iterable[Object]) -> tuple[int, list[Object]]:
        """The sum over all owners, each counted once, and the pods that have no owner. Raises NoController."""
        wanted: dict[str, int] = {}
        unmanaged = []
        asked: set[str] = set()
        for pod in pods:
            reference = contract.controller_of(pod)
            if reference is None:
                unmanaged.append(pod)
                continue
            if reference["uid"] in asked:
                continue
            asked.add(reference["uid"])
            found = await self._scale(reference, pod["metadata"]["namespace"])
            if found is None:
                raise NoController(f'found no controllers for pod "{pod["metadata"]["name"]}"')
            wanted[found[0]] = found[1]
        return sum(wanted.values()), unmanaged

    async def _scale(self, reference: Object, namespace: str) -> tuple[str, int] | None:
        """The uid of who decides the number of pods, and the number."""
        copy = self._copies.get(reference["kind"])
        if copy is None or copy.resource.group != reference["apiVersion"].rpartition("/")[0]:
            return await self._ask(reference, namespace)
        owner = copy.get(reference["name"], namespace)
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return None
        above = contract.controller_of(owner)
        if above is not None and above["kind"] == kinds.DEPLOYMENTS.kind:
            return await self._scale(above, namespace)
        replicas = owner["spec"].get("replicas")
        return reference["uid"], 1 if replicas is None else int(replicas)

    async def _ask(self, reference: Object, namespace: str) -> tuple[str, int] | None:
        """Any kind with a scale will do, custom ones too."""
        resource = await self._find(reference)
        if resource is None:
            return None
        try:
            scale = await self._client.get(resource, reference["name"], namespace, subresource="scale")
        except errors.NotFound:
            return None
        if scale["metadata"]["uid"] != reference["uid"]:
            return None
        return reference["uid"], int((scale.get("spec") or {}).get("replicas") or 0)

    async def _find(self, reference: Object) -> Resource | None:
        version = reference["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            listed = await self._client.raw("GET", root)
        except errors.NotFound:
            return None
        for resource in discovery.of_list(version, listed):
            if resource.kind == reference["kind"]:
                return resource if "scale" in resource.subresources else None
        return None
