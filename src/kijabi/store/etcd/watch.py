"""Events as etcd sends them, made into the contract's, across broken connections.

A stream that says nothing for a while is asked for a sign of life (a progress request); one that stays silent is given
up, and the watch goes on at the next member, after the last revision it has seen. The *revision* in the answer to a
progress request is not believed: etcd before 3.4.25 and 3.5.8 sends it ahead of events it still owes. A watch with
``marks`` listens to the whole key space instead, so that every revision arrives, in order, as an event or as a mark.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from kijabi.kit import backoff
from kijabi.store import contract
from kijabi.store.etcd import endpoints, wire

log = logging.getLogger(__name__)

# Seconds of silence until a sign of life is asked for, and until the stream is given up.
QUIET = 3.0
LOST = 6.0
_PAUSE = backoff.Policy(base=0.05, ceiling=2.0, jitter=0.5)

# The whole key space: from the smallest key, without end.
_EVERYTHING = (b"\0", b"\0")


class EtcdWatch(contract.Watch):
    """``span`` is (first key, end) as etcd has them, None for the whole key space; ``key_of`` gives our name of a key,
    None for one that is not wanted, which then becomes a mark."""

    def __init__(
        self,
        members: endpoints.Endpoints,
        span: tuple[bytes, bytes] | None,
        key_of: Callable[[bytes], str | None],
        after: int,
    ) -> None:
        super().__init__()
        self._members = members
        self._span = span or _EVERYTHING
        self._key_of = key_of
        self._after = after
        self._heard = 0.0
        self._task = asyncio.get_running_loop().create_task(self._follow(), name="store/etcd-watch")

    def close(self) -> None:
        super().close()
        self._task.cancel()

    def fail(self, error: contract.StoreError) -> None:
        super().fail(error)
        self._task.cancel()

    async def _follow(self) -> None:
        failures = 0
        while not self.closed and not self._members.closed:
            index, before = self._members.current, self._after
            call = self._members.watch(index)
            guard = asyncio.get_running_loop().create_task(self._guard(call))
            try:
                if not await self._read(call):
                    return
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                log.info("the watch at etcd broke and goes on after revision %d: %s", self._after, _words(error))
            except asyncio.CancelledError:
                # Either this watch is over, or the guard gave the stream up.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                log.info("etcd is silent; the watch goes on elsewhere after revision %d", self._after)
            finally:
                guard.cancel()
                call.cancel()
            self._members.leave(index)
            failures = 1 if self._after > before else failures + 1
            await asyncio.sleep(_PAUSE.delay(failures))

    async def _read(self, call: Any) -> bool:
        """Whether to connect again."""
        key, end = self._span
        create = {"key": key, "range_end": end, "start_revision": self._after + 1, "prev_kv": True}
        self._heard = asyncio.get_running_loop().time()
        await call.write(wire.WatchRequest(create_request=create))
        while True:
            response = await call.read()
            if response is grpc.aio.EOF:
                return True
            self._heard = asyncio.get_running_loop().time()
            if response.compact_revision:
                super().fail(contract.Compacted(response.compact_revision))
                return False
            if response.canceled:
                log.info("etcd ended the watch: %s", response.cancel_reason)
                return True
            if response.events:
                self._take(response.events)

    def _take(self, received: Any) -> None:
        events = [self._event(one) for one in received]
        self._after = events[-1].revision
        self.push(events)

    def _event(self, received: Any) -> contract.Event:
        kv, before = received.kv, received.prev_kv
        key = self._key_of(kv.key)
        if key is None:
            return contract.mark(kv.mod_revision)
        previous = before.value if before.mod_revision else None
        if received.type == wire.DELETED:
            return contract.Event(key, kv.mod_revision, None, previous, before.create_revision, before.mod_revision)
        return contract.Event(key, kv.mod_revision, kv.value, previous, kv.create_revision, before.mod_revision)

    async def _guard(self, call: Any) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(QUIET / 2)
            silent = loop.time() - self._heard
            if silent > LOST:
                call.cancel()
                return
            if silent > QUIET:
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    # Not awaited for long: a member that reads nothing lets the write wait as well.
                    async with asyncio.timeout(LOST):
                        await call.write(wire.WatchRequest(progress_request={}))


def _words(error: Exception) -> str:
    return str(error.details()) if isinstance(error, grpc.aio.AioRpcError) else str(error)
