"""Pods that nobody will clean up: of nodes that are gone, terminating and never scheduled, or finished and too many.

Source: the documentation of the pod lifecycle ("Garbage collection of Pods"); KEP-3329 (disruption conditions).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kijabi.api import errors, kinds, timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.client import rest
from kijabi.controllers import contract

PERIOD = 20.0
# How long a node must be gone before its pods go: it may only have been registered anew.
QUARANTINE = 40.0
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


@dataclass(frozen=True, slots=True)
class Garbage:
    """A pod to delete; ``why`` is the message of its DisruptionTarget condition (empty: it gets none)."""

    pod: Object
    why: str = ""


def find(pods: Sequence[Object], nodes: Iterable[Object], gone: set[str], threshold: int) -> list[Garbage]:
    """``gone`` are names of nodes that have been missing for the quarantine; ``threshold`` 0 keeps finished pods."""
    known = {node["metadata"]["name"]: node for node in nodes}
    found = []
    for pod in pods:
        name = pod["spec"].get("nodeName", "")
        if name in gone and name not in known:
            found.append(Garbage(pod, "PodGC: node no longer exists"))
        elif pods_.is_terminating(pod) and not name:
            found.append(Garbage(pod))
        elif pods_.is_terminating(pod) and _out_of_service(known.get(name)):
            found.append(Garbage(pod, "PodGC: node is out of service"))
    chosen = {id(item.pod) for item in found}
    finished = [pod for pod in pods if pods_.is_terminal(pod) and id(pod) not in chosen]
    if threshold and len(finished) > threshold:
        oldest = sorted(finished, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
        found += [Garbage(pod) for pod in oldest[: len(finished) - threshold]]
    return found


def _out_of_service(node: Object | None) -> bool:
    taints = ((node or {}).get("spec") or {}).get("taints") or ()
    return any(taint.get("key") == OUT_OF_SERVICE for taint in taints)


class PodGarbage:
    name = "pod-garbage-collector-controller"
    account = "pod-garbage-collector"

    def __init__(self, context: contract.Context) -> None:
        self._context = context
        self._client = context.client_of(self.account)
        self._clock = context.clock
        self._pods = context.informers.of(kinds.PODS)
        self._nodes = context.informers.of(kinds.NODES)
        self._missing: dict[str, float] = {}

    async def run(self) -> None:
        for copy in (self._pods, self._nodes):
            await copy.wait_synced()
        while True:
            gone = self._quarantined()
            threshold = self._context.options.terminated_pod_gc_threshold
            for item in find(self._pods.items(), self._nodes.items(), gone, threshold):
                await self._collect(item)
            await self._clock.sleep(PERIOD)

    def _quarantined(self) -> set[str]:
        """Nodes that pods name and that have been missing long enough."""
        known = {node["metadata"]["name"] for node in self._nodes.items()}
        named = {pod["spec"].get("nodeName", "") for pod in self._pods.items()} - {""}
        now = self._clock.monotonic()
        self._missing = {name: self._missing.get(name, now) for name in named - known}
        return {name for name, since in self._missing.items() if now - since >= QUARANTINE}

    async def _collect(self, item: Garbage) -> None:
        pod = item.pod
        meta = pod["metadata"]
        try:
            # A pod that never ended in its own time has failed, and others must see that before it is gone.
            if item.why or not pods_.is_terminal(pod):
                await self._explain(pod, item.why)
            await self._client.delete(kinds.PODS, meta["name"], meta["namespace"], grace_seconds=0, uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return

    async def _explain(self, pod: Object, why: str) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": why,
            "lastTransitionTime": timestamps.format_time(self._clock.time()),
        }
        status: Object = {"conditions": [condition]} if why else {}
        if not pods_.is_terminal(pod):
            status["phase"] = "Failed"
        meta = pod["metadata"]
        patch = {"metadata": {"uid": meta["uid"]}, "status": status}
        await self._client.patch(
            kinds.PODS, meta["name"], meta["namespace"], patch, type=rest.STRATEGIC_MERGE_PATCH, subresource="status"
        )
