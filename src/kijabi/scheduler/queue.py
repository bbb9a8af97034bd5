"""Which pod is next: by priority, then by age; and when a pod that did not fit is tried again.

A pod that fits nowhere waits until something happens that one of the rules that refused it cares about, and then for
its back-off (1 s, doubling to 10 s, per attempt); when nothing else is to be done, it is tried before its back-off is
over. Whatever happens, it is tried again after five minutes. After an error (no rule refused it) the back-off is kept
to the end. A pod with scheduling gates is not considered at all until they are gone.
Source: the scheduling queue's documentation, KEP-4247 (queueing hints), KEP-5142 (pop from the back-off queue).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kijabi.kit import backoff, clock
from kijabi.scheduler.podinfo import PodInfo

BACKOFF = backoff.Policy(base=1.0, ceiling=10.0)
STALE = 300.0


@dataclass(slots=True)
class Queued:
    """``since`` is when the pod was first queued (it decides between equals); ``refused_by`` names rules. ``turn``
    counts moves between places: an entry of a heap with another number is out of date."""

    pod: PodInfo
    since: float
    attempts: int = 0
    refused_by: frozenset[str] = frozenset()
    tried: float = 0.0
    turn: int = 0


class SchedulingQueue:
    """``interests`` says, per rule, after which cluster events a pod that it refused is worth another try."""

    def __init__(
        self,
        interests: Mapping[str, frozenset[str]],
        timepiece: clock.Clock = clock.SYSTEM,
        policy: backoff.Policy = BACKOFF,
    ) -> None:
        self._interests = interests
        self._clock = timepiece
        self._policy = policy
        self._active: list[tuple[int, float, int, Queued]] = []
        # (when, turn, pod): of cooling pods the end of the back-off, of waiting ones when they are stale.
        self._due: list[tuple[float, int, Queued]] = []
        self._early: list[tuple[float, int, Queued]] = []
        self._ready: dict[str, Queued] = {}
        self._cooling: dict[str, Queued] = {}
        self._waiting: dict[str, Queued] = {}
        self._gated: dict[str, Queued] = {}
        # Event -> the pods that wait for it.
        self._waiting_for: dict[str, dict[str, Queued]] = {}
        self._turns = itertools.count(1)
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

    def pods(self, fits: Callable[[PodInfo], bool]) -> list[PodInfo]:
        """The pods here for which ``fits``."""
        places = (self._ready, self._cooling, self._waiting, self._gated)
        return [queued.pod for place in places for queued in place.values() if fits(queued.pod)]

    def add(self, pod: PodInfo) -> None:
        """A pod that is new or has changed: it is worth a try at once, unless it is gated."""
        queued = self.remove(pod.uid) or Queued(pod, self._clock.monotonic())
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
                if place is self._waiting:
                    self._forget_interests(queued)
                queued.turn = next(self._turns)
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
            _, _, turn, queued = heapq.heappop(self._active)
            if queued.turn == turn and self._ready.pop(queued.pod.uid, None) is not None:
                return self._taken(queued)
        while self._early:
            _, turn, queued = heapq.heappop(self._early)
            if queued.turn == turn and self._cooling.pop(queued.pod.uid, None) is not None:
                return self._taken(queued)
        return None

    def _taken(self, queued: Queued) -> Queued:
        queued.turn = next(self._turns)
        queued.attempts += 1
        queued.tried = self._clock.monotonic()
        return queued

    def put_back(self, queued: Queued, refused_by: frozenset[str]) -> None:
        """It fitted nowhere. With no rule named (an error), it is tried again after its back-off."""
        queued.refused_by = refused_by
        if refused_by:
            self._wait(queued)
        else:
            self._cool(queued)
        self._changed.set()

    def _wait(self, queued: Queued) -> None:
        uid = queued.pod.uid
        queued.turn = next(self._turns)
        self._waiting[uid] = queued
        for event in self._events(queued):
            self._waiting_for.setdefault(event, {})[uid] = queued
        heapq.heappush(self._due, (queued.tried + STALE, queued.turn, queued))

    def _cool(self, queued: Queued) -> None:
        due = queued.tried + self._policy.delay(queued.attempts)
        if due <= self._clock.monotonic():
            self._activate(queued)
            return
        queued.turn = next(self._turns)
        self._cooling[queued.pod.uid] = queued
        heapq.heappush(self._due, (due, queued.turn, queued))
        if queued.refused_by:
            heapq.heappush(self._early, (due, queued.turn, queued))

    def _events(self, queued: Queued) -> frozenset[str]:
        return frozenset().union(*(self._interests.get(rule, frozenset()) for rule in queued.refused_by))

    def _forget_interests(self, queued: Queued) -> None:
        for event in self._events(queued):
            self._waiting_for[event].pop(queued.pod.uid, None)

    def happened(self, event: str) -> None:
        """Something changed in the cluster: pods that it may help leave their waiting place."""
        woken = list(self._waiting_for.get(event, {}).values())
        for queued in woken:
            del self._waiting[queued.pod.uid]
            self._forget_interests(queued)
            self._cool(queued)
        if woken:
            self._changed.set()

    def _activate(self, queued: Queued) -> None:
        queued.turn = next(self._turns)
        self._ready[queued.pod.uid] = queued
        heapq.heappush(self._active, (-queued.pod.priority, queued.since, queued.turn, queued))
        self._changed.set()

    def activate(self, uid: str) -> None:
        """Try a pod at once, wherever it waits."""
        if uid in self._gated or uid in self._ready:
            return
        queued = self.remove(uid)
        if queued is not None:
            self._activate(queued)

    def _warm_up(self) -> None:
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now:
            _, turn, queued = heapq.heappop(self._due)
            if queued.turn != turn:
                continue
            uid = queued.pod.uid
            if self._waiting.pop(uid, None) is not None:
                self._forget_interests(queued)
            else:
                del self._cooling[uid]
            self._activate(queued)

    async def _sleep_until_due(self) -> None:
        """Until something is added or told, or the next back-off is over."""
        while self._due and self._due[0][2].turn != self._due[0][1]:
            heapq.heappop(self._due)
        tasks: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        if self._due:
            wait = max(0.0, self._due[0][0] - self._clock.monotonic())
            tasks.add(asyncio.ensure_future(self._clock.sleep(wait)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _same(old: PodInfo, new: PodInfo) -> bool:
    return old.shape is new.shape and old.spec == new.spec
