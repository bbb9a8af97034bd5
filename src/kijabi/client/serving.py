"""The port that a component serves for people and machines: health for all, the rest for those who may.

``/healthz``, ``/livez`` and ``/readyz`` need no credentials; every other path is authenticated and authorized by
asking the API server.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_client
from aiohttp import web

from kijabi.api import errors
from kijabi.client import delegated, transport
from kijabi.kit import jsons, pki

Page = Callable[[str], Awaitable[Any]]
OPEN = ("/healthz", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen and with what certificate (empty paths: one made for the occasion)."""

    address: str
    port: int
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


@contextlib.asynccontextmanager
async def serving(
    endpoint: Endpoint, access: delegated.Delegated, pages: Mapping[str, Page] | None = None
) -> AsyncIterator[int]:
    """Serve until the context ends; gives the port. ``pages`` maps a path prefix to what answers the rest of the path.

    A page gives something to be shown as JSON, or None for 404.
    """
    handler = _handler(access, pages or {})
    runner = web.ServerRunner(web.Server(handler, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, endpoint.address, endpoint.port, ssl_context=_tls(endpoint), reuse_address=True)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    authority = Path(endpoint.client_ca_file) if endpoint.client_ca_file else None
    if endpoint.cert_file:
        return pki.server_context(Path(endpoint.cert_file), Path(endpoint.key_file), authority)
    return pki.throwaway_server_context(authority)


def _handler(
    access: delegated.Delegated, pages: Mapping[str, Page]
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path in OPEN:
            return web.Response(text="ok")
        refused = await _refused(access, request)
        if refused is not None:
            return refused
        if request.path == "/metrics":
            text = prometheus_client.generate_latest()
            return web.Response(body=text, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})
        for prefix, page in pages.items():
            if request.path.startswith(prefix):
                found = await page(request.path.removeprefix(prefix))
                if found is not None:
                    return web.Response(body=jsons.dumps(found), content_type="application/json")
        return web.Response(status=404, text="404 page not found\n")

    return handle


async def _refused(access: delegated.Delegated, request: web.BaseRequest) -> web.Response | None:
    """The answer to somebody who may not, or None."""
    try:
        authorization = request.headers.get("Authorization", "")
        caller = await access.authenticate(_certificate(request), authorization)
        if caller is None:
            return web.Response(status=401, text="Unauthorized\n")
        allowed, reason = await access.authorize(caller, path=request.path, verb=request.method.lower())
    except (errors.ApiError, transport.Unreachable) as error:
        return web.Response(status=500, text=f"Internal Server Error: {error}\n")
    if allowed:
        return None
    message = f'Forbidden: User "{caller.name}" cannot {request.method.lower()} path "{request.path}"'
    return web.Response(status=403, text=f"{message}: {reason}\n" if reason else f"{message}.\n")


def _certificate(request: web.BaseRequest) -> bytes | None:
    tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    return tls.getpeercert(True) if tls is not None else None
