"""The API server on a socket: aiohttp's HTTP/1.1 parser around one handler, and no router of its own.

What is guarded here: a body longer than 3 MiB is 413; a client that stalls in the middle of a request, or does not
read its answer for ``STALL`` seconds, is cut off; every exception ends as an answer or as a closed connection.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

from aiohttp import helpers as aiohttp_helpers
from aiohttp import web, web_exceptions, web_protocol
from aiohttp.http_exceptions import BadHttpMessage
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import contract, responses
from kijabi.kit import http

log = logging.getLogger(__name__)

BODY_LIMIT = 3 * 1024 * 1024
# Upstream compresses what is larger than this, at the quickest level.
GZIP_FROM = 128 * 1024
# Seconds that one write may wait for a client to read, and that a request's body may take to arrive.
STALL = 60.0


class Peer:
    """One connection: the certificate its client showed (DER), and the user that was found by it.

    ``on_lost``, where set, is called when the client has gone: who waits for events would not notice otherwise.
    """

    __slots__ = ("certificate", "lost", "on_lost", "remote", "user")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.user: contract.UserInfo | None = None
        self.lost = False
        self.on_lost: Callable[[], object] | None = None
        address = transport.get_extra_info("peername")
        self.remote = address[0] if isinstance(address, tuple) else ""
        tls = transport.get_extra_info("ssl_object")
        self.certificate: bytes | None = tls.getpeercert(True) if tls is not None else None


def _abort(transport: asyncio.BaseTransport | None) -> None:
    # Not asked by isinstance: uvloop's transports have the methods of asyncio.Transport but are not of that class.
    if transport is not None:
        cast(asyncio.Transport, transport).abort()


class Connection(web_protocol.RequestHandler):
    __slots__ = ("peer", "silent")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = Peer(transport)
        # aiohttp times connections only between requests: one that never makes its first is cut off here.
        self.silent: asyncio.TimerHandle | None = self._loop.call_later(STALL, self.abort)

    def abort(self) -> None:
        _abort(self.transport)

    def heard(self) -> None:
        if self.silent is not None:
            self.silent.cancel()
            self.silent = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.heard()
        self.peer.lost = True
        if self.peer.on_lost is not None:
            self.peer.on_lost()
        super().connection_lost(exc)


class _Acceptor(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Written(web.StreamResponse):
    """Stands for an answer that is on the wire already; aiohttp only learns whether the connection goes on."""

    def __init__(self, goes_on: bool) -> None:
        super().__init__()
        self._goes_on = goes_on

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None

    @property
    def keep_alive(self) -> bool:
        return self._goes_on


# They hold nothing of any one request.
_OPEN, _SHUT = _Written(True), _Written(False)


class SocketServer:
    """Serves ``handler`` until ``close``. ``port`` 0 lets the system choose; ``address`` then tells."""

    def __init__(self, handler: http.Handler) -> None:
        self._handler = handler
        self._acceptor: _Acceptor | None = None
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._acceptor = _Acceptor(
            self._serve,
            access_log=None,
            keepalive_timeout=180.0,
            lingering_time=2.0,
            max_line_size=65536,
            max_field_size=65536,
        )
        self._listener = await asyncio.get_running_loop().create_server(
            self._acceptor, host, port, ssl=tls, backlog=1024, reuse_address=True
        )

    @property
    def address(self) -> tuple[str, int]:
        assert self._listener is not None
        name = self._listener.sockets[0].getsockname()
        return name[0], name[1]

    async def close(self, grace: float = 2.0) -> None:
        """Stop listening, let answers under way finish for ``grace`` seconds, then cut the rest off."""
        if self._listener is not None:
            self._listener.close()
        if self._acceptor is not None:
            self._acceptor.pre_shutdown()
            await self._acceptor.shutdown(grace)

    async def _serve(self, wire: web.BaseRequest) -> web.StreamResponse:
        connection = wire.protocol
        assert isinstance(connection, Connection)
        connection.heard()
        try:
            request = await _request(wire, connection.peer)
        except errors.ApiError as error:
            response = responses.of_error(http.Request(wire.method, wire.path), error)
            response.headers = {**response.headers, "Connection": "close"}
            return await self._send(wire, response, connection.peer)
        return await self._send(wire, await self._handler(request), connection.peer)

    async def _send(self, wire: web.BaseRequest, response: http.Response, peer: Peer) -> web.StreamResponse:
        if response.takeover is not None:
            await response.takeover(wire)
            return _SHUT
        if isinstance(response.body, bytes):
            body, headers = await _compressed(wire, response)
            return await _write(wire, response.status, headers, body)
        return await _stream(wire, response, response.body, peer)


async def _request(wire: web.BaseRequest, peer: Peer) -> http.Request:
    """Raises TooLarge, or BadRequest for a body that does not arrive."""
    raw = wire.raw_path
    path, _, query = raw.partition("?")
    if not path.startswith("/"):
        path = wire.path  # an absolute-form target, as proxies send
    body = b""
    if wire.body_exists:
        body = await _body(wire)
    return http.Request(
        wire.method,
        unquote(path) if "%" in path else path,
        raw_path=raw,
        query_string=query,
        headers=CIMultiDict(wire.headers),
        body=body,
        remote=peer.remote,
        peer_certificate=peer.certificate,
        connection=peer,
    )


async def _body(wire: web.BaseRequest) -> bytes:
    length = wire.content_length
    if length is not None and length > BODY_LIMIT:
        raise errors.TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(STALL):
            async for chunk in wire.content.iter_any():
                size += len(chunk)
                if size > BODY_LIMIT:
                    raise errors.TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
                chunks.append(chunk)
    except TimeoutError as error:
        raise errors.BadRequest("the body of the request did not arrive in time") from error
    except (web_exceptions.HTTPException, BadHttpMessage) as error:
        raise errors.BadRequest(f"the body of the request cannot be read: {error}") from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _compressed(wire: web.BaseRequest, response: http.Response) -> tuple[bytes, Any]:
    body: Any = response.body
    if len(body) < GZIP_FROM or wire.method != "GET" or "gzip" not in wire.headers.get("Accept-Encoding", ""):
        return body, response.headers
    if "Content-Encoding" in response.headers:
        return body, response.headers
    # zlib releases the interpreter's lock: other requests go on meanwhile.
    packed = await asyncio.get_running_loop().run_in_executor(None, _gzip, body)
    return packed, {**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


async def _write(wire: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    """A whole answer in one write. aiohttp's own Response costs twice the time of everything before it."""
    protocol, transport = wire.protocol, wire.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    goes_on = wire.keep_alive and headers.get("Connection") != "close"
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if "\n" not in value and "\r" not in value]
    if status != 304:
        lines.append(f"Content-Length: {len(body)}")
    lines.append(f"Date: {aiohttp_helpers.rfc822_formatted_time()}")
    if not goes_on:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    if wire.method == "HEAD" or status == 304:
        transport.write(head)
    elif len(body) < _JOIN_BELOW:
        transport.write(head + body)
    else:
        transport.write(head)
        transport.write(body)
    if protocol._paused:
        # The client is behind. Not asked for every answer: a timeout costs as much as finding a user.
        try:
            async with asyncio.timeout(STALL):
                await protocol._drain_helper()
        except TimeoutError as error:
            _abort(transport)
            raise ConnectionResetError("the client does not read") from error
    return _OPEN if goes_on else _SHUT


_REASONS = {status.value: status.phrase for status in HTTPStatus}
# Below this a copy is cheaper than a second write (and, on TLS, a second record).
_JOIN_BELOW = 64 * 1024


async def _stream(
    wire: web.BaseRequest, response: http.Response, body: AsyncIterator[bytes], peer: Peer
) -> web.StreamResponse:
    answer = web.StreamResponse(status=response.status, headers=response.headers)
    answer.enable_chunked_encoding()
    task = asyncio.current_task()
    assert task is not None
    peer.on_lost = task.cancel
    try:
        await answer.prepare(wire)
        async for chunk in body:
            async with asyncio.timeout(STALL):
                await answer.write(chunk)
        await answer.write_eof()
    except (ConnectionError, TimeoutError) as error:
        # The client has gone or does not read; nothing is lost but its connection.
        log.debug("%s %s: the stream ended early: %r", wire.method, wire.path, error)
        _abort(wire.transport)
    except asyncio.CancelledError:
        if not peer.lost:
            raise
        task.uncancel()
    finally:
        peer.on_lost = None
        closer = getattr(body, "aclose", None)
        if closer is not None:
            await closer()
    return answer
