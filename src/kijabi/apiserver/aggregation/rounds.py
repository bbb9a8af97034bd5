"""Names that are to be looked at: now when something happened, all of them from time to time, and those that went wrong
again after a while that grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from kijabi.kit import backoff, clock

log = logging.getLogger(__name__)

_NEARLY = 0.001
AGAIN = backoff.Policy(base=0.2, ceiling=30.0, jitter=0.2)


class Rounds:
    """``every`` in seconds."""

    def __init__(self, timepiece: clock.Clock, every: float) -> None:
        self._clock = timepiece
        self._every = every
        self._waiting: set[str] = set()
        self._failures: dict[str, int] = {}
        # Seconds on the monotonic clock at which a name that failed is due again.
        self._due: dict[str, float] = {}
        self._something = asyncio.Event()

    def add(self, name: str) -> None:
        self._waiting.add(name)
        self._something.set()

    async def run(self, look: Callable[[str], Awaitable[bool]], everyone: Callable[[], Iterable[str]]) -> None:
        """Never returns. ``look`` says whether all is well with a name; those waiting are looked at side by side."""
        full = self._clock.monotonic()
        while True:
            # A timer may wake a little early by the clock that is read here.
            now = self._clock.monotonic() + _NEARLY
            if now >= full:
                self._waiting.update(everyone())
                full = now - _NEARLY + self._every
            self._waiting.update(name for name, due in self._due.items() if due <= now)
            names, self._waiting = self._waiting, set()
            self._something.clear()
            if names:
                await asyncio.gather(*(self._one(look, name) for name in sorted(names)))
            until = min([full, *self._due.values()])
            await self._wait(max(0.0, until - self._clock.monotonic()))

    async def _one(self, look: Callable[[str], Awaitable[bool]], name: str) -> None:
        well = False
        try:
            well = await look(name)
        except Exception:
            # One that cannot be looked at must not keep the others from it.
            log.exception("%s", name)
        if well:
            self._failures.pop(name, None)
            self._due.pop(name, None)
            return
        self._failures[name] = self._failures.get(name, 0) + 1
        self._due[name] = self._clock.monotonic() + AGAIN.delay(self._failures[name])

    async def _wait(self, seconds: float) -> None:
        """Until something is added, at most ``seconds``."""
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        added = asyncio.ensure_future(self._something.wait())
        try:
            await asyncio.wait((timer, added), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (timer, added):
                one.cancel()
