"""How a request gets to an API server.

``Http`` goes over a socket with aiohttp; ``Local`` calls a handler in the same process, with the caller's identity
vouched for by whoever built the transport. Both give the same ``Reply``; a transport raises ``Unreachable`` when no
answer came, and never interprets a status.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp
from multidict import CIMultiDict

from kijabi.kit import http

Query = Mapping[str, str | list[str]]


class Unreachable(ConnectionError):
    """No whole answer came: refused, reset, timed out or closed."""


@dataclass(slots=True)
class Reply:
    """``body`` is empty for a stream; ``chunks`` then gives the bytes as they arrive."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None


class Transport(Protocol):
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 60.0,
    ) -> Reply:
        """One exchange. ``timeout`` is for the whole of it, in seconds."""
        ...

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> contextlib.AbstractAsyncContextManager[Reply]:
        """An exchange whose answer is read bit by bit, with no time limit; leaving the context ends it."""
        ...

    async def close(self) -> None: ...


def _query(query: Query | None) -> str:
    return urlencode(query, doseq=True, quote_via=quote) if query else ""


class Http:
    """A transport over TLS or plain HTTP. ``token`` is asked for before every request: bound tokens are renewed."""

    def __init__(
        self,
        server: str,
        *,
        tls: ssl.SSLContext | None = None,
        token: Callable[[], str] | None = None,
        user_agent: str = "kijabi",
        connections: int = 100,
    ) -> None:
        self.server = server.rstrip("/")
        self._tls = tls
        self._token = token
        self._user_agent = user_agent
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        # Made late: a session belongs to the event loop that is running when it is made.
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=self._connections)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=True,
                headers={"User-Agent": self._user_agent},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
                read_bufsize=2**20,
            )
        return self._session

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        merged = dict(headers or {})
        if self._token is not None:
            merged["Authorization"] = f"Bearer {self._token()}"
        return merged

    def _url(self, path: str, query: Query | None) -> Any:
        text = _query(query)
        return self.server + path + (f"?{text}" if text else "")

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 60.0,
    ) -> Reply:
        try:
            async with asyncio.timeout(timeout):
                async with self._open().request(
                    method, self._url(path, query), data=body or None, headers=self._headers(headers)
                ) as answer:
                    return Reply(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{method} {self.server}{path}: {error or type(error).__name__}") from error

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Reply]:
        try:
            answer = await self._open().request(method, self._url(path, query), headers=self._headers(headers))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{method} {self.server}{path}: {error or type(error).__name__}") from error
        try:
            if answer.status >= 400:
                yield Reply(answer.status, answer.headers, await answer.read())
            else:
                yield Reply(answer.status, answer.headers, chunks=_chunks(answer))
        finally:
            # A stream is never read to its end, so its connection cannot serve another request.
            answer.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unreachable(f"the stream broke: {error or type(error).__name__}") from error


class Local:
    """A transport into a handler of the same process. ``identity`` is handed on as ``Request.identity``."""

    def __init__(self, handler: http.Handler, identity: Any, user_agent: str = "kijabi") -> None:
        self._handler = handler
        self._identity = identity
        self._user_agent = user_agent

    def _request(
        self, method: str, path: str, query: Query | None, headers: Mapping[str, str] | None, body: bytes
    ) -> http.Request:
        fields = CIMultiDict({"User-Agent": self._user_agent, **(headers or {})})
        return http.Request(
            method,
            path,
            raw_path=path,
            query_string=_query(query),
            headers=fields,
            body=body,
            remote="127.0.0.1",
            identity=self._identity,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 60.0,
    ) -> Reply:
        try:
            async with asyncio.timeout(timeout):
                answer = await self._handler(self._request(method, path, query, headers, body))
                return Reply(answer.status, answer.headers, await http.read_all(answer.body))
        except TimeoutError as error:
            raise Unreachable(f"{method} {path}: no answer in {timeout} s") from error

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Reply]:
        answer = await self._handler(self._request(method, path, query, headers, b""))
        if isinstance(answer.body, bytes):
            yield Reply(answer.status, answer.headers, answer.body, chunks=_once(answer.body))
            return
        try:
            yield Reply(answer.status, answer.headers, chunks=answer.body)
        finally:
            closer = getattr(answer.body, "aclose", None)
            if closer is not None:
                await closer()

    async def close(self) -> None:
        return None


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
