"""The actor: follows pods and nodes, decides one pod after the other, and writes what was decided.

A decision counts at once in the columns (the pod is *assumed*), while its binding is on the way; when the binding is
refused the pod is taken out again and queued with back-off. Bindings are written side by side, decisions are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Mapping

from kijabi.api import conditions, errors, kinds
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.client import events, informer, rest, transport
from kijabi.kit import clock, jsons, tasks
from kijabi.scheduler import columns, cycle, defaults, explain, plugins, podinfo, queue, tallies
from kijabi.scheduler.options import Options
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo

log = logging.getLogger(__name__)

# After this many decisions in a row other tasks get their turn.
TURN = 20
BINDINGS = 100


class Scheduler:
    """Places the pods of one profile. ``run`` works until cancelled."""

    def __init__(
        self,
        client: rest.Client,
        informers: informer.Informers,
        options: Options | None = None,
        timepiece: clock.Clock = clock.SYSTEM,
        chance: random.Random | None = None,
    ) -> None:
        self._client = client
        self._name = (options or Options()).scheduler_name
        self._clock = timepiece
        self._chance = chance or random.Random()
        self._pods = informers.of(kinds.PODS)
        self._nodes = informers.of(kinds.NODES)
        self._namespaces = informers.of(kinds.NAMESPACES)
        self._companions = defaults.Companions(informers)
        self._informers = informers
        self._recorder = events.Recorder(client, self._name, timepiece=timepiece)
        self._columns = columns.Columns()
        self._tallies = tallies.Tallies(self._columns)
        interests = {rule.name: rule.retry_on for rule in plugins.FILTERS}
        self.queue = queue.SchedulingQueue(interests, timepiece)
        self.history = explain.History()
        # Where pods are counted: by uid, the node and what was parsed of the pod then.
        self._placed: dict[str, tuple[str, PodInfo]] = {}
        self._binding = asyncio.Semaphore(BINDINGS)

    async def run(self) -> None:
        self._namespaces.subscribe(self._namespace_changed)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        async with tasks.nursery("scheduler", self._clock) as nursery:
            nursery.keep(self._recorder.run, "events")
            await self._informers.wait_synced()
            await self._schedule_for_ever(nursery)

    async def _schedule_for_ever(self, nursery: tasks.Nursery) -> None:
        in_a_row = 0
        while True:
            queued = self.queue.take_nowait()
            if queued is None:
                queued = await self.queue.take()
                in_a_row = 0
            await self._binding.acquire()
            self._schedule(queued, nursery)
            in_a_row += 1
            if in_a_row % TURN == 0:
                await asyncio.sleep(0)

    def decide(self, pod: PodInfo) -> cycle.Decision:
        """Where the pod would go now. Changes nothing."""
        view = contract.View(
            pod=pod,
            columns=self._columns,
            tallies=self._tallies,
            place_key=_place_key(pod),
            namespace_labels=self._namespace_labels,
            default_selector=self._companions.selector,
        )
        return cycle.decide(view, plugins.FILTERS, plugins.SCORES, self._chance)

    def _schedule(self, queued: queue.Queued, nursery: tasks.Nursery) -> None:
        pod = queued.pod
        decision = self.decide(pod)
        self.history.note(explain.explain(decision, self._clock.time(), queued.attempts))
        if decision.row is None:
            self.queue.put_back(queued, decision.refused_by or frozenset({"NodeName"}))
            nursery.start(self._refuse(pod, cycle.message(decision)), f"refuse {pod.key}")
        else:
            node = self._columns.name(decision.row)
            self._place(node, pod)
            nursery.start(self._bind(queued, node), f"bind {pod.key}")

    async def _bind(self, queued: queue.Queued, node: str) -> None:
        pod = queued.pod
        name = pod.object["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.create(kinds.PODS, binding, name=name, subresource="binding")
        except errors.NotFound:
            self._unplace(pod.uid)
        except (errors.ApiError, transport.Unreachable) as error:
            log.info("binding %s to %s: %s", pod.key, node, error)
            # Our answer may have been lost, not the binding: then the informer says so, and counts it again.
            self._unplace(pod.uid)
            current = self._pods.by_key(pod.key)
            if current is not None and current["metadata"]["uid"] == pod.uid:
                if current["spec"].get("nodeName"):
                    self._pod_changed(None, current)
                else:
                    self.queue.put_back(queued, frozenset())
        else:
            message = f"Successfully assigned {pod.key} to {node}"
            self._recorder.record(pod.object, events.NORMAL, "Scheduled", message)
        finally:
            self._binding.release()

    async def _refuse(self, pod: PodInfo, message: str) -> None:
        self._binding.release()
        self._recorder.record(pod.object, events.WARNING, "FailedScheduling", message)
        fresh: Object = {"status": {"conditions": [dict(c) for c in conditions_of(pod.object)]}}
        told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        if not conditions.put(fresh, told, self._clock.time()):
            return
        meta = pod.object["metadata"]
        patch = {"metadata": {"uid": pod.uid}, "status": {"conditions": [conditions.get(fresh, "PodScheduled")]}}
        with contextlib.suppress(errors.NotFound, errors.Conflict):
            await self._client.patch(
                kinds.PODS,
                meta["name"],
                pod.namespace,
                patch,
                type=rest.STRATEGIC_MERGE_PATCH,
                subresource="status",
            )

    def _place(self, node: str, pod: PodInfo) -> None:
        self._placed[pod.uid] = (node, pod)
        row = self._columns.add_pod(node, pod)
        if row is not None:
            self._tallies.place(row, pod)

    def _unplace(self, uid: str) -> None:
        node, _ = self._placed.pop(uid, ("", None))
        removed = self._columns.remove_pod(node, uid) if node else None
        if removed is not None:
            self._tallies.remove(*removed)

    def _namespace_labels(self, name: str) -> Mapping[str, str]:
        namespace = self._namespaces.get(name)
        return (namespace["metadata"].get("labels") or {}) if namespace is not None else {}

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._tallies.forget()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            name = (old or {})["metadata"]["name"]
            row = self._columns.row_of.get(name)
            for pod in self._columns.remove_node(name) if row is not None else ():
                self._tallies.remove(int(row or 0), pod)
            return
        if old is not None and not _matters(old, new):
            return
        for pod in self._columns.set_node(new):
            self._tallies.place(self._columns.row_of[new["metadata"]["name"]], pod)
        self.queue.happened(contract.NODE_ADDED if old is None else contract.NODE_CHANGED)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or pods_.is_terminal(new):
            self._gone((new or old or {})["metadata"]["uid"])
        elif new["spec"].get("nodeName"):
            self._assigned(new)
        elif new["spec"].get("schedulerName", self._name) == self._name:
            self._unassigned(new)

    def _gone(self, uid: str) -> None:
        self.queue.remove(uid)
        if uid in self._placed:
            self._unplace(uid)
            self.queue.happened(contract.POD_GONE)

    def _assigned(self, pod: Object) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        self.queue.remove(uid)
        known = self._placed.get(uid)
        if known is not None and known[0] == node and _counts_alike(known[1].object, pod):
            return
        parsed = podinfo.of(pod)
        self._unplace(uid)
        self._place(node, parsed)
        if known is None:
            self.queue.happened(contract.POD_PLACED)
        elif parsed.terminating != known[1].terminating or parsed.requests != known[1].requests:
            self.queue.happened(contract.POD_CHANGED)

    def _unassigned(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._placed:
            # Assumed: its binding is on the way, and this event is older than that.
            return
        if pod["metadata"].get("deletionTimestamp"):
            self.queue.remove(uid)
        else:
            self.queue.update(podinfo.of(pod))


def conditions_of(pod: Object) -> list[Object]:
    return list((pod.get("status") or {}).get("conditions") or ())


def _place_key(pod: PodInfo) -> bytes:
    spec = pod.spec
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    return jsons.dumps([spec.get("nodeSelector"), node_affinity, spec.get("tolerations")])


def _matters(old: Object, new: Object) -> bool:
    """Whether a change of a node can change where pods go; heartbeats do not."""

    def parts(node: Object) -> tuple[object, ...]:
        status = node.get("status") or {}
        return (node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), status.get("images"))

    return parts(old) != parts(new)


def _counts_alike(old: Object, new: Object) -> bool:
    """Whether two forms of a placed pod count the same."""

    def parts(pod: Object) -> tuple[object, ...]:
        meta = pod["metadata"]
        spec = {name: value for name, value in pod["spec"].items() if name != "nodeName"}
        return (meta.get("labels"), bool(meta.get("deletionTimestamp")), spec)

    return parts(old) == parts(new)
