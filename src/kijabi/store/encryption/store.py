"""The wrapper: values are sealed on their way in and opened on their way out; keys, revisions and events stay."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kijabi.store import contract
from kijabi.store.contract import Entry, Event, Page
from kijabi.store.encryption.ciphers import Unreadable
from kijabi.store.encryption.configuration import Configuration
from kijabi.store.encryption.providers import Providers

log = logging.getLogger(__name__)

# The (group, resource) of a key; None for what is no object.
ResourceOf = Callable[[str], tuple[str, str] | None]


class EncryptedStore:
    """Keeps the contract of the store inside."""

    def __init__(self, inner: contract.Store, configuration: Configuration, resource_of: ResourceOf) -> None:
        self.inner = inner
        self.shared = inner.shared
        self.unreadable: dict[str, str] = {}
        self.configuration = configuration
        self._resource_of = resource_of
        # Providers by the part of the key that says the resource.
        self._chosen: dict[tuple[str, str], Providers | None] = {}
        # What each value was encrypted with when it was last read or written, where that can change.
        self._marks: dict[str, bytes] = {}
        self._watches: list[_OpeningWatch] = []

    def use(self, configuration: Configuration) -> None:
        """Encrypt by another configuration from now on. What could not be read is tried again."""
        self.configuration = configuration
        self._chosen = {}
        self.retry()

    def retry(self) -> None:
        """Let readers begin anew where something could not be read: it may be readable now."""
        if self.unreadable:
            self.unreadable.clear()
            for watch in self._watches:
                watch.fail(contract.Compacted(0))
            self._watches = []

    def _providers(self, key: str) -> Providers | None:
        """None where nothing is configured: values are what they are."""
        resource = self._resource_of(key)
        if resource is None:
            return None
        if resource not in self._chosen:
            self._chosen[resource] = self.configuration.providers(*resource)
        return self._chosen[resource]

    def is_stale(self, key: str) -> bool:
        mark = self._marks.get(key)
        if mark is None:
            return False
        providers = self._providers(key)
        return providers is not None and mark != providers.mark()

    # --- opening

    def _note(self, key: str, mark: bytes) -> None:
        self.unreadable.pop(key, None)
        self._marks[key] = mark

    def _fail(self, key: str, why: Unreadable) -> None:
        if key not in self.unreadable:
            log.error("the value of %s cannot be read: %s", key, why)
        self.unreadable[key] = str(why)

    def open_nowait(self, key: str, value: bytes) -> bytes | None:
        """None where a plugin has to be asked. Raises Unreadable."""
        providers = self._providers(key)
        if providers is None:
            return value
        opened = providers.open_nowait(value, key.encode())
        if opened is None:
            return None
        self._note(key, opened.mark)
        return opened.value

    def peek(self, key: str, value: bytes | None) -> bytes | None:
        """An older value, for who wants to know what was; empty where it cannot be read at once."""
        providers = self._providers(key)
        if value is None or providers is None:
            return value
        try:
            opened = providers.open_nowait(value, key.encode())
        except Unreadable:
            return b""
        return opened.value if opened is not None else b""

    async def open(self, key: str, value: bytes) -> bytes:
        """Raises Unreadable."""
        found = self.open_nowait(key, value)
        if found is not None:
            return found
        providers = self._providers(key)
        assert providers is not None
        opened = await providers.open(value, key.encode())
        self._note(key, opened.mark)
        return opened.value

    async def _entry(self, entry: Entry | None) -> Entry | None:
        """Raises StoreError for what cannot be read: here somebody asked for this very value."""
        if entry is None:
            return None
        try:
            return replace(entry, value=await self.open(entry.key, entry.value))
        except Unreadable as error:
            self._fail(entry.key, error)
            raise contract.StoreError(f"Internal error occurred: {error}") from error

    # --- the contract

    async def get(self, key: str) -> Entry | None:
        return await self._entry(await self.inner.get(key))

    async def range(self, prefix: str, *, limit: int = 0, after: str = "", at: int = 0) -> Page:
        page = await self.inner.range(prefix, limit=limit, after=after, at=at)
        entries = []
        for entry in page.entries:
            try:
                entries.append(replace(entry, value=await self.open(entry.key, entry.value)))
            except Unreadable as error:
                self._fail(entry.key, error)
        return Page(entries, page.revision, page.more, page.remaining)

    async def put(self, key: str, value: bytes, *, expect: int | None = None, ttl: float | None = None) -> int:
        providers = self._providers(key)
        sealed = value
        if providers is not None:
            try:
                sealed, mark = providers.seal(value, key.encode()), providers.mark()
            except Unreadable as error:
                raise contract.StoreError(f"Internal error occurred: {error}") from error
        try:
            revision = await self.inner.put(key, sealed, expect=expect, ttl=ttl)
        except contract.Conflict as conflict:
            raise contract.Conflict(key, await self._entry(conflict.current)) from conflict
        if providers is not None:
            self._note(key, mark)
        return revision

    async def delete(self, key: str, *, expect: int | None = None) -> tuple[int, Entry | None]:
        try:
            revision, entry = await self.inner.delete(key, expect=expect)
        except contract.Conflict as conflict:
            raise contract.Conflict(key, await self._entry(conflict.current)) from conflict
        self._marks.pop(key, None)
        self.unreadable.pop(key, None)
        try:
            return revision, await self._entry(entry)
        except contract.StoreError:
            # It is gone, and what it was nobody can say.
            self.unreadable.pop(key, None)
            return revision, entry

    def watch(self, prefix: str, *, after: int, marks: bool = False) -> contract.Watch:
        watch = _OpeningWatch(self, self.inner.watch(prefix, after=after, marks=marks))
        self._watches = [there for there in self._watches if not there.closed]
        self._watches.append(watch)
        return watch

    async def compact(self, revision: int) -> None:
        await self.inner.compact(revision)

    async def revision(self) -> int:
        return await self.inner.revision()

    async def backup(self, path: Path) -> int:
        """As it lies: who has the copy needs the keys as well."""
        return await self.inner.backup(path)

    async def close(self) -> None:
        await self.inner.close()
        for plugin in self.configuration.plugins:
            await plugin.close()

    def forget(self, key: str) -> None:
        """A deletion was heard of."""
        self._marks.pop(key, None)
        self.unreadable.pop(key, None)

    def note_unreadable(self, key: str, why: Unreadable) -> None:
        self._fail(key, why)


class _OpeningWatch(contract.Watch):
    """A watch of the store inside, its events opened when they are taken."""

    def __init__(self, store: EncryptedStore, inner: contract.Watch) -> None:
        super().__init__()
        self._store = store
        self._inner = inner
        # Taken from inside, not yet opened: behind one that a plugin has to be asked about.
        self._sealed: list[Event] = []
        self._given_up: Event | None = None

    def close(self) -> None:
        super().close()
        self._inner.close()

    def fail(self, error: contract.StoreError) -> None:
        self._error = error
        self._inner.close()

    def take_nowait(self) -> list[Event]:
        if self._sealed:
            # ``batch`` is asking for the key of the first of these.
            return self._open_nowait()
        self._sealed = self._inner.take_nowait()
        opened = self._open_nowait()
        self._inner.unread(self._sealed)
        self._sealed = []
        return opened

    async def batch(self) -> list[Event]:
        while True:
            if not self._sealed:
                self._sealed = await self._inner.batch()
            if not self._sealed:
                if self._error is not None:
                    raise self._error
                return []
            events = self._open_nowait()
            if events:
                return events
            await self._ask()

    def _open_nowait(self) -> list[Event]:
        opened: list[Event] = []
        for place, event in enumerate(self._sealed):
            found = self._event(event)
            if found is None:
                self._sealed = self._sealed[place:]
                return opened
            opened.append(found)
        self._sealed = []
        return opened

    def _event(self, event: Event) -> Event | None:
        """None where a plugin has to be asked. What cannot be read is as good as deleted."""
        if not event.key:
            return event
        previous = self._store.peek(event.key, event.previous)
        if event.value is None:
            if event is not self._given_up:
                self._store.forget(event.key)
            return replace(event, previous=previous)
        try:
            value = self._store.open_nowait(event.key, event.value)
        except Unreadable as error:
            self._store.note_unreadable(event.key, error)
            return replace(event, value=None, previous=previous)
        return None if value is None else replace(event, value=value, previous=previous)

    async def _ask(self) -> None:
        """Have the key of the first sealed event fetched, so that it opens, or give it up."""
        event = self._sealed[0]
        assert event.value is not None
        try:
            await self._store.open(event.key, event.value)
        except Unreadable as error:
            self._store.note_unreadable(event.key, error)
            if self._sealed and self._sealed[0] is event:
                self._given_up = self._sealed[0] = replace(event, value=None)
