"""The cluster as the scheduler sees it: nodes, the pods on them (those assumed to be, too) and who is nominated where.

Level-driven: it is told of objects as they are, in any order and repeatedly, and counts each pod once. Every change
gives the cluster event that it is, for pods that wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from kijabi.api.resource import Object
from kijabi.scheduler import columns, podinfo, tallies
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo


class Cluster:
    """Columns and tallies, kept in step."""

    def __init__(self) -> None:
        self.columns = columns.Columns()
        self.tallies = tallies.Tallies(self.columns)
        # Where pods are counted: by uid, the node and what was parsed of the pod then.
        self._placed: dict[str, tuple[str, PodInfo]] = {}
        self._nominated: dict[str, PodInfo] = {}

    def counts(self) -> Mapping[str, int]:
        """As the metric ``scheduler_cache_size`` names them."""
        assumed = sum(not pod.node_name for _, pod in self._placed.values())
        return {"nodes": self.columns.count, "pods": len(self._placed), "assumed_pods": assumed}

    def node(self, old: Object | None, new: Object | None) -> str | None:
        if new is None:
            name = (old or {})["metadata"]["name"]
            row = self.columns.row_of.get(name)
            for pod in self.columns.remove_node(name) if row is not None else ():
                self.tallies.remove(int(row or 0), pod)
            return None
        if old is not None and not _matters(old, new):
            return None
        for pod in self.columns.set_node(new):
            self.tallies.place(self.columns.row_of[new["metadata"]["name"]], pod)
        return contract.NODE_ADDED if old is None else contract.NODE_CHANGED

    def has(self, uid: str) -> bool:
        """Whether a pod is counted somewhere."""
        return uid in self._placed

    def place(self, node: str, pod: PodInfo) -> None:
        self._nominated.pop(pod.uid, None)
        self._placed[pod.uid] = (node, pod)
        row = self.columns.add_pod(node, pod)
        if row is not None:
            self.tallies.place(row, pod)

    def unplace(self, uid: str) -> bool:
        """Whether it was counted."""
        node, _ = self._placed.pop(uid, ("", None))
        removed = self.columns.remove_pod(node, uid) if node else None
        if removed is not None:
            self.tallies.remove(*removed)
        return bool(node)

    def gone(self, uid: str) -> str | None:
        self._nominated.pop(uid, None)
        return contract.POD_GONE if self.unplace(uid) else None

    def assigned(self, pod: Object) -> str | None:
        """A pod that is bound to a node, in any form newer than the last."""
        uid, node = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        known = self._placed.get(uid)
        parsed = podinfo.of(pod)
        if known is not None and known[0] == node:
            before = known[1]
            if before.shape is parsed.shape and before.terminating == parsed.terminating:
                # It counts as before; but preemption looks at status and age.
                self._placed[uid] = (node, parsed)
                self.columns.replace_pod(node, parsed)
                return None
        self.unplace(uid)
        self.place(node, parsed)
        return contract.POD_PLACED if known is None else contract.POD_CHANGED

    def nominate(self, pod: PodInfo, node: str) -> None:
        """Room is being made for a pod on a node; empty: no longer."""
        if node:
            pod.nominated = node
            self._nominated[pod.uid] = pod
        else:
            self._nominated.pop(pod.uid, None)

    def nominated_before(self, pod: PodInfo) -> list[tuple[int, PodInfo]]:
        """Other pods of at least this priority for which room is being made, with their rows."""
        if not self._nominated:
            return []
        return [
            (self.columns.row_of[other.nominated], other)
            for other in self._nominated.values()
            if other.uid != pod.uid and other.priority >= pod.priority and other.nominated in self.columns.row_of
        ]

    def nominated_below(self, priority: int, node: str) -> list[PodInfo]:
        """Pods of less priority for which room is being made on a node."""
        return [pod for pod in self._nominated.values() if pod.nominated == node and pod.priority < priority]


def _matters(old: Object, new: Object) -> bool:
    """Whether a change of a node can change where pods go; heartbeats do not."""

    def parts(node: Object) -> tuple[object, ...]:
        status = node.get("status") or {}
        return (node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), status.get("images"))

    return parts(old) != parts(new)
