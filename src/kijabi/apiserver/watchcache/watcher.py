"""One open watch: which changes it wants, and the lines that wait for its client.

The cache pushes, a connection pulls. A watcher never makes the cache wait: when more than ``LIMIT`` lines are waiting
the client has stopped reading, and it is cut off (it will list and watch again, as clients do).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from kijabi.apiserver.watchcache import entry
from kijabi.apiserver.watchcache.entry import ADDED, DELETED, MODIFIED, Change, Encoder, Entry, Facts

LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Interest:
    """What is watched or listed. ``matches`` is None where no label or field is asked about.

    ``trigger`` narrows the watchers a change must be offered to: ``("", "")`` for all, or a field and the one value it
    must have. It never decides alone; ``matches`` does.
    """

    namespace: str = ""
    matches: Callable[[Facts], bool] | None = None
    trigger: tuple[str, str] = ("", "")
    # Asked of the stored value where a version has selectable fields that the stored one does not.
    also: Callable[[bytes], bool] | None = None

    def wants(self, item: Entry | None, read: Callable[[bytes], Facts]) -> bool:
        if item is None or (self.namespace and item.namespace != self.namespace):
            return False
        return self.is_chosen(item, read)

    def is_chosen(self, item: Entry, read: Callable[[bytes], Facts]) -> bool:
        """The same for an entry that is known to be of the namespace."""
        if self.matches is not None and not self.matches(item.facts(read)):
            return False
        return self.also is None or self.also(item.value)

    @property
    def is_selective(self) -> bool:
        return self.matches is not None or self.also is not None


EVERYTHING = Interest()


class Watcher:
    def __init__(self, interest: Interest, encode: Encoder, read: Callable[[bytes], Facts], after: int) -> None:
        self.interest = interest
        self.encode = encode
        self.revision = after
        # Set by whoever serves this watch: when to send the next bookmark and when to end (clock's monotonic seconds).
        self.bookmark_at = 0.0
        self.ends_at = 0.0
        self.closed = False
        self._read = read
        self._lines: list[bytes] = []
        self._ready: asyncio.Future[None] | None = None

    def offer(self, change: Change) -> None:
        """Queue the change where it concerns this watch, as seen through its selector."""
        if change.revision <= self.revision or self.closed:
            return
        kind = self._kind(change)
        if kind:
            if len(self._lines) >= LIMIT:
                self.close()
                return
            self._lines.append(change.line(kind, self.encode))
            self._wake()

    def _kind(self, change: Change) -> str:
        interest = self.interest
        if not interest.namespace and not interest.is_selective:
            return ADDED if change.previous is None else DELETED if change.current is None else MODIFIED
        is_wanted = interest.wants(change.current, self._read)
        was_wanted = interest.wants(change.previous, self._read)
        if is_wanted:
            return MODIFIED if was_wanted else ADDED
        return DELETED if was_wanted else ""

    def push_nowait(self, line: bytes) -> None:
        """Queue a line of the server's own (a bookmark, an error)."""
        self._lines.append(line)
        self._wake()

    def start_with(self, items: list[Entry]) -> None:
        """Queue what is there already as additions."""
        encode = self.encode
        self._lines.extend(entry.event_line(ADDED, encode(item.value, item.revision)) for item in items)
        self._wake()

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    @property
    def waiting(self) -> int:
        return len(self._lines)

    async def take(self) -> list[bytes]:
        """The lines that wait, at least one; empty when the watch is over."""
        while not self._lines:
            if self.closed:
                return []
            self._ready = asyncio.get_running_loop().create_future()
            await self._ready
            self._ready = None
        lines, self._lines = self._lines, []
        return lines
