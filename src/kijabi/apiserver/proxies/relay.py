"""Requests handed on to another server: answered ones as a stream, upgraded ones byte for byte in both directions.

An upgrade (WebSocket, SPDY/3.1) is not understood here, only carried: the request's head is written to the backend as
it came, and when the backend answers 101 both connections are joined until either ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from kijabi.api import errors
from kijabi.apiserver.authn import bearer
from kijabi.kit import http

log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
# Of the head of an answer, and of an error's body.
_LIMIT = 256 * 1024
_DIAL_SECONDS = 30.0

# What concerns one connection alone (RFC 9110 7.6.1), and what says who the caller is to this server and to no other.
_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_OURS = frozenset(("authorization", "host", "content-length"))


@dataclass(frozen=True, slots=True)
class Backend:
    """``tls`` None is plain HTTP. ``path`` has its query and is encoded. ``name`` is what the certificate must be for,
    where that is not the host."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None = None
    name: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    @property
    def dial_port(self) -> int:
        return self.port or (443 if self.tls else 80)


def is_upgrade(request: http.Request) -> bool:
    named = ",".join(request.headers.getall("Connection", ()))
    tokens = [one.strip().lower() for one in named.split(",")]
    return "upgrade" in tokens and bool(request.headers.get("Upgrade"))


def onward_headers(
    request: http.Request, *, upgrade: bool = False, named: CIMultiDict[str] | None = None
) -> CIMultiDict[str]:
    """The caller's headers as another server may see them; ``named`` tells it who the caller is."""
    onward: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in _OURS or lower.startswith(("impersonate-", "x-remote-")):
            continue
        if lower in _HOP and not (upgrade and lower in ("connection", "upgrade")):
            continue
        if lower == "sec-websocket-protocol":
            value = bearer.without_token(value)
            if not value:
                continue
        onward.add(name, value)
    if request.remote:
        before = onward.get("X-Forwarded-For")
        onward["X-Forwarded-For"] = f"{before}, {request.remote}" if before else request.remote
    if named is not None:
        onward.extend(named)
    return onward


class Relay:
    """Owns the connections for plain requests; ``close`` at the end."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Made late: a session belongs to the loop that is running.
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_DIAL_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def send(
        self, method: str, backend: Backend, headers: CIMultiDict[str], body: bytes
    ) -> aiohttp.ClientResponse:
        """The backend's answer, its body not yet read; to be closed by the caller. Raises aiohttp's errors."""
        return await self._open().request(
            method,
            URL(backend.url, encoded=True),
            headers=headers,
            data=body or None,
            # False: the context is for TLS alone; plain HTTP needs none.
            ssl=backend.tls if backend.tls is not None else False,
            server_hostname=(backend.name or None) if backend.tls is not None else None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    async def pass_on(
        self, request: http.Request, backend: Backend, named: CIMultiDict[str] | None = None
    ) -> http.Response:
        """The whole exchange. Raises ServiceUnavailable where the backend cannot be reached."""
        try:
            answer = await self.send(request.method, backend, onward_headers(request, named=named), request.body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise errors.ServiceUnavailable(f"error trying to reach service: {reason(backend, error)}") from error
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        headers.pop("Content-Length", None)
        if request.method == "HEAD" or answer.status in (204, 304):
            answer.close()
            return http.Response(answer.status, b"", headers)
        return http.Response(answer.status, chunks(answer), headers)

    async def upgrade(
        self, request: http.Request, backend: Backend, named: CIMultiDict[str] | None = None
    ) -> http.Response:
        """Carry an upgrade to the backend. What it answers instead of 101 is passed on."""
        reader, writer = await dial(backend)
        try:
            writer.write(_head(request, backend, named))
            head = await _read_head(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise backend_error(f"error dialing backend: {error or type(error).__name__}") from error
        except BaseException:
            writer.close()
            raise
        status = _status(head)
        if status != 101:
            return await _refusal(head, status, reader, writer)

        async def takeover(wire: Any) -> None:
            await _join(wire, head, reader, writer)

        return http.Response(101, takeover=takeover)


async def chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body of an answer as it comes. A backend that breaks off ends it: the head is long sent."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.info("a backend broke off: %s", error or type(error).__name__)
    finally:
        answer.close()


def backend_error(message: str) -> errors.ApiError:
    """500 without a reason, as upstream reports an error that is no Status."""
    error = errors.ApiError(message)
    error.reason = ""
    return error


def reason(backend: Backend, error: BaseException) -> str:
    """A failed dial in Go's words where it is of the usual kinds."""
    where = f"dial tcp {backend.host}:{backend.dial_port}"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return f"{where}: connect: connection refused"
    if isinstance(error, TimeoutError):
        return f"{where}: i/o timeout"
    return str(error) or type(error).__name__


async def dial(backend: Backend) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises ApiError ``error dialing backend: …``."""
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            name = (backend.name or backend.host) if backend.tls is not None else None
            return await asyncio.open_connection(
                backend.host, backend.dial_port, ssl=backend.tls, server_hostname=name, limit=_LIMIT
            )
    except (OSError, TimeoutError) as error:
        raise backend_error(f"error dialing backend: {reason(backend, error)}") from error


def _head(request: http.Request, backend: Backend, named: CIMultiDict[str] | None) -> bytes:
    lines = [f"{request.method} {backend.path} HTTP/1.1", f"Host: {backend.authority}"]
    lines += [f"{name}: {value}" for name, value in onward_headers(request, upgrade=True, named=named).items()]
    if request.method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(request.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + request.body


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(_DIAL_SECONDS):
        return await reader.readuntil(b"\r\n\r\n")


def _status(head: bytes) -> int:
    parts = head.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1][:3].isdigit() else 502


async def _refusal(
    head: bytes, status: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> http.Response:
    """An answer that is no upgrade, read as far as an error message can be long."""
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon and name.decode("latin-1").lower() not in (*_HOP, "content-length"):
            headers[name.decode("latin-1")] = value.strip().decode("latin-1")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = b""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
        async with asyncio.timeout(5.0):
            if lengths:
                body = await reader.readexactly(min(int(lengths[0]), _LIMIT))
            elif b"transfer-encoding: chunked" in head.lower():
                body = await _read_chunked(reader)
            else:
                body = await reader.read(_LIMIT)
    writer.close()
    return http.Response(status, body, headers)


async def _read_chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < _LIMIT:
        size = int((await reader.readline()).split(b";")[0], 16)
        if not size:
            break
        body += await reader.readexactly(size)
        await reader.readline()
    return body


async def _join(wire: Any, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Join a client's connection, taken out of aiohttp's hands, with the backend's until either ends."""
    transport, original = wire.transport, wire.protocol
    if transport is None:
        writer.close()
        return
    loop = asyncio.get_running_loop()
    client = asyncio.StreamReader(limit=_CHUNK, loop=loop)
    protocol = asyncio.StreamReaderProtocol(client, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    # aiohttp stops reading while a handler runs.
    with contextlib.suppress(RuntimeError):
        transport.resume_reading()
    early = getattr(original, "_message_tail", b"")
    if early:
        client.feed_data(early)
    back = asyncio.StreamWriter(transport, protocol, client, loop)
    back.write(head)
    try:
        await _both((client, writer), (reader, back))
    finally:
        writer.close()
        # Aiohttp closes the connection and clears up after it, as for any other.
        if transport.is_closing():
            original.connection_lost(None)
        else:
            transport.set_protocol(original)


async def _both(*pairs: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Copy in both directions until one has ended and what it had was written."""
    copies = [asyncio.ensure_future(_copy(*pair)) for pair in pairs]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(copies)


async def _cancel(tasks: Iterable[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    except (OSError, ssl.SSLError):
        # The other side has gone; so has this way.
        return
