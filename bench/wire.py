"""A client that costs as little as possible: raw HTTP/1.1 over TLS, bytes in and bytes out.

The load shares the machine with the server it measures, so what the client spends is taken from the figure. Each
connection has one request under way; what it sends is made before the clock starts or by joining bytes, and an answer
is read only as far as finding its end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from kijabi.client import kubeconfig

_END = b"\r\n\r\n"


class Caller(asyncio.Protocol):
    """One connection, one request at a time. ``status`` and ``size`` are of the last answer."""

    def __init__(self, headers: bytes) -> None:
        self._headers = headers
        self._parts: list[bytes] = []
        self._held = 0
        self._wanted = 0
        self._next: Callable[[], bytes | None] | None = None
        self._finished: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.status = 0
        self.done = 0
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are of no class of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def message(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\n".encode() + self._headers
        if not body:
            return head + b"\r\n"
        return head + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind.encode(), len(body), body)

    async def drive(self, following: Callable[[], bytes | None]) -> None:
        """Send what ``following`` gives, one after another, until it gives None."""
        self._next = following
        self._finished = asyncio.get_running_loop().create_future()
        self._send()
        await self._finished

    async def ask(self, message: bytes) -> int:
        """One exchange; gives the status."""
        turns = iter([message])
        await self.drive(lambda: next(turns, None))
        return self.status

    def _send(self) -> None:
        assert self._next is not None
        assert self._transport is not None
        message = self._next()
        if message is not None:
            self._transport.write(message)
        elif self._finished is not None:
            self._finished.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if not self._wanted and not self._read_head():
            return
        # What was read is not kept: memory that is touched for the first time costs more than decrypting.
        del self._parts[:-2]
        if self._wanted > 0:
            whole = self._held >= self._wanted
        else:
            whole = b"".join(self._parts[-2:]).endswith(b"\r\n0\r\n\r\n")
        if whole:
            self.size, self._parts, self._held, self._wanted = self._held, [], 0, 0
            self.done += 1
            self._send()

    def _read_head(self) -> bool:
        """Find where the answer ends: its length, or -1 for one that comes in chunks."""
        held = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        end = held.find(_END)
        if end < 0:
            return False
        head = held[:end].lower()
        self.status = int(head[9:12])
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            self._wanted = -1
        else:
            self._wanted = end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Listener(asyncio.Protocol):
    """A watch: counts the lines that come."""

    def __init__(self, message: bytes, wanted: int) -> None:
        self._message = message
        self._wanted = wanted
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.finished: asyncio.Future[None] = loop.create_future()
        self.lines = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are of no class of asyncio's
        transport.write(self._message)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
            data = data.partition(_END)[2]
        # Every event is one line, and the chunks around it end in CRLF: what ends a line of JSON is "}\n".
        self.lines += data.count(b"}\n")
        if self.lines >= self._wanted and not self.finished.done():
            self.finished.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Server:
    """Where a kubeconfig leads, and with which credentials."""

    def __init__(self, path: str) -> None:
        self._wire = kubeconfig.load(path)
        parts = urlsplit(self._wire.server)
        self.host, self.port = parts.hostname or "", parts.port or 443
        self._tls: ssl.SSLContext | None = self._wire._tls
        lines = [f"Host: {parts.netloc}", "Accept: application/json", "User-Agent: load"]
        if self._wire._token is not None:
            lines.append(f"Authorization: Bearer {self._wire._token()}")
        self.headers = "".join(f"{line}\r\n" for line in lines).encode()

    async def connect(self) -> Caller:
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(
            lambda: Caller(self.headers), self.host, self.port, ssl=self._tls, server_hostname=self.host
        )
        return caller

    async def listen(self, path: str, wanted: int) -> Listener:
        """Open a watch; returns when the answer has begun."""
        message = f"GET {path} HTTP/1.1\r\n".encode() + self.headers + b"\r\n"
        loop = asyncio.get_running_loop()
        _, listener = await loop.create_connection(
            lambda: Listener(message, wanted), self.host, self.port, ssl=self._tls, server_hostname=self.host
        )
        await listener.ready
        return listener
