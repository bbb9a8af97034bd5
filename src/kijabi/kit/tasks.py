"""Long-running work with an owner.

A ``Nursery`` owns tasks: who starts a loop also ends it, and a loop that dies of an unexpected error is logged with its
name and started again after a back-off, because every loop here is level-driven and loses nothing by a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from kijabi.kit import backoff, clock

log = logging.getLogger(__name__)

RESTART = backoff.Policy(base=0.1, ceiling=30.0, jitter=0.2)


class Nursery:
    """Owns tasks until ``aclose``, which cancels and awaits every one of them."""

    def __init__(self, name: str, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self.name = name
        self._clock = timepiece
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` once. An error is logged, never lost."""
        if self._closed:
            work.close()
            raise RuntimeError(f"{self.name} is closed")
        task = asyncio.get_running_loop().create_task(work, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def keep(self, work: Callable[[], Awaitable[Any]], name: str) -> asyncio.Task[Any]:
        """Run ``work`` for ever: when it returns or raises, it is started again after a back-off."""
        return self.start(self._forever(work, name), name)

    async def _forever(self, work: Callable[[], Awaitable[Any]], name: str) -> None:
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await work()
            except Exception:
                log.exception("%s/%s failed and is started again", self.name, name)
            # A loop that ran well for a minute is not punished for its past.
            failures = failures + 1 if self._clock.monotonic() - began < 60 else 1
            await self._clock.sleep(RESTART.delay(failures))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s failed", task.get_name(), exc_info=task.exception())

    async def aclose(self) -> None:
        self._closed = True
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)


@contextlib.asynccontextmanager
async def nursery(name: str, timepiece: clock.Clock = clock.SYSTEM) -> AsyncIterator[Nursery]:
    """``async with nursery("kubelet") as tasks: tasks.keep(loop, "pleg")``."""
    owner = Nursery(name, timepiece)
    try:
        yield owner
    finally:
        await owner.aclose()
