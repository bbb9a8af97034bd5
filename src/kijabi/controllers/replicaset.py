"""ReplicaSet and ReplicationController: as many pods as asked for, from one template.

Both are one controller over two kinds; only the form of the selector differs.
Source: the documentation of ReplicaSet; its ranking of which pod goes first when there are too many.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import conditions, errors, kinds, labels, timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object, Resource
from kijabi.client import informer
from kijabi.controllers import contract, freshness, podset, slowstart

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True, slots=True)
class Decision:
    """``create`` more pods, or delete these; both bounded by ``podset.BURST``."""

    create: int = 0
    delete: list[Object] = field(default_factory=list)


def decide(owner: Object, owned: Sequence[Object], related: Sequence[Object], now: float) -> Decision:
    """What an owner lacks or has too many of.

    ``owned`` are its pods; ``related`` those of all owners under the same controller (for a Deployment's ReplicaSets),
    by which crowded nodes are recognised.
    """
    wanted = _replicas(owner)
    active = [pod for pod in owned if pods_.is_active(pod)]
    excess = len(active) - wanted
    if excess < 0:
        return Decision(create=min(-excess, podset.BURST))
    if excess > 0:
        return Decision(delete=rank(active, related, now)[: min(excess, podset.BURST)])
    return Decision()


def rank(active: Sequence[Object], related: Sequence[Object], now: float) -> list[Object]:
    """Pods in the order in which they are given up."""
    crowd: dict[str, int] = {}
    for pod in related:
        node = pod["spec"].get("nodeName", "")
        if pods_.is_active(pod) and pods_.is_ready(pod) and node:
            crowd[node] = crowd.get(node, 0) + 1

    def key(pod: Object) -> tuple[Any, ...]:
        node = pod["spec"].get("nodeName", "")
        ready = pods_.is_ready(pod)
        return (
            bool(node),
            {"Pending": 0, "Unknown": 1, "Running": 2}.get(pod.get("status", {}).get("phase", ""), 0),
            ready,
            deletion_cost(pod),
            -crowd.get(node, 0),
            _age_class(podset.ready_since(pod), now) if ready else 0,
            *(-count for count in _restarts(pod)),
            _age_class(pod["metadata"].get("creationTimestamp"), now),
            pod["metadata"].get("uid", ""),
        )

    return sorted(active, key=key)


def deletion_cost(pod: Object) -> int:
    """The annotation's value; 0 where it is missing or not a number (validation refuses the latter)."""
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    return int(text) if text.lstrip("-").isdigit() else 0


def _age_class(stamp: str | None, now: float) -> int:
    # Ages are compared by their order of magnitude (base 2), so that among pods of about the same age the choice is
    # as good as random and a scale-down does not always hit the newest node.
    if not stamp:
        return -1
    return math.floor(math.log2(max(now - timestamps.parse(stamp), 0) * 1e9 + 1))


def _restarts(pod: Object) -> tuple[int, int]:
    status = pod.get("status", {})
    regular = max((int(c.get("restartCount", 0)) for c in status.get("containerStatuses") or ()), default=0)
    sidecar = max((int(c.get("restartCount", 0)) for c in status.get("initContainerStatuses") or ()), default=0)
    return regular, sidecar


def status(owner: Object, owned: Sequence[Object], failure: Exception | None, now: float) -> Object:
    """The owner's status as its pods are now. ``failure`` is what making or deleting pods met."""
    active = [pod for pod in owned if pods_.is_active(pod)]
    template = labels.from_set((owner["spec"].get("template") or {}).get("metadata", {}).get("labels"))
    minimum = int(owner["spec"].get("minReadySeconds") or 0)
    new: Object = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(template.matches(pod["metadata"].get("labels")) for pod in active),
        "readyReplicas": sum(pods_.is_ready(pod) for pod in active),
        "availableReplicas": sum(pods_.is_available(pod, minimum, now) for pod in active),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    if owner["kind"] == kinds.REPLICA_SETS.kind:
        new["terminatingReplicas"] = sum(
            bool(pod["metadata"].get("deletionTimestamp")) and not pods_.is_terminal(pod) for pod in owned
        )
    listed = _conditions(owner, len(active), failure, now)
    # Zeros but for ``replicas`` are left out of the stored form, as everywhere in the API.
    new = {name: value for name, value in new.items() if value or name in ("replicas", "terminatingReplicas")}
    if listed:
        new["conditions"] = listed
    return new


def _conditions(owner: Object, active: int, failure: Exception | None, now: float) -> list[Object]:
    listed = list((owner.get("status") or {}).get("conditions") or ())
    if failure is None:
        return [condition for condition in listed if condition["type"] != "ReplicaFailure"]
    if conditions.find(listed, "ReplicaFailure") is None:
        reason = "FailedCreate" if active < _replicas(owner) else "FailedDelete"
        listed.append(
            {
                "type": "ReplicaFailure",
                "status": "True",
                "reason": reason,
                "message": str(failure),
                "lastTransitionTime": timestamps.format_time(now),
            }
        )
    return listed


def _replicas(owner: Object) -> int:
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


class Replication(contract.KeyedController):
    """The controller of one of the two kinds."""

    resource: Resource

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._owners = context.informers.of(self.resource)
        self._pods = context.informers.of(kinds.PODS, indexes={podset.CONTROLLER: podset.by_controller})
        self._owners.add_index(podset.CONTROLLER, podset.by_controller)
        self._seen = freshness.Freshness(self._pods)
        self._ownership = podset.Ownership(self.client, kinds.PODS, self.resource)
        self._control = podset.PodControl(self.client, self.recorder, self._seen, self.clock)

    def selector(self, owner: Object) -> labels.Selector:
        return labels.from_label_selector(owner["spec"].get("selector"))

    def watch(self) -> list[informer.Informer]:
        self._owners.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._pods.subscribe(podset.wake_owners(self, self._owners, self._selects))
        return [self._owners, self._pods]

    def _selects(self, owner: Object, pod: Object) -> bool:
        return self.selector(owner).matches(pod["metadata"].get("labels"))

    async def reconcile(self, key: str) -> float | None:
        owner = self._owners.by_key(key)
        if owner is None:
            self._seen.forget(key)
            return None
        if not self._seen.caught_up(key):
            return freshness.LOOK_AGAIN
        among = podset.candidates(self._pods, owner)
        owned = await self._ownership.claim(owner, self.selector(owner), among)
        failure = None
        if not owner["metadata"].get("deletionTimestamp"):
            failure = await self._act(owner, decide(owner, owned, self._related(owner), self.clock.time()))
        await self._write_status(owner, status(owner, owned, failure, self.clock.time()))
        if failure is not None:
            raise failure
        return podset.until_available(owned, int(owner["spec"].get("minReadySeconds") or 0), self.clock.time())

    def _related(self, owner: Object) -> list[Object]:
        """Pods of every owner under the same controller, this one's included."""
        above = contract.controller_of(owner)
        siblings = self._owners.by_index(podset.CONTROLLER, above["uid"]) if above else [owner]
        return [
            pod for sibling in siblings for pod in self._pods.by_index(podset.CONTROLLER, sibling["metadata"]["uid"])
        ]

    async def _act(self, owner: Object, decision: Decision) -> Exception | None:
        if decision.create:
            pod = podset.from_template(owner["spec"]["template"], owner, owner["metadata"]["namespace"])

            async def make(number: int) -> None:
                await self._control.create(owner, pod)

            return (await slowstart.batch(decision.create, make))[1]
        results = await asyncio.gather(
            *(self._control.delete(owner, pod) for pod in decision.delete), return_exceptions=True
        )
        return next((result for result in results if isinstance(result, Exception)), None)

    async def _write_status(self, owner: Object, new: Object) -> None:
        if new == owner.get("status"):
            return
        fresh = copy.copy(owner)
        fresh["status"] = new
        try:
            await self.client.update(self.resource, fresh, subresource="status")
        except errors.NotFound:
            return


class ReplicaSets(Replication):
    name = "replicaset-controller"
    account = "replicaset-controller"
    resource = kinds.REPLICA_SETS


class ReplicationControllers(Replication):
    name = "replicationcontroller-controller"
    account = "replication-controller"
    component = "replication-controller"
    resource = kinds.REPLICATION_CONTROLLERS

    def selector(self, owner: Object) -> labels.Selector:
        return labels.from_set(owner["spec"].get("selector"))
