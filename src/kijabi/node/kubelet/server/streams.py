"""A client's exec, attach or port-forward, connected with the runtime's streaming server.

A SPDY client is passed through as it is. A WebSocket client is translated to SPDY, because only SPDY lets the end of
stdin be told apart from the end of the session. Port-forward over a WebSocket tunnel is SPDY inside already.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web

from kijabi.node.cri import contract
from kijabi.node.kubelet.server import remote, session, upgrade

log = logging.getLogger(__name__)

_SPDY: Final = "SPDY/3.1"
_MESSAGE: Final = 32 * 1024

Url = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams a remote command has."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def is_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def is_spdy(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "spdy/3.1"


def _status_of(failure: contract.RuntimeFailure) -> int:
    return {"NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501, "INVALID_ARGUMENT": 400}.get(
        failure.code, 500
    )


async def serve(request: web.BaseRequest, url: Url, wanted: Wanted) -> web.StreamResponse:
    """An exec or attach."""
    return await _serve(request, url, lambda: _command_socket(request, url, wanted))


async def serve_ports(request: web.BaseRequest, url: Url, ports: list[int]) -> web.StreamResponse:
    return await _serve(request, url, lambda: _port_socket(request, url, ports))


async def _serve(
    request: web.BaseRequest, url: Url, websocket: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        if is_websocket(request):
            return await websocket()
        if is_spdy(request):
            return await _pass_through(request, await url())
    except contract.RuntimeFailure as error:
        return web.Response(status=_status_of(error), text=str(error) + "\n")
    except upgrade.Refused as error:
        return web.Response(status=error.status, text=error.message + "\n")
    except OSError as error:
        return web.Response(status=502, text=f"error dialing the runtime's streaming server: {error}\n")
    return web.Response(status=400, text="unable to upgrade: missing upgrade headers in request\n")


def _spdy(protocol: str) -> list[tuple[str, str]]:
    return [("Upgrade", _SPDY), ("X-Stream-Protocol-Version", protocol)]


async def _pass_through(request: web.BaseRequest, url: str) -> web.StreamResponse:
    # A field each, as the client sent them: not every server takes a list apart.
    offered = request.headers.getall("X-Stream-Protocol-Version", [])
    inner = await upgrade.dial(url, [("Upgrade", _SPDY), *(("X-Stream-Protocol-Version", name) for name in offered)])
    answer = {"Upgrade": inner.headers.get("upgrade", _SPDY)}
    chosen = inner.headers.get("x-stream-protocol-version")
    if chosen:
        answer["X-Stream-Protocol-Version"] = chosen
    outer = upgrade.take_over(request, answer)
    await upgrade.tunnel(outer, (inner.reader, inner.writer))
    return _Taken()


class _Taken(web.StreamResponse):
    """Nothing more is to be written: the connection was used for something else and is closed."""

    async def prepare(self, request: web.BaseRequest) -> None:
        request.protocol.force_close()
        # The connection has another protocol now, so its end is never reported to this one.
        asyncio.get_running_loop().call_soon(request.protocol.connection_lost, None)

    async def write_eof(self, data: bytes = b"") -> None:
        return None


async def _accept(
    request: web.BaseRequest, known: tuple[str, ...]
) -> tuple[web.WebSocketResponse, remote.Protocol] | None:
    offered = [
        name.strip()
        for field in request.headers.getall("Sec-WebSocket-Protocol", [])
        for name in field.split(",")
        if name.strip()
    ]
    chosen = remote.choose(offered, known)
    if chosen is None:
        return None
    socket = web.WebSocketResponse(
        protocols=(chosen,) if chosen else (), heartbeat=None, max_msg_size=0, autoping=True, compress=False
    )
    await socket.prepare(request)
    return socket, remote.Protocol(chosen)


def _no_protocol() -> web.Response:
    return web.Response(status=403, text="unable to negotiate a common WebSocket protocol\n")


async def _command_socket(request: web.BaseRequest, url: Url, wanted: Wanted) -> web.StreamResponse:
    # Asked for before the upgrade: what the runtime refuses is then an ordinary answer.
    inner = await upgrade.dial(await url(), _spdy("v4.channel.k8s.io"))
    accepted = await _accept(request, remote.PROTOCOLS)
    if accepted is None:
        await inner.close()
        return _no_protocol()
    socket, protocol = accepted
    spdy_session = session.Session(inner)
    reading = asyncio.ensure_future(spdy_session.run())
    try:
        await _Command(socket, protocol, spdy_session, wanted).run()
    except ConnectionError as error:
        log.debug("remote command: %s", error)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await spdy_session.close()
        await socket.close()
    return socket


class _Command:
    """One exec or attach between a WebSocket and a SPDY session."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        protocol: remote.Protocol,
        inner: session.Session,
        wanted: Wanted,
    ) -> None:
        self._socket = socket
        self._protocol = protocol
        self._inner = inner
        self._wanted = wanted
        self._inputs: dict[int, session.Stream] = {}

    async def run(self) -> None:
        error = await self._inner.open({"streamType": "error"})
        if self._wanted.stdin:
            self._inputs[remote.STDIN] = await self._inner.open({"streamType": "stdin"})
        outputs = []
        for channel, name in ((remote.STDOUT, "stdout"), (remote.STDERR, "stderr")):
            if getattr(self._wanted, name) and not (name == "stderr" and self._wanted.tty):
                outputs.append((channel, await self._inner.open({"streamType": name})))
        if self._wanted.tty:
            self._inputs[remote.RESIZE] = await self._inner.open({"streamType": "resize"})
        # An empty message tells the client that all is connected.
        await self._send(outputs[0][0] if outputs else remote.ERROR, b"")
        incoming = asyncio.ensure_future(self._receive())
        outgoing = asyncio.ensure_future(self._finish(error, outputs))
        try:
            await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (incoming, outgoing):
                task.cancel()
            await asyncio.gather(incoming, outgoing, return_exceptions=True)

    async def _finish(self, error: session.Stream, outputs: list[tuple[int, session.Stream]]) -> None:
        """Pass on all output, then the status: a client stops reading once it has the status."""
        results = await asyncio.gather(
            self._collect(error), *(self._copy(channel, stream) for channel, stream in outputs)
        )
        status = self._protocol.final(remote.read_status(results[0] or b""))
        if status:
            await self._send(remote.ERROR, status)

    async def _collect(self, stream: session.Stream) -> bytes:
        return b"".join([data async for data in stream.read()])

    async def _copy(self, channel: int, stream: session.Stream) -> bytes:
        async for data in stream.read():
            for at in range(0, len(data), _MESSAGE):
                await self._send(channel, data[at : at + _MESSAGE])
        return b""

    async def _send(self, channel: int, data: bytes) -> None:
        message = self._protocol.wrap(channel, data)
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type not in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                return
            unwrapped = self._protocol.unwrap(message.data)
            if unwrapped is None:
                continue
            closed = self._protocol.closed(unwrapped)
            if closed is not None:
                stream = self._inputs.pop(closed, None)
                if stream is not None:
                    await stream.close()
                continue
            stream = self._inputs.get(unwrapped[0])
            if stream is not None and unwrapped[1]:
                await stream.write(unwrapped[1])


async def _port_socket(request: web.BaseRequest, url: Url, ports: list[int]) -> web.StreamResponse:
    inner = await upgrade.dial(await url(), _spdy("portforward.k8s.io"))
    accepted = await _accept(request, remote.PORT_PROTOCOLS)
    if accepted is None:
        await inner.close()
        return _no_protocol()
    socket, protocol = accepted
    try:
        if protocol.name == remote.TUNNEL:
            await _tunnel(socket, inner)
        else:
            await _ports(socket, protocol, inner, ports)
    finally:
        await inner.close()
        await socket.close()
    return socket


async def _tunnel(socket: web.WebSocketResponse, inner: upgrade.Upgraded) -> None:
    """SPDY's own bytes, in binary messages."""

    async def outward() -> None:
        while True:
            block = await inner.reader.read(_MESSAGE)
            if not block:
                return
            await socket.send_bytes(block)

    async def inward() -> None:
        async for message in socket:
            if message.type != aiohttp.WSMsgType.BINARY:
                return
            inner.writer.write(message.data)
            await inner.writer.drain()

    await _first(outward(), inward())


async def _first(*work: Awaitable[None]) -> None:
    jobs = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def _ports(
    socket: web.WebSocketResponse, protocol: remote.Protocol, inner: upgrade.Upgraded, ports: list[int]
) -> None:
    """The old form: two channels per port (data, error), each beginning with the port in two bytes."""
    spdy_session = session.Session(inner)
    reading = asyncio.ensure_future(spdy_session.run())
    inputs: dict[int, session.Stream] = {}

    async def send(channel: int, data: bytes) -> None:
        message = protocol.wrap(channel, data)
        await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))

    async def copy(channel: int, stream: session.Stream) -> None:
        async for data in stream.read():
            await send(channel, data)

    async def receive() -> None:
        async for message in socket:
            unwrapped = protocol.unwrap(message.data) if isinstance(message.data, bytes | str) else None
            stream = inputs.get(unwrapped[0]) if unwrapped else None
            if stream is not None and unwrapped:
                await stream.write(unwrapped[1])

    try:
        copies = []
        for index, number in enumerate(ports):
            about = {"port": str(number), "requestID": str(index)}
            error = await spdy_session.open({"streamType": "error", **about})
            await error.close()
            data = await spdy_session.open({"streamType": "data", **about})
            inputs[2 * index] = data
            head = struct.pack("<H", number)
            await send(2 * index, head)
            await send(2 * index + 1, head)
            copies += [copy(2 * index, data), copy(2 * index + 1, error)]
        await _first(receive(), _all(copies))
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _all(work: Sequence[Awaitable[None]]) -> None:
    await asyncio.gather(*work)
