"""The store's one stream of events, cut into resources.

One watch on ``/registry/`` feeds every cache, so all caches stand at the same revision and one number says how fresh
the server is. Where other servers write to the same store, a consistent read first asks the store for its revision and
waits until the caches have it (``prove``); readers that come together ask together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from kijabi.apiserver.watchcache.cache import Cache
from kijabi.store import contract

log = logging.getLogger(__name__)

ROOT = "/registry/"

# Seconds that a write to a shared store waits to be seen here: it is done already, and consistent reads ask for proof.
SEEN = 3.0


class Feed:
    """``start``, then ``run`` under a nursery. ``caches`` maps a store prefix to its cache; it is shared."""

    def __init__(self, store: contract.Store, caches: dict[str, Cache]) -> None:
        self._store = store
        self._caches = caches
        self._watch: contract.Watch | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.revision = 0
        # Whether others write to the store too: then the caches may lag behind what a client has been told.
        self.shared = store.shared
        self._asking: asyncio.Task[int] | None = None
        self._asked_next: asyncio.Task[int] | None = None

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
        self._watch = self._store.watch(ROOT, after=page.revision, marks=self.shared)
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

    async def current(self) -> int:
        """The store's revision at a moment after this call began: what was acknowledged before is in it."""
        if self._asked_next is None:
            self._asked_next = asyncio.get_running_loop().create_task(self._ask(self._asking))
        # One reader that leaves must not take the answer from the others.
        return await asyncio.shield(self._asked_next)

    async def _ask(self, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait([before])
        # The question leaves now: who comes from here on has to ask anew.
        self._asking, self._asked_next = self._asked_next, None
        return await self._store.revision()

    async def seen(self, revision: int) -> None:
        """Return when the caches hold the revision that a write was given; for a shared store not much later."""
        if self.shared:
            await self.reach_within(revision, SEEN)
        else:
            await self.reach(revision)

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
        """Stop feeding. The watch is the store's and may go on until that is closed."""
        if self._watch is not None:
            self._watch.close()
        for cache in self._caches.values():
            cache.close_watchers()
