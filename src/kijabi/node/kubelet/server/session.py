"""A SPDY/3.1 session with the runtime's streaming server, seen from the client's side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from kijabi.node.kubelet.server import spdy, upgrade

_BLOCK = 65536
_QUEUED = 16


@dataclass(slots=True)
class Stream:
    """One stream. ``read`` gives what the peer sends until it ends its half."""

    id: int
    _session: Session
    _incoming: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(_QUEUED))
    replied: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    async def read(self) -> AsyncIterator[bytes]:
        while True:
            data = await self._incoming.get()
            if data is None:
                return
            yield data

    async def write(self, data: bytes, fin: bool = False) -> None:
        await self._session.send(spdy.Data(self.id, data, fin))

    async def close(self) -> None:
        """End our half."""
        await self.write(b"", fin=True)

    async def reset(self) -> None:
        await self._session.send(spdy.Reset(self.id, 5))

    async def received(self, data: bytes | None) -> None:
        if data is None:
            if self.ended:
                return
            self.ended = True
        # A reader that lags holds up the whole session: nothing is lost and memory is bounded.
        await self._incoming.put(data)


class Session:
    """``run`` reads frames until the connection ends, and must be running for streams to work."""

    def __init__(self, connection: upgrade.Upgraded) -> None:
        self._connection = connection
        self._encoder = spdy.Encoder()
        self._decoder = spdy.Decoder()
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._sending = asyncio.Lock()

    async def open(self, headers: Mapping[str, str]) -> Stream:
        """A new stream, once the server has acknowledged it (it refuses what comes out of order)."""
        stream = Stream(self._next, self)
        self._next += 2
        self._streams[stream.id] = stream
        await self.send(spdy.SynStream(stream.id, headers))
        await stream.replied.wait()
        return stream

    async def send(self, frame: spdy.Frame) -> None:
        async with self._sending:
            self._connection.writer.write(self._encoder.encode(frame))
            await self._connection.writer.drain()

    async def run(self) -> None:
        try:
            while True:
                block = await self._connection.reader.read(_BLOCK)
                if not block:
                    return
                for frame in self._decoder.feed(block):
                    await self._handle(frame)
        except (ConnectionError, spdy.Malformed):
            return
        finally:
            for stream in self._streams.values():
                stream.replied.set()
                await stream.received(None)

    async def _handle(self, frame: spdy.Frame) -> None:
        if isinstance(frame, spdy.Ping):
            # Odd ids are ours; the server's are answered with the same.
            if frame.id % 2 == 0:
                await self.send(frame)
            return
        stream = self._streams.get(getattr(frame, "stream", 0))
        if stream is None:
            return
        if isinstance(frame, spdy.SynReply):
            stream.replied.set()
        elif isinstance(frame, spdy.Data):
            if frame.payload:
                await stream.received(frame.payload)
            if frame.fin:
                await stream.received(None)
        elif isinstance(frame, spdy.Reset):
            stream.replied.set()
            await stream.received(None)

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            await self.send(spdy.GoAway(0))
        await self._connection.close()
