"""The shapes of an HTTP exchange, apart from any server or client library.

A ``Handler`` turns a ``Request`` into a ``Response``. The same handler is served on a socket by aiohttp and called
directly in one process, which is how a component's client can work without a port.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from multidict import CIMultiDict


@dataclass(slots=True)
class Request:
    """One request, its body read whole.

    ``path`` is percent-decoded and has no query; ``raw_path`` is as on the wire. ``peer_certificate`` is DER.
    ``identity`` is set by an in-process transport that vouches for the caller; a socket never sets it.
    ``upgrade``, where the connection can change protocol, gives the raw connection to a callback (see ``Upgrade``).
    """

    method: str
    path: str
    raw_path: str = ""
    query_string: str = ""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes = b""
    remote: str = ""
    peer_certificate: bytes | None = None
    identity: Any = None
    connection: Any = None
    # What whoever looked at the request first leaves for later steps: (kind, text).
    notes: list[tuple[str, str]] | None = None
    _query: dict[str, list[str]] | None = None

    @property
    def query(self) -> dict[str, list[str]]:
        """Every value of every parameter, in order. Blank values are kept."""
        if self._query is None:
            parsed: dict[str, list[str]] = {}
            for key, value in parse_qsl(self.query_string, keep_blank_values=True):
                parsed.setdefault(key, []).append(value)
            self._query = parsed
        return self._query

    def param(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        values = self.query.get(name)
        return values[0] if values else default


@dataclass(slots=True)
class Response:
    """``body`` is bytes, or an iterator whose every item is sent at once (a watch, a log).

    A response that takes the connection over (WebSocket, SPDY) sets ``takeover`` instead: the server calls it with its
    own request object (aiohttp's ``web.Request``) and it does all the writing.
    """

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    takeover: Callable[[Any], Awaitable[Any]] | None = None


Handler = Callable[[Request], Awaitable[Response]]


async def read_all(body: bytes | AsyncIterator[bytes]) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"".join([chunk async for chunk in body])


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines (without their newline) out of chunks that are cut anywhere; a last unfinished line is dropped."""
    rest = b""
    async for chunk in chunks:
        rest += chunk
        if b"\n" not in chunk:
            continue
        *whole, rest = rest.split(b"\n")
        for line in whole:
            if line:
                yield line


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
