"""One POST of JSON to a webhook, wherever its ``clientConfig`` says it is, and its JSON answer.

Source: k8s.io/apiserver util/webhook ClientManager; k8s.io/client-go rest for the texts of refused requests.
"""

from __future__ import annotations

import asyncio
import math
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from kijabi.apiserver.outbound import failures, services, trust

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, */*",
    "User-Agent": "kube-apiserver-admission",
}
# A kept connection that the other side has meanwhile closed shows on first use: once more, then.
_TRIES = 2


class Failed(Exception):
    """No usable answer. ``message`` is what Go's client says, ``code`` the HTTP status that stands for it."""

    def __init__(self, message: str, code: int = 503) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Unusable(Failed):
    """The configuration itself cannot be called."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 500)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a ``clientConfig`` leads."""

    url: str
    host: str
    port: int
    is_service: bool


def target(config: Mapping[str, Any]) -> Target:
    """Raises Unusable."""
    service = config.get("service")
    if service is not None:
        host, port = services.host_of(service["namespace"], service["name"]), int(service.get("port") or 443)
        return Target(f"https://{host}:{port}{_clean(service.get('path') or '')}", host, port, True)
    if not config.get("url"):
        raise Unusable("webhook configuration must have either service or URL")
    try:
        url = URL(config["url"], encoded=True)
        host, authority = url.host or "", url.raw_authority
        port = url.port or 443
    except ValueError as error:
        raise Unusable(f"Unparsable URL: {error}") from error
    return Target(f"{url.scheme}://{authority}{_clean(url.raw_path)}", host, port, False)


def _clean(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


class Caller:
    """Owns its connections; ``close`` at the end."""

    def __init__(self, resolver: services.Resolver, contexts: trust.Contexts | None = None) -> None:
        self._names = services.ServiceNames(resolver)
        self._contexts = contexts or trust.Contexts()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, is_service: bool) -> aiohttp.ClientSession:
        # Made late: a session belongs to the loop that is running.
        found = self._sessions.get(is_service)
        if found is None or found.closed:
            connector = aiohttp.TCPConnector(
                resolver=self._names if is_service else None,
                # Endpoints come and go; a name outside is looked up by the system, which has its own cache.
                use_dns_cache=False,
                limit=0,
                keepalive_timeout=60.0,
            )
            found = self._sessions[is_service] = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return found

    async def post(self, config: Mapping[str, Any], body: bytes | Mapping[str, Any], seconds: float = 30.0) -> Any:
        """The decoded answer to ``body``, within ``seconds``. ``config`` is a ``clientConfig``. Raises Failed."""
        where = target(config)
        try:
            context = self._contexts.get(config.get("caBundle") or "")
        except trust.Untrusted as error:
            raise Unusable(str(error)) from error
        url = f"{where.url}?timeout={math.ceil(seconds)}s"
        data = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
        try:
            async with asyncio.timeout(seconds):
                status, answer = await self._exchange(where, url, data, context)
        except TimeoutError as error:
            raise Failed(f'Post "{url}": context deadline exceeded') from error
        if not 200 <= status < 300:
            raise refusal(status, answer)
        return _decode(answer)

    async def _exchange(self, where: Target, url: str, data: bytes, context: Any) -> tuple[int, bytes]:
        session = self._session(where.is_service)
        for attempt in range(1, _TRIES + 1):
            try:
                async with session.post(
                    URL(url, encoded=True), data=data, headers=_HEADERS, ssl=context, allow_redirects=False
                ) as response:
                    return response.status, await response.read()
            except aiohttp.ServerDisconnectedError as error:
                if attempt == _TRIES:
                    raise Failed(f'Post "{url}": EOF') from error
            except (aiohttp.ClientError, OSError) as error:
                host, port = self._names.dialed.get(where.host, (where.host, where.port))
                shown = where.host if isinstance(error, aiohttp.ClientSSLError) else host
                raise Failed(f'Post "{url}": {failures.words(error, shown, port)}') from error
        raise AssertionError("unreachable: the last try returns or raises")


def _decode(answer: bytes) -> Any:
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise Failed(f"couldn't get version/kind; json parse error: {error}", 500) from error
    if isinstance(found, dict) and found.get("kind") == "Status" and found.get("status") != "Success":
        raise Failed(found.get("message") or "unknown", int(found.get("code") or 500))
    return found


_REFUSALS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


def refusal(status: int, answer: bytes) -> Failed:
    """What client-go makes of an answer that is no success: its Status, else a text for the code."""
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict) and found.get("kind") == "Status" and found.get("message"):
        return Failed(found["message"], int(found.get("code") or status))
    text = answer.decode(errors="replace").strip() or "unknown"
    if status in (403, 406, 415):
        return Failed(text, status)
    if status in _REFUSALS:
        return Failed(_REFUSALS[status], status)
    if status >= 500:
        quoted = orjson.dumps(text).decode()
        return Failed(f"an error on the server ({quoted}) has prevented the request from succeeding", status)
    return Failed(f"the server responded with the status code {status} but did not return more information", status)
