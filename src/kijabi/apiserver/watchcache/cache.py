"""One resource's objects, recent changes and watchers.

Everything here happens between two awaits of one event loop, so there are no locks: a list is a consistent snapshot,
and a watch that starts sees exactly the changes after the snapshot it started from.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable

import orjson

from kijabi.api import resource
from kijabi.apiserver.watchcache import entry
from kijabi.apiserver.watchcache.entry import Change, Entry, Facts
from kijabi.apiserver.watchcache.watcher import Watcher
from kijabi.store import contract

RING = 4096

Subscriber = Callable[[Entry | None, Entry | None], None]


class TooOld(Exception):
    """The revision is older than the ring of changes. ``oldest`` can still be watched from."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"oldest is {oldest}")
        self.oldest = oldest


class Cache:
    """``prefix`` is the store's prefix of the resource, with its slash: ``/registry/pods/``."""

    def __init__(self, prefix: str, strategy: resource.Strategy, ring: int = RING) -> None:
        self.prefix = prefix
        self.namespaced = strategy.resource.namespaced
        self.entries: dict[str, Entry] = {}
        self.keys: list[str] = []
        # Every change after this revision is in the ring; a watch may start here.
        self.oldest = 0
        # The revision of the last change of this resource: an exact read at or after it is a read of now.
        self.changed = 0
        # Events up to this revision are in what was loaded, or are held back while it is being read.
        self.loaded = 0.0
        self._held: list[contract.Event] | None = None
        self.reader = strategy
        self._ring: deque[Change] = deque()
        self._ring_size = ring
        self._watchers: dict[tuple[str, str], dict[Watcher, None]] = {}
        self._fields: tuple[str, ...] = ()
        self._subscribers: list[Subscriber] = []

    # --- the store's side

    def hold(self) -> None:
        """Keep events for the ``load`` to come: of a cache that joins a feed that runs."""
        self._held = []
        self.loaded = math.inf

    @property
    def is_held(self) -> bool:
        return self._held is not None

    def load(self, entries: Iterable[contract.Entry], revision: int) -> None:
        """Start from a snapshot at ``revision``. Watchers of the time before are cut off."""
        self.close_watchers()
        before = self.entries
        self.entries = {}
        for item in entries:
            self.entries[item.key] = self.entry_of(item.key, item.value, item.revision)
        self.keys = sorted(self.entries)
        self._ring.clear()
        self.oldest = revision
        self.changed = revision
        self.loaded = revision
        for key in before.keys() | self.entries.keys():
            old, new = before.get(key), self.entries.get(key)
            if old is None or new is None or old.revision != new.revision:
                self._tell(old, new)
        held, self._held = self._held or [], None
        for event in held:
            self.apply(event)

    def reread(self, strategy: resource.Strategy) -> None:
        """Read what selectors ask by the rules of ``strategy`` from now on. Watchers of the time before are cut off."""
        self.close_watchers()
        self.reader = strategy
        for item in self.entries.values():
            item.forget_facts()
        for change in self._ring:
            for kept in (change.current, change.previous):
                if kept is not None:
                    kept.forget_facts()

    def entry_of(self, key: str, value: bytes, revision: int) -> Entry:
        """An entry out of the store's pieces; it is not put into the cache."""
        rest = key[len(self.prefix) :]
        namespace, _, name = rest.rpartition("/")
        return Entry(key, namespace, name, value, revision)

    def apply(self, event: contract.Event) -> None:
        """Take one event in and offer it to the watchers it may concern."""
        if event.revision <= self.loaded:
            if self._held is not None:
                self._held.append(event)
            return
        key = event.key
        previous = self.entries.get(key)
        if event.value is None:
            if previous is None:
                return
            del self.entries[key]
            del self.keys[bisect_left(self.keys, key)]
            current = None
        else:
            current = self.entry_of(key, event.value, event.revision)
            self.entries[key] = current
            if previous is None:
                insort(self.keys, key)
        change = Change(event.revision, current, previous)
        self._remember(change)
        self._tell(previous, current)
        if self._watchers:
            self._offer(change)

    def _remember(self, change: Change) -> None:
        self.changed = change.revision
        self._ring.append(change)
        if len(self._ring) > self._ring_size:
            self.oldest = self._ring.popleft().revision

    def _offer(self, change: Change) -> None:
        watchers = self._watchers
        for trigger in self._triggers(change):
            found = watchers.get(trigger)
            if found:
                for watcher in list(found):
                    watcher.offer(change)

    def _triggers(self, change: Change) -> Iterable[tuple[str, str]]:
        if not self._fields:
            return (("", ""),)
        triggers = {("", ""): None}
        for item in (change.current, change.previous):
            if item is not None:
                fields = item.facts(self.read).fields
                for name in self._fields:
                    triggers[name, fields.get(name, "")] = None
        return triggers

    def _tell(self, old: Entry | None, new: Entry | None) -> None:
        for subscriber in self._subscribers:
            subscriber(old, new)

    # --- the readers' side

    def read(self, value: bytes) -> Facts:
        return entry.read_facts(self.reader, orjson.loads(value))

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if namespace else self.prefix + name

    def get(self, namespace: str, name: str) -> Entry | None:
        return self.entries.get(f"{self.prefix}{namespace}/{name}" if namespace else self.prefix + name)

    def select(self, namespace: str = "", after: str = "") -> list[Entry]:
        """Entries in key order: of a namespace or of all, from the first key at or above ``after``."""
        keys = self.keys
        prefix = f"{self.prefix}{namespace}/" if namespace else self.prefix
        first = bisect_left(keys, max(prefix, after)) if namespace or after else 0
        last = bisect_left(keys, prefix + chr(0x10FFFF)) if namespace else len(keys)
        entries = self.entries
        return [entries[key] for key in (keys[first:last] if first or last < len(keys) else keys)]

    def as_of(self, revision: int) -> list[Entry]:
        """What was there at a revision that a watch may start from."""
        found = {key: item for key, item in self.entries.items() if item.revision <= revision}
        for change in self._ring:
            before = change.previous
            if change.revision > revision and before is not None and before.revision <= revision:
                found.setdefault(before.key, before)
        return list(found.values())

    def subscribe(self, subscriber: Subscriber) -> None:
        """Called with (old, new) for what is there and for every change, before watchers hear of it."""
        for item in self.entries.values():
            subscriber(None, item)
        self._subscribers.append(subscriber)

    def watch(self, watcher: Watcher) -> None:
        """Let the watcher have every change after its revision. Raises TooOld."""
        if watcher.revision < self.oldest:
            raise TooOld(self.oldest)
        missed: list[Change] = []
        for change in reversed(self._ring):
            if change.revision <= watcher.revision:
                break
            missed.append(change)
        for change in reversed(missed):
            watcher.offer(change)
        trigger = watcher.interest.trigger
        self._watchers.setdefault(trigger, {})[watcher] = None
        self._count_fields()

    def unwatch(self, watcher: Watcher) -> None:
        watcher.close()
        trigger = watcher.interest.trigger
        group = self._watchers.get(trigger)
        if group is not None:
            group.pop(watcher, None)
            if not group:
                del self._watchers[trigger]
                self._count_fields()

    def _count_fields(self) -> None:
        self._fields = tuple({field for field, _ in self._watchers if field})

    def watchers(self) -> list[Watcher]:
        return [watcher for group in self._watchers.values() for watcher in group]

    def close_watchers(self) -> None:
        for watcher in self.watchers():
            watcher.close()
        self._watchers.clear()
        self._fields = ()
