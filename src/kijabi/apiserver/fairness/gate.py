"""The way in: every request passes here, at once or when it is its turn.

Two things are scarce. Seats bound how many requests are under way, as upstream does it. And one thread does all the
work here, so a flood of short requests would never run out of seats and yet keep everybody waiting in the event loop's
own, unfair queue. Therefore the gate also bounds how long requests may work within one turn of the loop: when that is
used up, those that arrive wait in their queues, and each following turn serves them by priority level and flow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kijabi.apiserver.fairness.levels import Level, Waiter
from kijabi.apiserver.fairness.rules import Schema

# Seconds of work after which a turn of the loop is full, and the least that a request is taken to cost.
_TURN = 0.005
_LEAST = 0.0001


@dataclass(slots=True)
class Ticket:
    """A request that is in. To be given back to ``leave``."""

    level: Level
    schema: Schema
    seats: int
    began: float


class Refused(Exception):
    """``reason`` is upstream's: ``queue-full``, ``time-out``, ``concurrency-limit``, ``cancelled``."""

    def __init__(self, level: Level, schema: Schema, reason: str) -> None:
        super().__init__(reason)
        self.level = level
        self.schema = schema
        self.reason = reason


class Gate:
    """``patience`` is how many seconds a request may wait in a queue."""

    def __init__(self, patience: float, now: Callable[[], float] = time.perf_counter) -> None:
        self.levels: dict[str, Level] = {}
        self._patience = patience
        self._now = now
        self._turn_began = 0.0
        self._in_turn = False
        # A moving average of how long one request works, in seconds.
        self._cost = 0.001
        # What each level has been served in turns that were full, in units of its share.
        self._served: dict[str, float] = {}
        self.waiting = 0

    def enter_nowait(self, level: Level, schema: Schema, seats: int) -> Ticket | None:
        """A ticket where nothing stands in the way."""
        now = self._now()
        if level.exempt:
            level.sit(schema.name, seats)
            return Ticket(level, schema, seats, now)
        if not self._in_turn:
            self._in_turn = True
            self._turn_began = now
            asyncio.get_running_loop().call_soon(self._next_turn)
        elif now - self._turn_began > _TURN:
            return None
        if self.waiting and level.waiting:
            return None
        if not level.has_room(seats, self._spare(level)):
            return None
        level.sit(schema.name, seats)
        return Ticket(level, schema, seats, now)

    async def enter(self, level: Level, schema: Schema, flow: str, seats: int) -> Ticket:
        """Wait for a turn. Raises Refused."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = level.enqueue(schema.name, flow, seats, self._now(), turn)
        if waiter is None:
            reason = "queue-full" if level.dealt else "concurrency-limit"
            level.refuse(schema.name, reason)
            raise Refused(level, schema, reason)
        self.waiting += 1
        self._arm()
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if not turn.done() or turn.cancelled():
                self.waiting -= 1
                level.give_up(waiter)
            else:
                # Called and gone in the same moment: the seats go to the next.
                self.leave(Ticket(level, schema, seats, self._now()))
            if isinstance(error, TimeoutError):
                level.refuse(schema.name, "time-out")
                raise Refused(level, schema, "time-out") from error
            level.refuse(schema.name, "cancelled")
            raise
        return Ticket(level, schema, seats, self._now())

    def leave(self, ticket: Ticket) -> None:
        spent = self._now() - ticket.began
        if spent < _TURN * 20:
            # Those that waited for something are no measure of work.
            self._cost += (max(spent, _LEAST) - self._cost) * 0.05
        ticket.level.rise(ticket.schema.name, ticket.seats)
        if self.waiting:
            self._arm()

    def _arm(self) -> None:
        if not self._in_turn:
            self._in_turn = True
            self._turn_began = self._now()
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _spare(self, level: Level) -> int:
        return sum(other.spare for other in self.levels.values() if other is not level)

    def _next_turn(self) -> None:
        """A new turn of the loop: call as many as it will hold."""
        self._in_turn = False
        if not self.waiting:
            return
        now = self._now()
        for _ in range(max(1, int(_TURN / self._cost))):
            called = self._call_one(now)
            if not called:
                break
        else:
            if self.waiting:
                self._arm()

    def _call_one(self, now: float) -> bool:
        for level in self._by_need():
            waiter = level.next()
            if waiter is not None and level.has_room(waiter.seats, self._spare(level)):
                self._call(level, waiter, now)
                return True
        return False

    def _by_need(self) -> Iterable[Level]:
        """Levels in which somebody waits, the one that has had least of its share first."""
        levels = [level for level in self.levels.values() if level.waiting]
        floor = min((self._served.get(level.name, 0.0) for level in levels), default=0.0)
        for name, served in list(self._served.items()):
            # Who did not wait has saved nothing up.
            if served < floor:
                self._served[name] = floor
        return sorted(levels, key=lambda level: self._served.get(level.name, floor))

    def _call(self, level: Level, waiter: Waiter, now: float) -> None:
        level.take(waiter, now)
        self.waiting -= 1
        self._served[level.name] = self._served.get(level.name, 0.0) + waiter.seats / max(level.limits.nominal, 1)
        level.sit(waiter.schema, waiter.seats)
        if not waiter.turn.done():
            waiter.turn.set_result(None)
