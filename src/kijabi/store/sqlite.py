"""The default store: one process, one SQLite file.

Conflicts are decided in memory against what is durable *and* what is on its way, so a write waits for no other. What
was decided while the writer thread was busy goes to disk as one transaction (group commit); only then is each write
acknowledged, read by ``get`` and told to watchers. When a transaction fails, every write in it and every write decided
on top of it is refused, and the state is again what the file says.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kijabi.store import contract, journal
from kijabi.store.contract import Entry, Event, Page, Watch
from kijabi.store.memory import Expiries, State, Watchers

# Rows deleted in one transaction by a compaction; between two of them waiting writes get their turn.
COMPACTION_CHUNK = 500


@dataclass(frozen=True, slots=True)
class _Write:
    event: Event
    ttl: float | None
    done: asyncio.Future[int]

    @property
    def entry(self) -> Entry | None:
        """What the key holds once this is durable."""
        event = self.event
        return None if event.value is None else Entry(event.key, event.value, event.revision, event.created)


class SqliteStore(contract.Plain):
    """Keeps the whole contract. Open it with ``open_store`` and from one event loop."""

    def __init__(self, connection: sqlite3.Connection, state: State, expiring: dict[str, tuple[int, float]]) -> None:
        self._connection = connection
        self._state = state
        self._watchers = Watchers()
        self._expiries = Expiries()
        self._thread = ThreadPoolExecutor(1, "store")
        self._next = state.revision + 1
        # Decided but not yet durable: the newest such write of each key.
        self._coming: dict[str, _Write] = {}
        self._queue: list[_Write] = []
        self._queued = asyncio.Event()
        self._closed = False
        self._writer = asyncio.get_running_loop().create_task(self._write_for_ever(), name="store/writer")
        for key, (revision, expires) in expiring.items():
            self._expiries.set(self, key, revision, max(0.0, expires - time.time()))

    def _open(self) -> State:
        if self._closed:
            raise contract.Closed("the store is closed")
        return self._state

    async def get(self, key: str) -> Entry | None:
        return self._open().entries.get(key)

    async def range(self, prefix: str, *, limit: int = 0, after: str = "", at: int = 0) -> Page:
        return self._open().range(prefix, limit, after, at)

    async def put(self, key: str, value: bytes, *, expect: int | None = None, ttl: float | None = None) -> int:
        return await self._decide(key, value, self._check(key, expect), ttl)

    async def delete(self, key: str, *, expect: int | None = None) -> tuple[int, Entry | None]:
        current = self._check(key, expect)
        if current is None:
            return 0, None
        return await self._decide(key, None, current, None), current

    def _check(self, key: str, expect: int | None) -> Entry | None:
        state = self._open()
        if key not in self._coming:
            return state.check(key, expect)
        current = self._coming[key].entry
        if expect is not None and expect != (current.revision if current else 0):
            raise contract.Conflict(key, current)
        return current

    def _decide(self, key: str, value: bytes | None, current: Entry | None, ttl: float | None) -> asyncio.Future[int]:
        event = self._state.next_event(key, value, current, self._next)
        self._next += 1
        write = _Write(event, ttl, asyncio.get_running_loop().create_future())
        self._coming[key] = write
        self._queue.append(write)
        self._queued.set()
        # A plain future and no task: a caller that is cancelled does not undo a write that was decided.
        return write.done

    async def _write_for_ever(self) -> None:
        while True:
            await self._queued.wait()
            self._queued.clear()
            writes, self._queue = self._queue, []
            if not writes:
                continue
            now = time.time()
            rows = [journal.Row.of_event(w.event, None if w.ttl is None else now + w.ttl) for w in writes]
            try:
                await self._on_thread(journal.append, rows)
            except sqlite3.Error as error:
                self._refuse(writes, error)
            else:
                self._acknowledge(writes)

    async def _on_thread(self, work: Callable[..., None], *values: object, **more: object) -> None:
        call = functools.partial(work, self._connection, *values, **more)
        await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _acknowledge(self, writes: list[_Write]) -> None:
        for write in writes:
            event = write.event
            self._state.apply(event)
            self._expiries.set(self, event.key, event.revision, write.ttl)
            if self._coming.get(event.key) is write:
                del self._coming[event.key]
        self._watchers.publish([write.event for write in writes])
        for write in writes:
            if not write.done.done():
                write.done.set_result(write.event.revision)

    def _refuse(self, writes: list[_Write], error: sqlite3.Error) -> None:
        refused = [*writes, *self._queue]
        self._queue = []
        self._coming.clear()
        self._next = self._state.revision + 1
        for write in refused:
            if not write.done.done():
                failure = contract.StoreError(f"the write could not be made durable: {error}")
                failure.__cause__ = error
                write.done.set_exception(failure)

    def watch(self, prefix: str, *, after: int, marks: bool = False) -> Watch:
        watch = Watch()
        missed = self._open().since(prefix, after)
        if missed:
            watch.push(missed)
        self._watchers.add(prefix, watch)
        return watch

    async def compact(self, revision: int) -> None:
        state = self._open()
        forgotten = state.compact(revision)
        await self._on_thread(journal.mark, compacted=revision, revision=state.revision)
        superseded = [event.before for event in forgotten if event.before]
        superseded += [event.revision for event in forgotten if event.value is None]
        for start in range(0, len(superseded), COMPACTION_CHUNK):
            await self._on_thread(journal.remove, superseded[start : start + COMPACTION_CHUNK])

    async def revision(self) -> int:
        return self._open().revision

    async def backup(self, path: Path) -> int:
        copied = 0

        def copy(connection: sqlite3.Connection) -> None:
            nonlocal copied
            # The thread is the only writer, so nothing can be committed between the copy and the count.
            with sqlite3.connect(path) as target:
                connection.backup(target)
            target.close()
            newest = connection.execute("SELECT max(revision) FROM journal").fetchone()[0] or 0
            copied = max(newest, journal.marks(connection)[1])

        self._open()
        await self._on_thread(copy)
        return copied

    async def close(self) -> None:
        """Let what is queued reach the disk, then close."""
        if self._closed:
            return
        self._closed = True
        self._expiries.close()
        await asyncio.gather(*(write.done for write in self._coming.values()), return_exceptions=True)
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._watchers.fail(contract.Closed("the store is closed"))
        await self._on_thread(sqlite3.Connection.close)
        self._thread.shutdown()


async def open_store(path: Path) -> SqliteStore:
    """Open or make the store in ``path``. Raises StoreError when another process has it or the file is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = journal.open_file(path)
        state, expiring, superseded = _load(connection)
        journal.remove(connection, superseded)
    except sqlite3.Error as error:
        raise contract.StoreError(f"{path}: {error}") from error
    return SqliteStore(connection, state, expiring)


def _load(connection: sqlite3.Connection) -> tuple[State, dict[str, tuple[int, float]], list[int]]:
    """The state that the journal says; keys that expire, with (revision, time); rows a crash left behind."""
    compacted, revision = journal.marks(connection)
    state = State()
    expiring: dict[str, tuple[int, float]] = {}
    superseded: list[int] = []
    for row in journal.rows(connection):
        current = state.entries.get(row.key)
        before = current.revision if current else 0
        state.apply(Event(row.key, row.revision, row.value, current.value if current else None, row.created, before))
        expiring.pop(row.key, None)
        if row.expires is not None:
            expiring[row.key] = (row.revision, row.expires)
        if row.revision <= compacted:
            state.log.clear()
            if before:
                superseded.append(before)
            if row.value is None:
                superseded.append(row.revision)
    state.revision = max(state.revision, revision)
    state.compacted = compacted
    return state, expiring, superseded
