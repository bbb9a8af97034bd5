"""Keys to work on, each by one worker at a time.

Guarantees (client-go's): a key added many times before a worker takes it is handed out once; a key added while a worker
has it is handed out again after that worker is ``done``; keys come in the order they were first added; ``add_after``
keeps the earliest of the times asked for.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from kijabi.api import errors
from kijabi.client import transport
from kijabi.kit import backoff, clock

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

DEFAULT_POLICY = backoff.Policy(base=0.005, ceiling=1000.0)


class Closed(Exception):
    """The queue is closed: no more keys will come."""


class WorkQueue(Generic[K]):
    """``name`` is for metrics and logs; ``policy`` says how long ``retry`` waits after each failure in a row."""

    def __init__(
        self, name: str, *, policy: backoff.Policy = DEFAULT_POLICY, timepiece: clock.Clock = clock.SYSTEM
    ) -> None:
        self.name = name
        self._clock = timepiece
        self._backoff = backoff.PerItem(policy)
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._order = itertools.count()
        self._alarm: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing to do now, nothing being done. Keys that wait for their time do not count."""
        return not self._ready and not self._working

    def add(self, key: K) -> None:
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock.monotonic() + seconds
        if self._closed or self._due.get(key, float("inf")) <= when:
            return
        self._due[key] = when
        heapq.heappush(self._later, (when, next(self._order), key))
        if self._alarm is None or self._later[0][2] == key:
            self._set_alarm()

    def retry(self, key: K) -> float:
        """Add the key again after its back-off; gives the seconds."""
        seconds = self._backoff.fail(key)
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: K) -> None:
        """The key succeeded: its back-off starts afresh."""
        self._backoff.forget(key)

    def failures(self, key: K) -> int:
        return self._backoff.failures(key)

    async def get(self) -> K:
        """The next key, now this worker's until ``done``. Raises Closed."""
        while not self._ready:
            if self._closed:
                raise Closed(self.name)
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Woken and cancelled at once: the key must wake somebody else.
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def wake_later(self) -> None:
        """Workers are there (again): see to the keys that wait for their time."""
        if self._later:
            self._set_alarm()

    def sleep(self) -> None:
        """No workers for now. Keys stay, and wait on when their time comes."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def close(self) -> None:
        self._closed = True
        self.sleep()
        while self._waiters:
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().create_task(self._ring(), name=f"{self.name}/later")

    async def _ring(self) -> None:
        while self._later:
            when, _, key = self._later[0]
            wait = when - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
                continue
            heapq.heappop(self._later)
            # An earlier time may have been asked for since; this entry is then an old one.
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)
        self._alarm = None


async def run(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[float | None]], workers: int = 1) -> None:
    """Work the queue until it is closed or the task cancelled.

    ``reconcile`` gives None, or the seconds after which to look at the key again. When it raises, the key is tried
    again with back-off: quietly for a conflict (somebody wrote first), with a log line for the rest.
    """
    queue.wake_later()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(_work(queue, reconcile), name=f"{queue.name}/worker")
    finally:
        queue.sleep()


async def _work(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[float | None]]) -> None:
    while True:
        try:
            key = await queue.get()
        except Closed:
            return
        try:
            again = await reconcile(key)
        except errors.Conflict:
            queue.retry(key)
        except (errors.ApiError, transport.Unreachable) as error:
            log.info("%s: %s: %s (again in %.3f s)", queue.name, key, error, queue.retry(key))
        except Exception:
            log.exception("%s: %s failed", queue.name, key)
            queue.retry(key)
        else:
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)
        finally:
            queue.done(key)
