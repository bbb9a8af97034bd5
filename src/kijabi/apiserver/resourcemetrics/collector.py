"""Looks at every kubelet's usage while somebody wants to know, and not at all while nobody does.

The first who asks waits for two looks a second apart; from then on all nodes are looked at every fifteen seconds,
until nobody has asked for some minutes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from kijabi.apiserver.resourcemetrics import samples
from kijabi.kit import clock, tasks

log = logging.getLogger(__name__)

EVERY, FIRST_WINDOW = 15.0, 1.0
IDLE = 300.0
# How long what a node told is told again when it does not answer.
STALE = 60.0
_AT_ONCE = 32

# Gives a node's /metrics/resource as text; raises OSError where it cannot be had.
Fetch = Callable[[str], Awaitable[str]]


class Collector:
    """``nodes`` gives the names of all nodes. ``start`` before the first question."""

    def __init__(
        self, nodes: Callable[[], Awaitable[Iterable[str]]], fetch: Fetch, timepiece: clock.Clock = clock.SYSTEM
    ) -> None:
        self._nodes = nodes
        self._fetch = fetch
        self._clock = timepiece
        self._before: dict[str, samples.Sample] = {}
        self._now: dict[str, samples.Sample] = {}
        self._asked = asyncio.Event()
        self._ready = asyncio.Event()
        self._last_asked = 0.0

    def start(self, owner: tasks.Nursery) -> None:
        owner.keep(self._run, "resource metrics")

    async def ready(self) -> None:
        """Wait until there is something to tell."""
        self._last_asked = self._clock.monotonic()
        self._asked.set()
        await self._ready.wait()

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            await self.look()
            await self._clock.sleep(FIRST_WINDOW)
            await self.look()
            self._ready.set()
            while self._clock.monotonic() - self._last_asked < IDLE:
                await self._clock.sleep(EVERY)
                await self.look()
            self._asked.clear()
            self._ready.clear()
            self._before, self._now = {}, {}

    async def look(self) -> None:
        """One look at all nodes. Of a node that does not answer now, what it told before is told a while longer."""
        names = list(await self._nodes())
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> tuple[str, samples.Sample] | None:
            async with limit:
                try:
                    text = await self._fetch(name)
                except (OSError, TimeoutError) as error:
                    log.info("node %s tells no usage: %s", name, error or type(error).__name__)
                    return None
            return name, samples.parse(text, self._clock.time())

        found = dict(pair for pair in await asyncio.gather(*map(one, names)) if pair is not None)
        oldest = self._clock.time() - STALE
        for name in names:
            last = self._now.get(name)
            if name in found and last is not None:
                self._before[name] = last
            elif last is not None and last.node.at >= oldest:
                found[name] = last
        self._before = {name: sample for name, sample in self._before.items() if name in found}
        self._now = found

    def node(self, name: str) -> samples.Usage | None:
        now, before = self._now.get(name), self._before.get(name)
        return samples.usage(before.node if before else None, now.node if now else None)

    def container(self, node: str, key: samples.Container) -> samples.Usage | None:
        now, before = self._now.get(node), self._before.get(node)
        if now is None:
            return None
        return samples.usage(before.containers.get(key) if before else None, now.containers.get(key))
