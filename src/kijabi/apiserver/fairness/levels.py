"""A priority level: how many seats it has, who sits, and who waits in which queue.

A request takes one or more seats while it is worked on. Where none is free it waits in one of the level's queues: a
flow is dealt a hand of a few queues (shuffle sharding), and its request goes into the shortest. The queue that has
been served least goes next, so a flow that floods fills its own hand and the others pass it by.

Seats are shared out in proportion to the levels' shares. A level that wants more takes what others may lend and do
not use; it gets no more lent as soon as they come back. Source: KEP-1040, "API Priority and Fairness". Upstream
adjusts what is lent every ten seconds; here it is decided at each request, from what is in use then.
"""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import itertools
import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kijabi.api.resource import Object

BUCKETS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seats. ``lower`` is what a level keeps when all else is lent, ``upper`` the most it can have."""

    nominal: int
    lower: int
    upper: int


def share_out(levels: Mapping[str, Object], seats: int) -> dict[str, Limits]:
    """From the specs of all levels to the seats of each, of ``seats`` that the server has."""
    parts = {name: spec.get("limited") or spec.get("exempt") or {} for name, spec in levels.items()}
    total = sum(part.get("nominalConcurrencyShares") or 0 for part in parts.values())
    shared: dict[str, Limits] = {}
    for name, part in parts.items():
        shares = part.get("nominalConcurrencyShares") or 0
        nominal = math.ceil(seats * shares / total) if total else 0
        lent = round(nominal * (part.get("lendablePercent") or 0) / 100)
        borrowed = part.get("borrowingLimitPercent")
        upper = seats if borrowed is None else nominal + round(nominal * borrowed / 100)
        shared[name] = Limits(nominal, nominal - lent, upper)
    return shared


@dataclass(slots=True, eq=False)
class Waiter:
    """A request in a queue. ``turn`` is resolved when it may go on."""

    schema: str
    flow: str
    seats: int
    arrived: float
    turn: asyncio.Future[None]
    queue: Queue


@dataclass(slots=True, eq=False)
class Queue:
    """``served`` is the virtual time up to which it has had its part: seats times requests it was given."""

    index: int
    waiting: deque[Waiter] = field(default_factory=deque)
    served: float = 0.0
    executing: int = 0


class Waits:
    """How long requests waited, in seconds: counts by BUCKETS."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        sums = itertools.accumulate(self.counts)
        return list(zip([*map(str, BUCKETS), "+Inf"], sums, strict=True))


@dataclass(slots=True)
class Tally:
    """Counts since the start, by flow schema."""

    dispatched: dict[str, int] = field(default_factory=dict)
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)
    waited: dict[str, Waits] = field(default_factory=dict)


class Level:
    """``spec`` is that of a PriorityLevelConfiguration; a level without queues refuses what is over its limit."""

    def __init__(self, name: str, uid: str, spec: Object, limits: Limits) -> None:
        self.name = name
        self.exempt = spec.get("type") == "Exempt"
        self.in_use = 0
        self.executing: dict[str, int] = {}
        self.tally = Tally()
        self.waiting = 0
        self.queues: list[Queue] = []
        self._virtual = 0.0
        self.configure(uid, spec, limits)

    def configure(self, uid: str, spec: Object, limits: Limits) -> None:
        """Take new settings. Queues that are dropped are emptied by the requests in them, nothing is refused."""
        self.uid = uid
        self.limits = limits
        response = (spec.get("limited") or {}).get("limitResponse") or {}
        queuing = (response.get("queuing") or {}) if response.get("type") == "Queue" else {}
        self.hand = queuing.get("handSize", 0)
        self.length = queuing.get("queueLengthLimit", 0)
        wanted = queuing.get("queues", 0)
        kept = [queue for queue in self.queues[wanted:] if queue.waiting]
        self.dealt = self.queues[:wanted] + [Queue(index) for index in range(len(self.queues), wanted)]
        self.queues = self.dealt + kept

    @property
    def spare(self) -> int:
        """Seats that others may use now."""
        return max(self.limits.nominal - max(self.in_use, self.limits.lower), 0)

    def has_room(self, seats: int, others_spare: int) -> bool:
        """Whether a request that takes ``seats`` may sit down. One that is wider than the level sits alone."""
        if self.exempt or not self.in_use:
            return True
        wanted = self.in_use + seats
        return wanted <= self.limits.nominal or wanted <= min(self.limits.upper, self.limits.nominal + others_spare)

    def sit(self, schema: str, seats: int) -> None:
        self.in_use += seats
        self.executing[schema] = self.executing.get(schema, 0) + 1
        self.tally.dispatched[schema] = self.tally.dispatched.get(schema, 0) + 1

    def rise(self, schema: str, seats: int) -> None:
        self.in_use -= seats
        self.executing[schema] -= 1

    def refuse(self, schema: str, reason: str) -> None:
        key = (schema, reason)
        self.tally.rejected[key] = self.tally.rejected.get(key, 0) + 1

    def enqueue(self, schema: str, flow: str, seats: int, now: float, turn: asyncio.Future[None]) -> Waiter | None:
        """None where the flow's queues are full (or the level has none)."""
        queue = min(self._hand(schema, flow), key=lambda queue: len(queue.waiting), default=None)
        if queue is None or len(queue.waiting) >= self.length:
            return None
        if not queue.waiting:
            # A queue that was empty has no claim for the time it did not use.
            queue.served = max(queue.served, self._virtual)
        waiter = Waiter(schema, flow, seats, now, turn, queue)
        queue.waiting.append(waiter)
        self.waiting += 1
        return waiter

    def _hand(self, schema: str, flow: str) -> Iterable[Queue]:
        """The queues a flow may use: always the same ones."""
        dealt = self.dealt
        if not dealt:
            return
        number = int.from_bytes(hashlib.sha256(f"{schema}\0{flow}".encode()).digest()[:8])
        left = len(dealt)
        taken: list[int] = []
        for _ in range(min(self.hand, left)):
            number, card = divmod(number, left)
            left -= 1
            # The card-th of those that are left.
            for other in sorted(taken):
                if other <= card:
                    card += 1
            taken.append(card)
            yield dealt[card]

    def next(self) -> Waiter | None:
        """Who goes next; he stays where he is until ``take``."""
        queues = [queue for queue in self.queues if queue.waiting]
        return min(queues, key=lambda queue: queue.served).waiting[0] if queues else None

    def take(self, waiter: Waiter, now: float) -> None:
        """Out of the queue, because his turn has come."""
        self._leave(waiter)
        self._virtual = waiter.queue.served
        waiter.queue.served += waiter.seats
        self.tally.waited.setdefault(waiter.schema, Waits()).add(now - waiter.arrived)

    def give_up(self, waiter: Waiter) -> None:
        """Out of the queue, because he waits no longer."""
        self._leave(waiter)

    def _leave(self, waiter: Waiter) -> None:
        waiter.queue.waiting.remove(waiter)
        self.waiting -= 1
