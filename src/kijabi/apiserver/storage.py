"""The store as the server's flags ask for it, and what is done for it in the background: compaction, and asking
whether it still answers."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from kijabi.apiserver.options import Options
from kijabi.kit import clock, config
from kijabi.store import contract, memory, sqlite
from kijabi.store.etcd import endpoints
from kijabi.store.etcd import store as etcd

log = logging.getLogger(__name__)

COMPACT_KEY = "compact_rev_key"

# Seconds between two questions of the health check, and how long it waits for an answer.
ASK_EVERY = 5.0
ASK_WITHIN = 2.0


async def open_store(options: Options) -> contract.Store:
    """etcd where ``--etcd-servers`` names some, else ``--store``: ``memory:`` or ``sqlite:///path``.

    Raises config.Unusable for what is none of these or does not open, OSError for files that cannot be read.
    """
    try:
        return await _open(options)
    except (ValueError, contract.StoreError) as error:
        raise config.Unusable(str(error)) from error


async def _open(options: Options) -> contract.Store:
    if options.etcd_servers:
        return await etcd.open_store(
            endpoints.Config(
                tuple(options.etcd_servers),
                options.etcd_cafile,
                options.etcd_certfile,
                options.etcd_keyfile,
                options.etcd_prefix,
            )
        )
    return await open_local(options.store)


async def open_local(where: str) -> contract.Store:
    """``memory:`` or ``sqlite:///path``. Raises ValueError for anything else."""
    if where in ("memory:", "memory://"):
        return memory.MemoryStore()
    if where.startswith("sqlite:///"):
        return await sqlite.open_store(Path(where.removeprefix("sqlite://")))
    raise ValueError(f"unknown store {where!r}: memory: and sqlite:///path are known, and --etcd-servers")


class Compaction:
    """Forgets what is older than one interval. Of the servers that share a store one does it, and no agreement is
    needed who: the key ``compact_rev_key`` moves by compare-and-swap, and who loses knows the interval has been served.

    Source: the protocol of upstream's storage/etcd3 compactor, which may take part beside this one.
    """

    def __init__(self, store: contract.Store, interval: float, timepiece: clock.Clock) -> None:
        self._store = store
        self._interval = interval
        self._clock = timepiece
        # The state of the key as last seen here, and the store's revision at that time.
        self._seen = 0
        self._then = 0

    async def run(self) -> None:
        """For ever. An interval of 0 means never, as upstream's ``--etcd-compaction-interval=0``."""
        while self._interval > 0:
            await self._clock.sleep(self._interval)
            try:
                await self.turn()
            except contract.StoreError as error:
                log.warning("the store could not be compacted: %s", error)

    async def turn(self) -> None:
        """One interval is over."""
        now = await self._store.revision()
        then, self._then = self._then, now
        if self._store.shared and not await self._is_ours(then):
            return
        if then:
            await self._store.compact(then)

    async def _is_ours(self, revision: int) -> bool:
        try:
            self._seen = await self._store.put(COMPACT_KEY, str(revision).encode(), expect=self._seen)
        except contract.Conflict as conflict:
            self._seen = conflict.current.revision if conflict.current else 0
            return False
        return True


class Heartbeat:
    """Whether a shared store answers: ``problem`` is empty while it does."""

    def __init__(self, store: contract.Store, timepiece: clock.Clock) -> None:
        self._store = store
        self._clock = timepiece
        self.problem = ""

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ASK_WITHIN):
                    await self._store.revision()
                self.problem = ""
            except (contract.StoreError, TimeoutError) as error:
                self.problem = f"the store does not answer: {error or 'timed out'}"
            await self._clock.sleep(ASK_EVERY)
