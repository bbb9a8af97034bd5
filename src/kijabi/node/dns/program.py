"""``kijabi dns``: the DNS agent of a node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import prometheus_client
from aiohttp import web
from prometheus_client import core as metrics
from prometheus_client import registry

from kijabi.client import kubeconfig
from kijabi.kit import tasks
from kijabi.node.dns import forward, server, watch, wire, zone

log = logging.getLogger(__name__)

_CODES = {wire.NOERROR: "NOERROR", wire.FORMERR: "FORMERR", wire.SERVFAIL: "SERVFAIL", wire.NXDOMAIN: "NXDOMAIN"}


@dataclass(slots=True)
class Options:
    """The upstream counterpart (CoreDNS) has a Corefile instead of flags; the names follow kubelet's and proxy's."""

    kubeconfig: str = field(default="", metadata={"help": "Path to the kubeconfig file."})
    bind_address: str = field(default="0.0.0.0", metadata={"help": "Address to answer on."})
    port: int = field(default=53, metadata={"help": "Port to answer on, UDP and TCP."})
    cluster_domain: str = field(default="cluster.local", metadata={"help": "The domain of the cluster."})
    resolv_conf: str = field(
        default="/etc/resolv.conf", metadata={"help": "Where the resolvers for all other names are listed."}
    )
    metrics_port: int = field(
        default=9153, metadata={"help": "Port of /health, /ready and /metrics over HTTP; 0 for none."}
    )


async def run(options: Options, stop: asyncio.Event) -> None:
    """Until ``stop``. Raises OSError when a port is taken."""
    client = kubeconfig.connect(options.kubeconfig, component="dns")
    async with tasks.nursery("dns") as owner:
        names = zone.Zone(options.cluster_domain)
        follower = watch.Watch(client, names)
        follower.start(owner)
        forwarder = forward.Forwarder(forward.read_servers(Path(options.resolv_conf)))
        answering = server.Server(names, forwarder, lambda: follower.synced, owner)
        await answering.listen(options.bind_address, options.port)
        log.info("answering for %s on %s:%d", options.cluster_domain, options.bind_address, options.port)
        runner = await _serve_health(options, follower, _Collector(answering, forwarder))
        try:
            await stop.wait()
        finally:
            await answering.close()
            if runner is not None:
                await runner.cleanup()
    await client.wire.close()


class _Collector(registry.Collector):
    """CoreDNS's metric names. Counted in plain integers while answering, made metrics when somebody asks."""

    def __init__(self, answering: server.Server, forwarder: forward.Forwarder) -> None:
        self._server = answering
        self._forwarder = forwarder

    def collect(self) -> Iterator[metrics.Metric]:
        responses = metrics.CounterMetricFamily(
            "coredns_dns_responses", "Counter of response status codes.", labels=["proto", "rcode"]
        )
        for (protocol, code), count in self._server.count.items():
            responses.add_metric([protocol, _CODES.get(code, str(code))], count)
        yield responses
        yield metrics.CounterMetricFamily(
            "coredns_forward_requests", "Counter of requests made to upstreams.", value=self._forwarder.asked
        )
        yield metrics.CounterMetricFamily("coredns_cache_hits", "The count of cache hits.", value=self._forwarder.hits)


async def _serve_health(options: Options, follower: watch.Watch, collector: _Collector) -> web.AppRunner | None:
    if not options.metrics_port:
        return None
    collected = prometheus_client.CollectorRegistry()
    collected.register(collector)

    async def health(request: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def ready(request: web.Request) -> web.Response:
        return web.Response(text="OK") if follower.synced else web.Response(text="kubernetes", status=503)

    async def show(request: web.Request) -> web.Response:
        return web.Response(
            body=prometheus_client.generate_latest(collected),
            headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        )

    application = web.Application()
    application.add_routes([web.get("/health", health), web.get("/ready", ready), web.get("/metrics", show)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, options.bind_address, options.metrics_port).start()
    return runner
