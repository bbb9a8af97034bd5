"""What is written to the API: bindings, conditions, nominations, evictions and events.

A deed that comes too late (the pod is gone, or another of its name is there) is no error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from kijabi.api import conditions, errors, kinds
from kijabi.api.resource import Object
from kijabi.client import events, rest
from kijabi.kit import clock, tasks
from kijabi.scheduler import preemption
from kijabi.scheduler.podinfo import PodInfo

UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"
NOTE_LIMIT = 1024


class Deeds:
    """``names`` are those of the profiles: events come from the profile that placed the pod."""

    def __init__(self, client: rest.Client, names: Iterable[str], timepiece: clock.Clock) -> None:
        self._client = client
        self._clock = timepiece
        self._recorders = {name: events.Recorder(client, name, timepiece=timepiece) for name in names}

    def start(self, nursery: tasks.Nursery) -> None:
        for name, recorder in self._recorders.items():
            nursery.keep(recorder.run, f"events of {name}")

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Raises what the API says."""
        name = pod.object["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._client.create(kinds.PODS, binding, name=name, subresource="binding")

    def tell_placed(self, profile: str, pod: PodInfo, node: str) -> None:
        message = f"Successfully assigned {pod.key} to {node}"
        self._recorders[profile].record(pod.object, events.NORMAL, "Scheduled", message)

    async def tell_refused(
        self, profile: str, pod: PodInfo, message: str, *, reason: str = UNSCHEDULABLE, nominate: str | None = None
    ) -> None:
        """An event and the condition. ``nominate`` sets the nominated node, empty clears it, None leaves it."""
        note = message if len(message) <= NOTE_LIMIT else f"{message[: NOTE_LIMIT - 4]} ..."
        self._recorders[profile].record(pod.object, events.WARNING, "FailedScheduling", note)
        status: Object = {}
        told = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        fresh = _changed(pod.object, told, self._clock.time())
        if fresh is not None:
            status["conditions"] = [fresh]
        if nominate is not None and nominate != pod.nominated:
            status["nominatedNodeName"] = nominate or None
        if status:
            with contextlib.suppress(errors.NotFound, errors.Conflict):
                await self._patch(pod, status)

    async def clear_nomination(self, pod: PodInfo) -> None:
        with contextlib.suppress(errors.NotFound, errors.Conflict):
            await self._patch(pod, {"nominatedNodeName": None})

    async def evict(self, profile: str, victim: PodInfo, preemptor: PodInfo, node: str) -> None:
        """Mark a victim and delete it. Raises what the API says, but for a victim that is gone already."""
        if victim.terminating:
            return
        told = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": preemption.BY_SCHEDULER,
            "message": f"{profile}: preempting to accommodate a higher priority pod",
        }
        fresh = _changed(victim.object, told, self._clock.time())
        try:
            if fresh is not None:
                await self._patch(victim, {"conditions": [fresh]})
            name = victim.object["metadata"]["name"]
            await self._client.delete(kinds.PODS, name, victim.namespace, uid=victim.uid)
        except (errors.NotFound, errors.Conflict):
            # Gone, or another pod of that name has come: either way this one needs no deleting.
            return
        message = f"Preempted by pod {preemptor.uid} on node {node}"
        self._recorders[profile].record(victim.object, events.NORMAL, "Preempted", message)

    async def _patch(self, pod: PodInfo, status: Object) -> None:
        await self._client.patch(
            kinds.PODS,
            pod.object["metadata"]["name"],
            pod.namespace,
            {"metadata": {"uid": pod.uid}, "status": status},
            type=rest.STRATEGIC_MERGE_PATCH,
            subresource="status",
        )


def _changed(pod: Object, condition: Object, now: float) -> Object | None:
    """The condition to write, or None where the pod has it already."""
    old = (pod.get("status") or {}).get("conditions") or ()
    fresh: Object = {"status": {"conditions": [dict(each) for each in old]}}
    if not conditions.put(fresh, condition, now):
        return None
    return conditions.get(fresh, condition["type"])
