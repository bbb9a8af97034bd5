"""What every controller that owns pods does with them: find its own, adopt and release, make and delete.

Source: the documentation of ReplicaSet ("Non-Template Pod acquisitions"), and ControllerRefManager's rules.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable

from kijabi.api import conditions, errors, kinds, labels, timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object, Resource
from kijabi.client import events, informer, rest, transport
from kijabi.controllers import contract, digests, freshness
from kijabi.kit import backoff, clock

# The most pods made or deleted for one object in one go.
BURST = 500

NAMESPACE_TERMINATING = "NamespaceTerminating"
# While the server does not answer, nothing else can be done for an owner either.
_ASK_AGAIN = backoff.Policy(base=0.01, ceiling=10.0)

CONTROLLER = "controller"


def by_controller(obj: Object) -> list[str]:
    """The index of objects by the uid of their controller; those without one by ``orphans/NAMESPACE``."""
    reference = contract.controller_of(obj)
    return [reference["uid"] if reference else f"orphans/{obj['metadata'].get('namespace', '')}"]


def candidates(dependents: informer.Informer, owner: Object) -> list[Object]:
    """The owner's dependents and the orphans of its namespace, out of an informer with the index."""
    orphans = f"orphans/{owner['metadata'].get('namespace', '')}"
    return dependents.by_index(CONTROLLER, owner["metadata"]["uid"]) + dependents.by_index(CONTROLLER, orphans)


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Which of the candidates belong to an owner, and what must be written to make it so."""

    owned: list[Object]
    adopt: list[Object]
    release: list[Object]


def claim(owner: Object, selector: labels.Selector, found: list[Object]) -> Claim:
    """Sort what ``candidates`` found into owned, to adopt and to release.

    An owner that is being deleted adopts nothing; an object that is being deleted is not adopted; an object of
    another controller is left alone.
    """
    uid = owner["metadata"]["uid"]
    going = bool(owner["metadata"].get("deletionTimestamp"))
    owned, adopt, release = [], [], []
    for candidate in found:
        meta = candidate["metadata"]
        reference = contract.controller_of(candidate)
        matches = selector.matches(meta.get("labels"))
        if reference is not None:
            if reference["uid"] != uid:
                continue
            if matches:
                owned.append(candidate)
            elif not going:
                release.append(candidate)
        elif matches and not going and not meta.get("deletionTimestamp"):
            adopt.append(candidate)
    return Claim(owned, adopt, release)


def from_template(template: Object, owner: Object, namespace: str) -> Object:
    """The pod (without a name of its own) that a template describes, controlled by ``owner``."""
    meta = template.get("metadata") or {}
    pod_meta: Object = {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": namespace,
        "ownerReferences": [contract.owner_reference(owner)],
    }
    for name in ("labels", "annotations", "finalizers"):
        if meta.get(name):
            pod_meta[name] = copy.deepcopy(meta[name])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod_meta, "spec": copy.deepcopy(template["spec"])}


def ready_since(pod: Object) -> str | None:
    """When the Ready condition last changed."""
    found = conditions.get(pod, "Ready")
    return found.get("lastTransitionTime") if found else None


def until_available(pods: Iterable[Object], minimum: float, now: float) -> float | None:
    """Seconds until the next pod that is ready has been so for ``minimum`` seconds; None when there is none."""
    waits = [
        minimum - (now - timestamps.parse(since))
        for pod in pods
        if minimum and pods_.is_ready(pod) and not pods_.is_available(pod, minimum, now)
        for since in [ready_since(pod)]
        if since
    ]
    return max(min(waits), 0.01) if waits else None


class Ownership:
    """Adopts and releases objects of one resource for owners of another."""

    def __init__(self, client: rest.Client, owned: Resource, owners: Resource) -> None:
        self._client = client
        self._owned = owned
        self._owners = owners

    async def claim(self, owner: Object, selector: labels.Selector, among: list[Object]) -> list[Object]:
        """The owner's objects, after writing what adoption and release need."""
        found = claim(owner, selector, among)
        for obj in found.release:
            await self._release(owner, obj)
        adopted = []
        if found.adopt and await self._still_there(owner):
            adopted = [obj for obj in found.adopt if await self._adopt(owner, obj)]
        return found.owned + adopted

    async def _still_there(self, owner: Object) -> bool:
        # Asked of the server, not of the informer: an owner deleted meanwhile must not collect new dependents.
        meta = owner["metadata"]
        try:
            fresh = await self._client.get(self._owners, meta["name"], meta.get("namespace", ""))
        except errors.NotFound:
            return False
        return bool(fresh["metadata"]["uid"] == meta["uid"] and not fresh["metadata"].get("deletionTimestamp"))

    async def _adopt(self, owner: Object, obj: Object) -> bool:
        meta = obj["metadata"]
        patch = {"metadata": {"uid": meta["uid"], "ownerReferences": [contract.owner_reference(owner)]}}
        return await self._patch(meta, patch)

    async def _release(self, owner: Object, obj: Object) -> None:
        meta = obj["metadata"]
        gone = {"$patch": "delete", "uid": owner["metadata"]["uid"]}
        await self._patch(meta, {"metadata": {"uid": meta["uid"], "ownerReferences": [gone]}})

    async def _patch(self, meta: Object, patch: Object) -> bool:
        try:
            await self._client.patch(
                self._owned, meta["name"], meta.get("namespace", ""), patch, type=rest.STRATEGIC_MERGE_PATCH
            )
        except (errors.NotFound, errors.Invalid, errors.Conflict):
            # Gone, or another object of the same name by now (the uid does not fit), or already as wished.
            return False
        return True


class PodControl:
    """Makes and deletes pods for owners, telling of it in events and remembering it for ``Freshness``."""

    def __init__(
        self,
        client: rest.Client,
        recorder: events.Recorder,
        seen: freshness.Freshness,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._seen = seen
        self._clock = timepiece

    async def create(self, owner: Object, pod: Object) -> Object | None:
        """None when the namespace is going away and nothing can be made in it any more."""
        try:
            made = await self._create(owner, pod)
        except errors.ApiError as error:
            if namespace_terminating(error):
                return None
            self._recorder.record(owner, events.WARNING, "FailedCreate", f"Error creating: {error}")
            raise
        self._seen.wrote(informer.key_of(owner), made)
        self._recorder.record(owner, events.NORMAL, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return made

    async def _create(self, owner: Object, pod: Object) -> Object:
        """The name is chosen here and not by the server: when no answer comes, the same pod can be asked for again.

        Had the server chosen it, nobody would know whether a request without an answer made a pod, and trying again
        could make a second one.
        """
        prefix, failures, unsure = pod["metadata"]["generateName"], 0, False
        named = {**pod, "metadata": {**pod["metadata"], "name": digests.generated(prefix)}}
        while True:
            try:
                return await self._client.create(kinds.PODS, named)
            except errors.AlreadyExists:
                there = await self._find(named) if unsure else None
                if there is not None and contract.owned_by(there, owner):
                    return there
                named["metadata"]["name"] = digests.generated(prefix)
                unsure = False
            except transport.Unreachable:
                unsure = True
                failures += 1
                await self._clock.sleep(_ASK_AGAIN.delay(failures))

    async def _find(self, pod: Object) -> Object | None:
        # Their roles let controllers list pods, but not get one.
        meta, failures = pod["metadata"], 0
        select = rest.Selection(meta["namespace"], fields=f"metadata.name={meta['name']}")
        while True:
            try:
                found: list[Object] = (await self._client.list(kinds.PODS, select))["items"]
                return found[0] if found else None
            except transport.Unreachable:
                failures += 1
                await self._clock.sleep(_ASK_AGAIN.delay(failures))

    async def delete(self, owner: Object, pod: Object) -> None:
        meta = pod["metadata"]
        try:
            await self._client.delete(kinds.PODS, meta["name"], meta["namespace"], uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return
        except errors.ApiError as error:
            self._recorder.record(owner, events.WARNING, "FailedDelete", f"Error deleting: {error}")
            raise
        self._seen.deleting(informer.key_of(owner), pod)
        self._recorder.record(owner, events.NORMAL, "SuccessfulDelete", f"Deleted pod: {meta['name']}")


def namespace_terminating(error: errors.ApiError) -> bool:
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == NAMESPACE_TERMINATING for cause in causes)


def wake_owners(
    controller: contract.KeyedController, owners: informer.Informer, matches: Callable[[Object, Object], bool]
) -> informer.Handler:
    """A handler for pods: enqueue the owner of a changed pod, and for an orphan every owner that selects it."""

    def resolve(pod: Object) -> Object | None:
        reference = contract.controller_of(pod)
        if reference is None or reference.get("kind") != owners.resource.kind:
            return None
        owner = owners.get(reference["name"], pod["metadata"].get("namespace", ""))
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def handle(old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            owner = resolve(pod) if pod is not None else None
            if owner is not None:
                controller.enqueue(owner)
        if new is not None and contract.controller_of(new) is None and not new["metadata"].get("deletionTimestamp"):
            for owner in owners.items(new["metadata"].get("namespace", "")):
                if matches(owner, new):
                    controller.enqueue(owner)

    return handle
