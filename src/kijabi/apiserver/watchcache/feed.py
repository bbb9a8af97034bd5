"""The store's one stream of events, cut into resources.

One watch on ``/registry/`` feeds every cache, so all caches stand at the same revision and one number says how fresh
the server is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from kijabi.apiserver.watchcache.cache import Cache
from kijabi.store import contract

log = logging.getLogger(__name__)

ROOT = "/registry/"


class Feed:
    """``start``, then ``run`` under a nursery. ``caches`` maps a store prefix to its cache; it is shared."""

    def __init__(self, store: contract.Store, caches: dict[str, Cache]) -> None:
        self._store = store
        self._caches = caches
        self._watch: contract.Watch | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.revision = 0

    async def start(self) -> None:
        """Load everything. Afterwards reads can be served."""
        page = await self._store.range(ROOT)
        by_cache: dict[str, list[contract.Entry]] = {}
        for entry in page.entries:
            cache = self.cache_of(entry.key)
            if cache is not None:
                by_cache.setdefault(cache.prefix, []).append(entry)
        for prefix, cache in list(self._caches.items()):
            cache.load(by_cache.get(prefix, ()), page.revision)
        self._watch = self._store.watch(ROOT, after=page.revision)
        self._reached(page.revision)

    async def join(self, cache: Cache) -> None:
        """Add a cache to a feed that runs: it holds what the store has, and misses nothing that happens meanwhile."""
        cache.hold()
        self._caches[cache.prefix] = cache
        page = await self._store.range(cache.prefix)
        if cache.is_held:
            cache.load(page.entries, page.revision)
        await self.reach(page.revision)

    def leave(self, cache: Cache) -> None:
        """Forget a cache; those who watch it are cut off."""
        self._caches.pop(cache.prefix, None)
        cache.close_watchers()

    def cache_of(self, key: str) -> Cache | None:
        # A prefix is one segment, or two where a group stands before the resource (and below /registry/services/).
        first = key.find("/", len(ROOT)) + 1
        found = self._caches.get(key[:first])
        if found is not None:
            return found
        return self._caches.get(key[: key.find("/", first) + 1])

    async def run(self) -> None:
        """Take events in for ever. When the store's watch breaks, everything is loaded anew."""
        while True:
            watch = self._watch
            if watch is None:
                await self.start()
                continue
            try:
                events = await watch.batch()
            except contract.Compacted:
                log.warning("the store forgot events this server had not seen; loading everything again")
                self._watch = None
                continue
            if not events:
                return
            self._apply(events)

    def _apply(self, events: list[contract.Event]) -> None:
        for event in events:
            cache = self.cache_of(event.key)
            if cache is not None:
                cache.apply(event)
        self._reached(events[-1].revision)

    def _reached(self, revision: int) -> None:
        self.revision = max(self.revision, revision)
        if self._waiters:
            still: list[tuple[int, asyncio.Future[None]]] = []
            for wanted, waiter in self._waiters:
                if wanted > self.revision:
                    still.append((wanted, waiter))
                elif not waiter.done():
                    waiter.set_result(None)
            self._waiters = still

    async def reach(self, revision: int) -> None:
        """Return when the caches hold ``revision``."""
        if self.revision >= revision:
            return
        # The store has usually queued the event by now; taking it here saves the writer a turn of the loop.
        if self._watch is not None:
            events = self._watch.take_nowait()
            if events:
                self._apply(events)
                if self.revision >= revision:
                    return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((revision, waiter))
        await waiter

    async def reach_within(self, revision: int, seconds: float) -> bool:
        """Whether the caches held ``revision`` in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reach(revision)
        return self.revision >= revision

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        for cache in self._caches.values():
            cache.close_watchers()
