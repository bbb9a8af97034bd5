"""Connections that change protocol: taking over a client's, and opening one to the runtime's streaming server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

_BLOCK = 65536
_HEAD = 65536


class Refused(Exception):
    """The streaming server did not change protocol."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Upgraded:
    """An open connection and the header fields of its 101."""

    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def dial(url: str, headers: Sequence[tuple[str, str]], method: str = "POST") -> Upgraded:
    """Ask the server at ``url`` to change protocol. Raises ``Refused`` or ``OSError``."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=_HEAD)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade", "Content-Length: 0"]
    lines += [f"{name}: {value}" for name, value in headers]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if status != 101:
            length = int(fields.get("content-length") or 0)
            body = await reader.read(length or _BLOCK)
            raise Refused(status, body.decode(errors="replace").strip())
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        writer.close()
        raise Refused(502, f"the streaming server gave no answer: {error}") from error
    except Refused:
        writer.close()
        raise
    return Upgraded(fields, reader, writer)


def take_over(
    request: web.BaseRequest, headers: Mapping[str, str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Answer 101 with ``headers`` and give the client's connection to the caller.

    The client sends nothing before it has the 101, so nothing can be lost between the two.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_BLOCK, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if not transport.is_reading():
        transport.resume_reading()
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    transport.write("\r\n".join([*lines, "", ""]).encode())
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of ``reader``, then close the writing half."""
    try:
        while True:
            block = await reader.read(_BLOCK)
            if not block:
                break
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (ConnectionError, OSError):
        return


async def tunnel(
    left: tuple[asyncio.StreamReader, asyncio.StreamWriter], right: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Connect two connections until either side has ended; both are closed then.

    TLS cannot be closed by half, so the end of one direction is the end of all: what the other side had sent by then
    has been passed on, because the runtime closes only after its last byte.
    """
    jobs = [asyncio.ensure_future(pump(left[0], right[1])), asyncio.ensure_future(pump(right[0], left[1]))]
    try:
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        for _, writer in (left, right):
            writer.close()
