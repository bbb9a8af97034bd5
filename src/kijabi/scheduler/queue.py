"""Which pod is next: by priority, then by age; and when a pod that did not fit is tried again.

A pod that fits nowhere waits until something happens that one of the rules that refused it cares about, and then for
its back-off (1 s, doubling to 10 s, per attempt). Whatever happens, it is tried again after five minutes. A pod with
scheduling gates is not considered at all until they are gone.
Source: the scheduling queue's documentation and KEP-4247 (queueing hints).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kijabi.kit import backoff, clock
from kijabi.scheduler.podinfo import PodInfo

BACKOFF = backoff.Policy(base=1.0, ceiling=10.0)
STALE = 300.0


@dataclass(slots=True)
class Queued:
    """``since`` is when the pod was first queued (it decides between equals); ``refused_by`` names rules."""

    pod: PodInfo
    since: float
    attempts: int = 0
    refused_by: frozenset[str] = frozenset()
    tried: float = 0.0


class SchedulingQueue:
    """``interests`` says, per rule, after which cluster events a pod that it refused is worth another try."""

    def __init__(self, interests: Mapping[str, frozenset[str]], timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._interests = interests
        self._clock = timepiece
        self._active: list[tuple[int, float, int, str]] = []
        self._ready: dict[str, Queued] = {}
        self._cooling: dict[str, Queued] = {}
        self._waiting: dict[str, Queued] = {}
        self._gated: dict[str, Queued] = {}
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def counts(self) -> dict[str, int]:
        """As the metric ``scheduler_pending_pods`` names them."""
        return {
            "active": len(self._ready),
            "backoff": len(self._cooling),
            "unschedulable": len(self._waiting),
            "gated": len(self._gated),
        }

    def add(self, pod: PodInfo) -> None:
        """A pod that is new or has changed: it is worth a try at once, unless it is gated."""
        known = self.remove(pod.uid)
        queued = known or Queued(pod, self._clock.monotonic())
        queued.pod = pod
        if pod.spec.get("schedulingGates"):
            self._gated[pod.uid] = queued
        else:
            self._activate(queued)

    def update(self, pod: PodInfo) -> None:
        """The same, but a pod that waits or cools down is only moved when its spec or labels changed."""
        for place in (self._cooling, self._waiting):
            queued = place.get(pod.uid)
            if queued is not None and _same(queued.pod, pod):
                queued.pod = pod
                return
        self.add(pod)

    def remove(self, uid: str) -> Queued | None:
        for place in (self._ready, self._cooling, self._waiting, self._gated):
            queued = place.pop(uid, None)
            if queued is not None:
                return queued
        return None

    async def take(self) -> Queued:
        """The next pod, waiting for one."""
        while True:
            queued = self.take_nowait()
            if queued is not None:
                return queued
            self._changed.clear()
            await self._sleep_until_due()

    def take_nowait(self) -> Queued | None:
        self._warm_up()
        while self._active:
            _, _, _, uid = heapq.heappop(self._active)
            queued = self._ready.pop(uid, None)
            if queued is not None:
                queued.attempts += 1
                queued.tried = self._clock.monotonic()
                return queued
        return None

    def put_back(self, queued: Queued, refused_by: frozenset[str]) -> None:
        """It fitted nowhere. With no rule named (an error), it is tried again after its back-off."""
        queued.refused_by = refused_by
        place = self._waiting if refused_by else self._cooling
        place[queued.pod.uid] = queued
        self._changed.set()

    def happened(self, event: str) -> None:
        """Something changed in the cluster: pods that it may help leave their waiting place."""
        for uid, queued in list(self._waiting.items()):
            if any(event in self._interests.get(rule, ()) for rule in queued.refused_by):
                del self._waiting[uid]
                self._cooling[uid] = queued
        self._changed.set()

    def _activate(self, queued: Queued) -> None:
        self._ready[queued.pod.uid] = queued
        heapq.heappush(self._active, (-queued.pod.priority, queued.since, next(self._order), queued.pod.uid))
        self._changed.set()

    def _due(self, queued: Queued) -> float:
        return queued.tried + BACKOFF.delay(queued.attempts)

    def _warm_up(self) -> None:
        now = self._clock.monotonic()
        for uid, queued in list(self._cooling.items()):
            if self._due(queued) <= now:
                del self._cooling[uid]
                self._activate(queued)
        for uid, queued in list(self._waiting.items()):
            if queued.tried + STALE <= now:
                del self._waiting[uid]
                self._activate(queued)

    async def _sleep_until_due(self) -> None:
        """Until something is added or told, or the next back-off is over."""
        times = [self._due(queued) for queued in self._cooling.values()]
        times += [queued.tried + STALE for queued in self._waiting.values()]
        tasks: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        if times:
            wait = max(0.0, min(times) - self._clock.monotonic())
            tasks.add(asyncio.ensure_future(self._clock.sleep(wait)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _same(old: PodInfo, new: PodInfo) -> bool:
    return old.spec == new.spec and old.labels == new.labels
