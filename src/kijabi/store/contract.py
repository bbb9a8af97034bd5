"""The contract that every store keeps.

Keys are text, ordered by code point; values are bytes. An empty store is at revision 0 (one of etcd at 1). Every method
that reads gives the revision it read at. A write is acknowledged (its coroutine returns) only when it is durable, and
only then do watchers hear of it; events arrive in revision order, each exactly once, none left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol


class StoreError(Exception):
    """Any failure of a store."""


class Conflict(StoreError):
    """The key was not at the expected revision. ``current`` is what is there now (None: no such key)."""

    def __init__(self, key: str, current: Entry | None) -> None:
        super().__init__(f"{key} is at revision {current.revision if current else 0}")
        self.key = key
        self.current = current


class Compacted(StoreError):
    """The revision asked for is older than what is kept. ``revision`` is the oldest that can still be read."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"revisions up to {revision} are compacted")
        self.revision = revision


class Future(StoreError):
    """The revision asked for has not happened yet. ``revision`` is the current one."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"revision {revision} is the latest")
        self.revision = revision


class Closed(StoreError):
    """The store is closed, or was lost while a call was under way; whether a write took effect is unknown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key at one revision. ``created`` is the revision of the key's first write since it last did not exist."""

    key: str
    value: bytes
    revision: int
    created: int


@dataclass(frozen=True, slots=True)
class Event:
    """One write. ``value`` is None for a deletion; ``previous`` is what stood there before (None: a creation).

    ``created`` is the revision that first wrote the key, ``before`` the one that wrote ``previous`` (0: none did).
    """

    key: str
    revision: int
    value: bytes | None
    previous: bytes | None
    created: int
    before: int = 0


def mark(revision: int) -> Event:
    """What a watch with ``marks`` gives for a revision that wrote none of its keys."""
    return Event("", revision, None, None, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a range. ``more`` says that keys follow; ``remaining`` counts them where the store knows."""

    entries: list[Entry]
    revision: int
    more: bool
    remaining: int = 0


class Plain:
    """What is the same for every store that keeps values as they are given."""

    shared = False
    unreadable: Mapping[str, str] = MappingProxyType({})

    def is_stale(self, key: str) -> bool:
        return False


class Store(Protocol):
    # Whether other processes write here too: what a watch has brought may then be older than what is stored.
    shared: bool

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Keys whose values cannot be understood, with why (encrypted with a key that is not known here).

        They are left out of ranges and watches.
        """
        ...

    def is_stale(self, key: str) -> bool:
        """Whether the value, read before, would be stored otherwise today: a write that changes nothing is due."""
        ...

    async def get(self, key: str) -> Entry | None:
        """The key's current entry, durable writes only."""
        ...

    async def range(self, prefix: str, *, limit: int = 0, after: str = "", at: int = 0) -> Page:
        """Keys with ``prefix`` in order, from the first key above ``after``; as of revision ``at`` (0: now).

        Raises Compacted or Future where ``at`` cannot be read.
        """
        ...

    async def put(self, key: str, value: bytes, *, expect: int | None = None, ttl: float | None = None) -> int:
        """Write; gives the new revision. ``expect`` is the revision the key must be at (0: must not exist).

        ``ttl`` seconds later the key is deleted (an ordinary deletion that watchers see). Raises Conflict.
        """
        ...

    async def delete(self, key: str, *, expect: int | None = None) -> tuple[int, Entry | None]:
        """Delete; gives the new revision and what was there. A key that is not there: (0, None). Raises Conflict."""
        ...

    def watch(self, prefix: str, *, after: int, marks: bool = False) -> Watch:
        """Every event on keys with ``prefix`` whose revision is above ``after``, then all to come.

        With ``marks`` no revision is passed over in silence: one that wrote other keys is told of by ``mark``. Stores
        that are not shared, whose every revision is a write of their only user, need not.
        Raises at once: Compacted where events after ``after`` are no longer kept, Future where ``after`` is to come.
        Where only a server far away knows that they are not kept, the watch raises Compacted later.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget all but the newest entry of each key as of ``revision``, and events up to it."""
        ...

    async def revision(self) -> int:
        """The revision of the last durable write. For a store shared by several servers this asks the quorum."""
        ...

    async def backup(self, path: Path) -> int:
        """Write a consistent copy that can be opened again; gives its revision."""
        ...

    async def close(self) -> None: ...


class Watch:
    """The events of one watcher: iterate, then ``close``. ``take_nowait`` gives what is there in one batch.

    The producer side is ``push``. The store closes a watch with an error (``Closed``, ``Compacted``), which iteration
    raises; ``close`` by the consumer ends iteration quietly.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._ready = asyncio.Event()
        self._error: StoreError | None = None
        self.closed = False

    def push(self, events: list[Event]) -> None:
        self._events.extend(events)
        self._ready.set()

    def fail(self, error: StoreError) -> None:
        self._error = error
        self._ready.set()

    def close(self) -> None:
        self.closed = True
        self._ready.set()

    def unread(self, events: list[Event]) -> None:
        """Put back, in front, what was taken and could not be worked on yet."""
        self._events[:0] = events
        self._ready.set()

    def take_nowait(self) -> list[Event]:
        """All events that are there, perhaps none."""
        events, self._events = self._events, []
        return events

    async def batch(self) -> list[Event]:
        """All events that are there, waiting for at least one; empty when closed by the consumer."""
        while not self._events:
            if self.closed:
                return []
            if self._error is not None:
                raise self._error
            self._ready.clear()
            await self._ready.wait()
        events, self._events = self._events, []
        return events

    async def __aiter__(self) -> AsyncIterator[Event]:
        while events := await self.batch():
            for event in events:
                yield event
