"""Claims that a pod uses, and volumes that a claim holds, are not deleted before they are free.

Source: the documentation of persistent volumes ("Storage Object in Use Protection").
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api import errors, kinds
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object, Resource
from kijabi.client import informer, rest
from kijabi.controllers import contract

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


def claim_names(pod: Object) -> list[str]:
    """The claims that a pod names: its volumes', and those of its ephemeral volumes."""
    names = []
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            names.append(volume["persistentVolumeClaim"]["claimName"])
        elif volume.get("ephemeral") and not pods_.is_terminal(pod):
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
    return names


def in_use(claim: Object, pods: Iterable[Object]) -> bool:
    """Only pods that have a node count: a kubelet starts none whose claim is being deleted."""
    name = claim["metadata"]["name"]
    return any(pods_.node_name(pod) and name in claim_names(pod) for pod in pods)


def protected(obj: Object, finalizer: str, used: bool) -> list[str] | None:
    """The finalizers that the object should have; None where they are as they should be."""
    there = list(obj["metadata"].get("finalizers") or ())
    if obj["metadata"].get("deletionTimestamp"):
        return [name for name in there if name != finalizer] if finalizer in there and not used else None
    return None if finalizer in there else [*there, finalizer]


class _Protection(contract.KeyedController):
    """Keeps one finalizer on one kind of object."""

    resource: Resource
    finalizer = ""

    async def _protect(self, obj: Object, used: bool) -> None:
        wanted = protected(obj, self.finalizer, used)
        if wanted is None:
            return
        meta = {name: value for name, value in obj["metadata"].items() if name != "finalizers"}
        if wanted:
            meta["finalizers"] = wanted
        try:
            await self.client.update(self.resource, {**obj, "metadata": meta})
        except errors.NotFound:
            return


class ClaimProtection(_Protection):
    name = "persistentvolumeclaim-protection-controller"
    account = "pvc-protection-controller"
    resource = kinds.PERSISTENT_VOLUME_CLAIMS
    finalizer = CLAIM_FINALIZER

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._claims = context.informers.of(kinds.PERSISTENT_VOLUME_CLAIMS)
        self._pods = context.informers.of(kinds.PODS)

    def watch(self) -> list[informer.Informer]:
        self._claims.subscribe(lambda old, new: self.enqueue(new) if new is not None else None)
        self._pods.subscribe(self._pod_changed)
        return [self._claims, self._pods]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or pods_.is_terminal(new):
            pod = new or old or {}
            for name in claim_names({**pod, "status": {}}):
                self.queue.add(f"{pod['metadata']['namespace']}/{name}")

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.by_key(key)
        if claim is None:
            return None
        namespace = claim["metadata"]["namespace"]
        used = in_use(claim, self._pods.items(namespace))
        if not used and claim["metadata"].get("deletionTimestamp"):
            # The informer may not have seen the pod that was placed just now; what is lost here is lost for good.
            live = await self.client.list(kinds.PODS, rest.Selection(namespace))
            used = in_use(claim, live["items"])
        await self._protect(claim, used)
        return None


class VolumeProtection(_Protection):
    name = "persistentvolume-protection-controller"
    account = "pv-protection-controller"
    resource = kinds.PERSISTENT_VOLUMES
    finalizer = VOLUME_FINALIZER

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._volumes = context.informers.of(kinds.PERSISTENT_VOLUMES)

    def watch(self) -> list[informer.Informer]:
        self._volumes.subscribe(lambda old, new: self.enqueue(new) if new is not None else None)
        return [self._volumes]

    async def reconcile(self, key: str) -> float | None:
        volume = self._volumes.by_key(key)
        if volume is not None:
            await self._protect(volume, (volume.get("status") or {}).get("phase") == "Bound")
        return None
