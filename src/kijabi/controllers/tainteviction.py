"""Pods that do not tolerate a NoExecute taint of their node are deleted, at once or when their toleration runs out.

Source: the documentation of taints and tolerations ("Taint based Evictions").
"""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.api import errors, kinds, timestamps
from kijabi.api.predicates import taints as taints_
from kijabi.api.resource import Object
from kijabi.client import events, informer
from kijabi.controllers import contract, nodelifecycle

NO_EXECUTE = "NoExecute"


def stay(pod: Object, taints: Sequence[Object], now: float) -> float | None:
    """Seconds that the pod may still stay under these NoExecute taints; None for ever, 0 or less not at all."""
    left: float | None = None
    for taint in taints:
        matching = [item for item in pod["spec"].get("tolerations") or () if taints_.tolerates(item, taint)]
        if not matching:
            return 0.0
        limits = [item["tolerationSeconds"] for item in matching if item.get("tolerationSeconds") is not None]
        if not limits:
            continue
        since = timestamps.parse(taint["timeAdded"]) if taint.get("timeAdded") else now
        until = since + max(0, min(limits)) - now
        left = until if left is None else min(left, until)
    return left


class TaintEviction(contract.KeyedController):
    """Keys are pods."""

    name = "taint-eviction-controller"
    account = "node-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(kinds.NODES)
        self._pods = context.informers.of(kinds.PODS, indexes={"node": nodelifecycle.by_node})

    def watch(self) -> list[informer.Informer]:
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        return [self._nodes, self._pods]

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or no_execute(old) != no_execute(new)):
            for pod in self._pods.by_index("node", new["metadata"]["name"]):
                self.enqueue(pod)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and new["spec"].get("nodeName"):
            self.enqueue(new)

    async def reconcile(self, key: str) -> float | None:
        pod = self._pods.by_key(key)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return None
        node = self._nodes.get(pod["spec"].get("nodeName", ""))
        taints = no_execute(node) if node is not None else []
        if not taints:
            return None
        seconds = stay(pod, taints, self.clock.time())
        if seconds is None or seconds > 0:
            return seconds
        await self._evict(pod)
        return None

    async def _evict(self, pod: Object) -> None:
        meta = pod["metadata"]
        message = f"Marking for deletion Pod {meta['namespace']}/{meta['name']}"
        self.recorder.record(pod, events.NORMAL, "TaintManagerEviction", message)
        disrupted = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": timestamps.format_time(self.clock.time()),
        }
        try:
            await self.client.patch(
                kinds.PODS,
                meta["name"],
                meta["namespace"],
                {"metadata": {"uid": meta["uid"]}, "status": {"conditions": [disrupted]}},
                type="application/strategic-merge-patch+json",
                subresource="status",
            )
            await self.client.delete(kinds.PODS, meta["name"], meta["namespace"], uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return


def no_execute(node: Object) -> list[Object]:
    return [taint for taint in (node.get("spec") or {}).get("taints") or () if taint.get("effect") == NO_EXECUTE]
