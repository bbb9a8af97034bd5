"""One client's connection: messages out of aiohttp's C parser, one after another through the handler, answers back.

Not built on aiohttp's own request loop, which makes a task, a request and a response object for each message: for a
GET that is twice the work of everything the API server does itself. One task serves the whole connection.

What is guarded here: a body longer than 3 MiB is 413; a client that stalls in the middle of a request, or does not
read its answer for ``STALL`` seconds, is cut off; what is not HTTP is 400; a request whose client has gone is finished
if it is about to write, and given up if it only streams. Left out: trailers, and protocols other than HTTP/1.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import unquote

from aiohttp import base_protocol, http_exceptions, streams
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import contract, framing, responses
from kijabi.kit import http

log = logging.getLogger(__name__)

BODY_LIMIT = 3 * 1024 * 1024
# Upstream compresses what is larger than this, at the quickest level.
GZIP_FROM = 128 * 1024
# Seconds that one write may wait for a client to read, and that a request's head or body may take to arrive.
STALL = 60.0
# Seconds a connection may wait for its next request, as upstream's IdleTimeout.
IDLE = 90.0
# Seconds that the rest of a refused body is read and thrown away: closing at once would reset the connection, and the
# client would never see the answer.
LINGER = 2.0
# Requests of one connection that wait behind the one under way; then its socket is not read from any more.
_PIPELINED = 16
# Bytes of a body that are held before the handler reads them.
_AHEAD = 256 * 1024
# Upstream's limit is 1 MiB for the whole head.
_LINE = 64 * 1024
_HEADERS = 256
# Below this a copy is cheaper than a second write (and, on TLS, a second record).
_JOIN_BELOW = 64 * 1024
_SLICE = 256 * 1024


class Peer:
    """Who is at the other end: the certificate shown (DER), and the user that was found by it.

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


class Wire(NamedTuple):
    """What a takeover gets: the transport, and the protocol to hand it back to."""

    transport: Any
    protocol: Connection


class Owner(Protocol):
    """The server a connection belongs to."""

    handler: http.Handler
    connections: set[Connection]


class Connection(base_protocol.BaseProtocol):
    __slots__ = (
        "_body",
        "_message_tail",
        "_messages",
        "_owner",
        "_partial",
        "_since",
        "_task",
        "_waiter",
        "peer",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._owner = owner
        self._messages: deque[tuple[RawRequestMessage, Any] | framing.Unreadable] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        # The body that is being read; it must hear of a client that has gone.
        self._body: Any = None
        # What came behind an upgrade; whoever takes the connection over reads it first.
        self._message_tail = b""
        # Since when nothing is under way, and since when the head of a request is incomplete (0: it is not).
        self._since = self._partial = loop.time()
        self._parser = HttpRequestParser(
            self,
            loop,
            _AHEAD,
            max_line_size=_LINE,
            max_field_size=_LINE,
            max_headers=_HEADERS,
            payload_exception=http_exceptions.PayloadEncodingError,
            auto_decompress=False,
            max_msg_queue_size=_PIPELINED,
        )

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = Peer(transport)
        self._owner.connections.add(self)
        self._task = self._loop.create_task(self._serve())

    def connection_lost(self, exc: BaseException | None) -> None:
        self._owner.connections.discard(self)
        self.peer.lost = True
        super().connection_lost(exc)
        if self._body is not None:
            self._body.set_exception(ConnectionResetError("the client has gone"))
        if self.peer.on_lost is not None:
            self.peer.on_lost()
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._upgraded:
            self._message_tail += data
            return
        assert self._parser is not None
        messages: Sequence[tuple[RawRequestMessage, Any]] = ()
        try:
            messages, upgraded, tail = self._parser.feed_data(data)
        except http_exceptions.HttpProcessingError as error:
            # Nothing behind it can be read either.
            upgraded, tail = True, b""
            self._messages.append(framing.unreadable(error))
        self._upgraded, self._message_tail = upgraded, tail
        if messages:
            self._messages.extend(messages)
            self._partial = 0.0
            if len(self._messages) >= _PIPELINED and not self._buffer_paused:
                self._pause_reading_for_buffer()
        elif not self._partial and self._waiter is not None:
            self._partial = self._loop.time()
        self._wake()

    def eof_received(self) -> None:
        # The transport closes; TLS knows no connection that is half open.
        return None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done() and (self._messages or self.transport is None):
            waiter.set_result(None)

    def look(self, now: float) -> None:
        """Cut off a client that does not finish the head of its request; close a connection that nobody uses."""
        if self._waiter is None:
            return
        if self._partial and now - self._partial > STALL:
            self.abort()
        elif now - self._since > IDLE:
            self.close()

    @property
    def is_idle(self) -> bool:
        return self._waiter is not None

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    @property
    def served(self) -> asyncio.Task[None]:
        """Done when the connection has ended."""
        assert self._task is not None
        return self._task

    async def finish(self) -> None:
        """Give up what is under way."""
        self.abort()
        self.served.cancel()
        await asyncio.gather(self.served, return_exceptions=True)

    # --- request after request

    async def _serve(self) -> None:
        try:
            while await self._next():
                message = self._messages.popleft()
                if not await self._exchange(message):
                    break
                self._since = self._loop.time()
        except (ConnectionError, TimeoutError) as error:
            log.debug("a connection ended early: %r", error)
        except Exception:
            log.exception("a connection failed")
        finally:
            self.close()

    async def _next(self) -> bool:
        """Whether there is another request."""
        if not self._messages:
            if self._buffer_paused:
                self._resume_reading_for_buffer()
                self.data_received(b"")
            while not self._messages:
                if self.transport is None or self._upgraded:
                    return False
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        return self.transport is not None

    async def _exchange(self, message: tuple[RawRequestMessage, Any] | framing.Unreadable) -> bool:
        """Answer one request; gives whether the connection goes on."""
        if isinstance(message, framing.Unreadable):
            await self._refuse(message)
            return False
        head, payload = message
        assert self._parser is not None
        self._parser.message_consumed()
        try:
            body = b"" if payload is streams.EMPTY_PAYLOAD else await self._read(head, payload)
        except errors.ApiError as error:
            response = responses.of_error(http.Request(head.method, head.path), error)
            await self._write(head, response.status, response.headers, cast(bytes, response.body), False)
            await self._discard(payload)
            return False
        response = await self._owner.handler(self._request(head, body))
        if response.takeover is not None:
            self._upgraded = True
            await response.takeover(Wire(self.transport, self))
            return False
        goes_on = not head.should_close and not self._upgraded and response.headers.get("Connection") != "close"
        if not isinstance(response.body, bytes):
            await self._stream(head, response, response.body, goes_on)
        elif len(response.body) < GZIP_FROM:
            await self._write(head, response.status, response.headers, response.body, goes_on)
        else:
            packed, headers = await framing.compressed(head, response.body, response.headers)
            await self._write(head, response.status, headers, packed, goes_on)
        return goes_on

    def _request(self, head: RawRequestMessage, body: bytes) -> http.Request:
        path, _, query = head.path.partition("?")
        if path[:1] != "/":
            path = head.url.raw_path  # an absolute-form target, as proxies send
        return http.Request(
            head.method,
            unquote(path) if "%" in path else path,
            raw_path=head.path,
            query_string=query,
            # The parser's own, which is read-only: nobody changes what a client said.
            headers=cast("CIMultiDict[str]", head.headers),
            body=body,
            remote=self.peer.remote,
            peer_certificate=self.peer.certificate,
            connection=self.peer,
        )

    # --- bodies

    async def _read(self, head: RawRequestMessage, payload: Any) -> bytes:
        """Raises TooLarge, or BadRequest for a body that does not arrive."""
        if payload.is_eof() and payload.exception() is None and payload.total_bytes <= BODY_LIMIT:
            return cast(bytes, payload.read_nowait())
        length = head.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > BODY_LIMIT:
            raise _too_large()
        if "Expect" in head.headers and head.version >= HttpVersion11:
            self._continue(head.headers["Expect"])
        self._body = payload
        try:
            async with asyncio.timeout(STALL):
                return await _whole(payload)
        except TimeoutError as error:
            raise errors.BadRequest("the body of the request did not arrive in time") from error
        except http_exceptions.HttpProcessingError as error:
            raise errors.BadRequest(f"the body of the request cannot be read: {error.message}") from error
        finally:
            self._body = None

    def _continue(self, expected: str) -> None:
        if expected.lower() == "100-continue" and self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _discard(self, payload: Any) -> None:
        try:
            async with asyncio.timeout(LINGER):
                while not payload.at_eof():
                    await payload.readany()
        except (TimeoutError, ConnectionError, http_exceptions.HttpProcessingError):
            return

    # --- answers

    async def _refuse(self, what: framing.Unreadable) -> None:
        if self.transport is not None:
            self.transport.write(framing.refusal(what))
            await self._drained()

    async def _write(
        self, head: RawRequestMessage, status: int, headers: Mapping[str, str], body: bytes, goes_on: bool
    ) -> None:
        """A whole answer in one write."""
        transport = self.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        length = f"Content-Length: {len(body)}\r\n" if status not in framing.BODILESS else ""
        start = framing.head_of(status, headers, length, head, goes_on)
        if head.method == "HEAD" or status in framing.BODILESS:
            transport.write(start)
        elif len(body) < _JOIN_BELOW:
            transport.write(start + body)
        else:
            transport.write(start)
            await self._write_slices(body)
        if self._paused:
            await self._drained()

    async def _write_slices(self, body: bytes) -> None:
        """A long answer bit by bit, so that it is encrypted while the client reads, and others get their turn."""
        view = memoryview(body)
        for at in range(0, len(body), _SLICE):
            self._put(view[at : at + _SLICE])
            if self._paused:
                await self._drained()
            else:
                await asyncio.sleep(0)

    async def _drained(self) -> None:
        """Wait for the client to read. One that does not is cut off; raises ConnectionResetError."""
        try:
            async with asyncio.timeout(STALL):
                await self._drain_helper()
        except TimeoutError as error:
            self.abort()
            raise ConnectionResetError("the client does not read") from error

    async def _stream(
        self, head: RawRequestMessage, response: http.Response, body: AsyncIterator[bytes], goes_on: bool
    ) -> None:
        """Raises ConnectionError when the client has gone or does not read; nothing is lost but its connection."""
        # An HTTP/1.0 client knows no chunks: the end of the connection is the end of its answer.
        chunked = head.version >= HttpVersion11
        task = asyncio.current_task()
        assert task is not None
        self.peer.on_lost = task.cancel
        try:
            coding = "Transfer-Encoding: chunked\r\n" if chunked else ""
            self._put(framing.head_of(response.status, response.headers, coding, head, goes_on and chunked))
            if head.method != "HEAD":
                async for chunk in body:
                    self._put(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked and chunk else chunk)
                    if self._paused:
                        await self._drained()
                if chunked:
                    self._put(b"0\r\n\r\n")
        except asyncio.CancelledError:
            if not self.peer.lost:
                raise
            task.uncancel()
        finally:
            self.peer.on_lost = None
            closer = getattr(body, "aclose", None)
            if closer is not None:
                await closer()
        if not chunked:
            self.close()

    def _put(self, data: bytes | memoryview) -> None:
        if self.transport is None:
            raise ConnectionResetError("the client has gone")
        self.transport.write(data)


def _too_large() -> errors.TooLarge:
    return errors.TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")


async def _whole(payload: Any) -> bytes:
    chunks, size = [], 0
    while not payload.at_eof():
        chunk = await payload.readany()
        size += len(chunk)
        if size > BODY_LIMIT:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)
