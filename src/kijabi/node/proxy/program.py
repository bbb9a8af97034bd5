"""kube-proxy as a program: the proxier and its health port."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from kijabi.client import kubeconfig
from kijabi.kit import clock, jsons
from kijabi.node.proxy import nft, proxier
from kijabi.node.proxy.options import Options

__all__ = ["Options", "run"]


async def run(options: Options, stop: asyncio.Event) -> None:
    """Until ``stop``. Raises ``nft.Refused`` where there is no nftables to work with."""
    name = (options.hostname_override or socket.gethostname()).strip().lower()
    options = dataclasses.replace(options, hostname_override=name)
    client = kubeconfig.connect(options.kubeconfig, component="kube-proxy")
    kernel = nft.Nft()
    proxy = proxier.Proxier(client, options, kernel.run)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(kernel.close)
        stack.push_async_callback(client.wire.close)
        if options.healthz_bind_address:
            await stack.enter_async_context(_health(options.healthz_bind_address, proxy))
        work = asyncio.ensure_future(proxy.run())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)
        if work.done() and not work.cancelled():
            work.result()


@contextlib.asynccontextmanager
async def _health(address: str, proxy: proxier.Proxier) -> AsyncIterator[None]:
    """``/healthz`` and ``/livez``: 200 once the rules are loaded, else 503."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in ("/healthz", "/livez"):
            return web.Response(status=404, text="404 page not found\n")
        now = clock.SYSTEM.time()
        body = jsons.dumps({"lastUpdated": proxy.synced_at, "currentTime": now})
        status = 503 if proxy.synced_at is None else 200
        return web.Response(status=status, body=body, content_type="application/json")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    host, _, port = address.rpartition(":")
    await web.TCPSite(runner, host.strip("[]"), int(port), reuse_address=True).start()
    try:
        yield
    finally:
        await runner.cleanup()
