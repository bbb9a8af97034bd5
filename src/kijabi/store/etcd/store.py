"""The contract on etcd's v3 API.

Expectations are compared with a key's ``mod_revision`` inside a transaction, so etcd decides conflicts. A write whose
first try was lost on the way is made again, and if that finds the key at exactly what was to be written (a new object's
uid makes it ours alone), the first try had succeeded. Reads are linearizable: they ask the quorum.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import grpc

from kijabi.store import contract, journal
from kijabi.store.contract import Entry, Page
from kijabi.store.etcd import endpoints, leases, wire
from kijabi.store.etcd.watch import EtcdWatch

# Keys fetched by one call: a range without limit is read in such pieces of one revision.
CHUNK = 5000

_STRIPPED = "/registry"


class EtcdStore(contract.Plain):
    """Open it with ``open_store`` and from one event loop."""

    shared = True

    def __init__(self, members: endpoints.Endpoints, prefix: str = _STRIPPED) -> None:
        self._members = members
        self._leases = leases.Leases(members)
        self._prefix = prefix
        self._watches: list[EtcdWatch] = []
        # The newest revision any answer has told of, and the newest compaction known here.
        self._seen = 0
        self._compacted = 0

    # --- keys

    def _outer(self, key: str) -> bytes:
        """The key as it is in etcd. Keys that are not below ``/registry`` are the same in both."""
        return (self._prefix + key.removeprefix(_STRIPPED) if key.startswith(_STRIPPED) else key).encode()

    def _inner(self, key: bytes) -> str:
        text = key.decode()
        return _STRIPPED + text[len(self._prefix) :] if text.startswith(self._prefix) else text

    def _entry(self, kv: Any) -> Entry:
        return Entry(self._inner(kv.key), kv.value, kv.mod_revision, kv.create_revision)

    def _see(self, header: Any) -> int:
        revision: int = header.revision
        self._seen = max(self._seen, revision)
        return revision

    # --- reads

    async def get(self, key: str) -> Entry | None:
        answer, _ = await self._members.call(wire.RANGE, wire.RangeRequest(key=self._outer(key)))
        self._see(answer.header)
        return self._entry(answer.kvs[0]) if answer.kvs else None

    async def range(self, prefix: str, *, limit: int = 0, after: str = "", at: int = 0) -> Page:
        first, end = _span(self._outer(prefix))
        if after:
            first = max(first, self._outer(after) + b"\0")
        page = await self._page(first, end, limit or CHUNK, at)
        entries, revision = page.entries, page.revision
        while page.more and not limit:
            page = await self._page(self._outer(entries[-1].key) + b"\0", end, CHUNK, revision)
            entries += page.entries
        return Page(entries, revision, page.more, page.remaining)

    async def _page(self, first: bytes, end: bytes, limit: int, at: int) -> Page:
        request = wire.RangeRequest(key=first, range_end=end, limit=limit, revision=at)
        try:
            answer, _ = await self._members.call(wire.RANGE, request)
        except endpoints.Refused as error:
            raise self._unreadable(error, at) from error
        now = self._see(answer.header)
        entries = [self._entry(kv) for kv in answer.kvs]
        return Page(entries, at or now, answer.more, answer.count - len(entries))

    def _unreadable(self, error: endpoints.Refused, at: int) -> contract.StoreError:
        if error.code is grpc.StatusCode.OUT_OF_RANGE:
            if "compacted" in str(error):
                self._compacted = max(self._compacted, at + 1)
                return contract.Compacted(self._compacted)
            return contract.Future(self._seen)
        return error

    async def revision(self) -> int:
        answer, _ = await self._members.call(wire.RANGE, wire.RangeRequest(key=b"\0", count_only=True))
        return self._see(answer.header)

    # --- writes

    async def put(self, key: str, value: bytes, *, expect: int | None = None, ttl: float | None = None) -> int:
        if ttl is None:
            return await self._put(key, value, expect, 0)
        try:
            return await self._put(key, value, expect, await self._leases.lease(ttl))
        except endpoints.Refused as error:
            if "lease not found" not in str(error):
                raise
            self._leases.forget(ttl)
            return await self._put(key, value, expect, await self._leases.lease(ttl))

    async def _put(self, key: str, value: bytes, expect: int | None, lease: int) -> int:
        outer = self._outer(key)
        request = wire.PutRequest(key=outer, value=value, lease=lease)
        if expect is None:
            answer, _ = await self._members.call(wire.PUT, request)
            return self._see(answer.header)
        answer, repeated = await self._transact(outer, expect, {"request_put": request})
        if answer.succeeded:
            return self._see(answer.header)
        there = self._there(answer)
        if repeated and there is not None and there.value == value and there.revision > expect:
            return there.revision
        raise contract.Conflict(key, there)

    async def delete(self, key: str, *, expect: int | None = None) -> tuple[int, Entry | None]:
        outer = self._outer(key)
        request = wire.DeleteRangeRequest(key=outer, prev_kv=True)
        if expect is None:
            answer, _ = await self._members.call(wire.DELETE, request)
            revision = self._see(answer.header)
        else:
            outcome, repeated = await self._transact(outer, expect, {"request_delete_range": request})
            revision = self._see(outcome.header)
            if not outcome.succeeded:
                there = self._there(outcome)
                if repeated and there is None:
                    # Gone between two tries of ours. Whose deletion it was makes no difference to anybody.
                    return revision, None
                raise contract.Conflict(key, there)
            answer = outcome.responses[0].response_delete_range
        if not answer.deleted:
            return 0, None
        return revision, self._entry(answer.prev_kvs[0])

    async def _transact(self, key: bytes, expect: int, operation: dict[str, Any]) -> tuple[Any, bool]:
        compare = {"target": wire.BY_MOD_REVISION, "key": key, "mod_revision": expect}
        request = wire.TxnRequest(compare=[compare], success=[operation], failure=[{"request_range": {"key": key}}])
        return await self._members.call(wire.TXN, request)

    def _there(self, answer: Any) -> Entry | None:
        self._see(answer.header)
        found = answer.responses[0].response_range.kvs
        return self._entry(found[0]) if found else None

    # --- the rest

    def watch(self, prefix: str, *, after: int, marks: bool = False) -> EtcdWatch:
        """What only etcd can know, that events after ``after`` are compacted, is raised by the watch when it hears."""
        if self._members.closed:
            raise contract.Closed("the store is closed")
        if after > self._seen:
            raise contract.Future(self._seen)
        if after < self._compacted:
            raise contract.Compacted(self._compacted)

        def key_of(outer: bytes) -> str | None:
            inner = self._inner(outer)
            return inner if inner.startswith(prefix) else None

        watch = EtcdWatch(self._members, None if marks else _span(self._outer(prefix)), key_of, after)
        self._watches = [there for there in self._watches if not there.closed]
        self._watches.append(watch)
        return watch

    async def compact(self, revision: int) -> None:
        try:
            await self._members.call(wire.COMPACT, wire.CompactionRequest(revision=revision))
        except endpoints.Refused as error:
            problem = self._unreadable(error, revision - 1)
            # That another server has compacted further is as good.
            if not isinstance(problem, contract.Compacted):
                raise problem from error
        self._compacted = max(self._compacted, revision)

    async def backup(self, path: Path) -> int:
        page = await self.range("")
        with contextlib.closing(journal.open_file(path)) as connection:
            for start in range(0, len(page.entries), CHUNK):
                journal.append(
                    connection, [journal.Row.of_entry(entry) for entry in page.entries[start : start + CHUNK]]
                )
            journal.mark(connection, compacted=page.revision, revision=page.revision)
        return page.revision

    async def close(self) -> None:
        for watch in self._watches:
            watch.fail(contract.Closed("the store is closed"))
        self._watches = []
        await self._members.close()


def _span(prefix: bytes) -> tuple[bytes, bytes]:
    """First key and end of all keys with ``prefix``."""
    if not prefix:
        return b"\0", b"\0"
    # Keys are UTF-8, so the last byte is never 0xff and can be counted up.
    return prefix, prefix[:-1] + bytes([prefix[-1] + 1])


async def open_store(config: endpoints.Config) -> EtcdStore:
    """Raises ValueError or OSError for a configuration that makes no sense, Closed when no member answers."""
    store = EtcdStore(endpoints.Endpoints(config), config.prefix.rstrip("/"))
    try:
        await store.revision()
    except BaseException:
        await store.close()
        raise
    return store
