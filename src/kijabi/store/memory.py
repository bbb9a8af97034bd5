"""A store in this process's memory: for the in-process cluster, and what ``sqlite`` keeps in front of its file.

``State`` is the data structure and its rules, free of I/O and of waiting. It keeps the current entry of each key, the
sorted list of keys, and the log of events since the last compaction; an old revision is read by undoing the log's
events from the present backwards, so that nothing is paid for history nobody reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left, bisect_right, insort
from collections import deque
from itertools import islice
from pathlib import Path

from kijabi.store import contract, journal
from kijabi.store.contract import Entry, Event, Page, Watch


def after_prefix(prefix: str) -> str:
    """The smallest text above every text that begins with ``prefix``."""
    return prefix + chr(0x10FFFF) if prefix else chr(0x10FFFF) * 2


class State:
    """Keys, entries and the event log. Callers apply events in revision order."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.keys: list[str] = []
        self.log: deque[Event] = deque()
        self.revision = 0
        self.compacted = 0

    def apply(self, event: Event) -> None:
        """Take one write in."""
        if event.value is None:
            if self.entries.pop(event.key, None) is not None:
                del self.keys[bisect_left(self.keys, event.key)]
        else:
            if event.key not in self.entries:
                insort(self.keys, event.key)
            self.entries[event.key] = Entry(event.key, event.value, event.revision, event.created)
        self.log.append(event)
        self.revision = event.revision

    def check(self, key: str, expect: int | None) -> Entry | None:
        """The current entry, or Conflict when it is not at ``expect``."""
        current = self.entries.get(key)
        if expect is not None and expect != (current.revision if current else 0):
            raise contract.Conflict(key, current)
        return current

    def range(self, prefix: str, limit: int, after: str, at: int) -> Page:
        if at and at != self.revision:
            return self._range_at(prefix, limit, after, at)
        first = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after) if after else 0)
        last = bisect_left(self.keys, after_prefix(prefix))
        chosen = self.keys[first : min(first + limit, last) if limit else last]
        remaining = max(0, last - first - len(chosen))
        return Page([self.entries[key] for key in chosen], self.revision, remaining > 0, remaining)

    def _range_at(self, prefix: str, limit: int, after: str, at: int) -> Page:
        self.check_readable(at)
        entries = {key: self.entries[key] for key in self._keys_with(prefix)}
        for event in reversed(self.log):
            if event.revision <= at:
                break
            if not event.key.startswith(prefix):
                continue
            if event.previous is None:
                entries.pop(event.key, None)
            else:
                entries[event.key] = Entry(event.key, event.previous, event.before, event.created)
        found = [entry for key, entry in sorted(entries.items()) if key > after]
        chosen = found[:limit] if limit else found
        return Page(chosen, at, len(found) > len(chosen), len(found) - len(chosen))

    def _keys_with(self, prefix: str) -> list[str]:
        return self.keys[bisect_left(self.keys, prefix) : bisect_left(self.keys, after_prefix(prefix))]

    def check_readable(self, at: int) -> None:
        if at > self.revision:
            raise contract.Future(self.revision)
        if at < self.compacted:
            raise contract.Compacted(self.compacted)

    def since(self, prefix: str, after: int) -> list[Event]:
        """The kept events above revision ``after``."""
        self.check_readable(after)
        # Revisions in the log have no gaps, so the place of the first wanted event is known.
        skip = max(0, after - self.log[0].revision + 1) if self.log else 0
        return [event for event in islice(self.log, skip, None) if event.key.startswith(prefix)]

    def compact(self, revision: int) -> list[Event]:
        """Forget the events up to ``revision``; gives them, so that a file can forget them too."""
        self.check_readable(revision)
        forgotten = []
        while self.log and self.log[0].revision <= revision:
            forgotten.append(self.log.popleft())
        self.compacted = revision
        return forgotten

    def next_event(self, key: str, value: bytes | None, current: Entry | None, revision: int) -> Event:
        """The event that writes ``value`` over ``current`` (what ``check`` gave)."""
        if current is None:
            return Event(key, revision, value, None, revision)
        return Event(key, revision, value, current.value, current.created, current.revision)


class Watchers:
    """The open watches of one store, each with its prefix."""

    def __init__(self) -> None:
        self._open: list[tuple[str, Watch]] = []

    def add(self, prefix: str, watch: Watch) -> None:
        self._open = [(other, there) for other, there in self._open if not there.closed]
        self._open.append((prefix, watch))

    def publish(self, events: list[Event]) -> None:
        for prefix, watch in self._open:
            if watch.closed:
                continue
            wanted = [event for event in events if event.key.startswith(prefix)]
            if wanted:
                watch.push(wanted)

    def fail(self, error: contract.StoreError) -> None:
        for _, watch in self._open:
            watch.fail(error)
        self._open = []


class Expiries:
    """Deletes keys when their time to live is over. A key written again starts anew."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._deletions: set[asyncio.Task[object]] = set()

    def set(self, store: contract.Store, key: str, revision: int, ttl: float | None) -> None:
        self.clear(key)
        if ttl is not None:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(ttl, self._expire, store, key, revision)

    def clear(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _expire(self, store: contract.Store, key: str, revision: int) -> None:
        self._timers.pop(key, None)
        task = asyncio.get_running_loop().create_task(self._delete(store, key, revision))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)

    @staticmethod
    async def _delete(store: contract.Store, key: str, revision: int) -> None:
        try:
            await store.delete(key, expect=revision)
        except (contract.Conflict, contract.Closed):
            # Written again meanwhile (its own timer runs), or the store is closing.
            return

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._deletions:
            task.cancel()


class MemoryStore(contract.Plain):
    """Keeps the contract but for durability: what is written lives as long as the process."""

    def __init__(self) -> None:
        self._state = State()
        self._watchers = Watchers()
        self._expiries = Expiries()
        self._closed = False

    def _open(self) -> State:
        if self._closed:
            raise contract.Closed("the store is closed")
        return self._state

    async def get(self, key: str) -> Entry | None:
        return self._open().entries.get(key)

    async def range(self, prefix: str, *, limit: int = 0, after: str = "", at: int = 0) -> Page:
        return self._open().range(prefix, limit, after, at)

    async def put(self, key: str, value: bytes, *, expect: int | None = None, ttl: float | None = None) -> int:
        state = self._open()
        current = state.check(key, expect)
        revision = state.revision + 1
        self._commit(state.next_event(key, value, current, revision))
        self._expiries.set(self, key, revision, ttl)
        return revision

    async def delete(self, key: str, *, expect: int | None = None) -> tuple[int, Entry | None]:
        state = self._open()
        current = state.check(key, expect)
        if current is None:
            return 0, None
        revision = state.revision + 1
        self._expiries.clear(key)
        self._commit(state.next_event(key, None, current, revision))
        return revision, current

    def _commit(self, event: Event) -> None:
        self._state.apply(event)
        self._watchers.publish([event])

    def watch(self, prefix: str, *, after: int, marks: bool = False) -> Watch:
        watch = Watch()
        missed = self._open().since(prefix, after)
        if missed:
            watch.push(missed)
        self._watchers.add(prefix, watch)
        return watch

    async def compact(self, revision: int) -> None:
        self._open().compact(revision)

    async def revision(self) -> int:
        return self._open().revision

    async def backup(self, path: Path) -> int:
        state = self._open()
        with contextlib.closing(journal.open_file(path)) as connection:
            journal.append(connection, [journal.Row.of_entry(entry) for entry in state.entries.values()])
            journal.mark(connection, compacted=state.revision, revision=state.revision)
        return state.revision

    async def close(self) -> None:
        self._closed = True
        self._expiries.close()
        self._watchers.fail(contract.Closed("the store is closed"))
