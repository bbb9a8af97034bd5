"""The API server as a program, and its assembly, which the in-process cluster uses too.

``build`` puts the rooms together around one store; ``Assembly.start`` loads the caches and ensures what a cluster
starts with; ``run`` adds the socket. Everything that runs in the background is owned by the assembly's nursery.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kijabi.api.catalog
from kijabi.api import schema
from kijabi.apiserver import (
    admission,
    aggregation,
    audit,
    authn,
    authz,
    bootstrap,
    chain,
    contract,
    crds,
    fairness,
    flow,
    health,
    metrics,
    openapi,
    outbound,
    proxies,
    resourcemetrics,
    server,
    specials,
    storage,
    tally,
)
from kijabi.apiserver.admission import policies
from kijabi.apiserver.admission.webhooks import metrics as webhook_metrics
from kijabi.apiserver.audit import metrics as audit_metrics
from kijabi.apiserver.discovery import Discovery
from kijabi.apiserver.fairness import dumps as fairness_dumps
from kijabi.apiserver.fairness import metrics as fairness_metrics
from kijabi.apiserver.options import Options
from kijabi.apiserver.pages import StandardPages
from kijabi.apiserver.registry import registry, watching
from kijabi.apiserver.registry.access import RegistryAccess
from kijabi.apiserver.registry.verbs import Verbs
from kijabi.kit import clock, pki, tasks
from kijabi.store import contract as store_contract

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Assembly:
    """A server put together. ``start`` before the first request, ``close`` at the end; ``api.handle`` in between."""

    api: chain.ApiServer
    registry: registry.Registry
    access: RegistryAccess
    deadlines: watching.Deadlines
    bootstrap: bootstrap.ensure.Bootstrap
    forwarding: proxies.Forwarding
    outbound: outbound.Outbound
    compaction: storage.Compaction
    heartbeat: storage.Heartbeat
    encryption: storage.Encryption | None
    repair: specials.repair.Repair
    tasks: tasks.Nursery
    state: State
    auditor: audit.Auditor | None = None
    fairness: fairness.Fairness | None = None
    aggregation: aggregation.Aggregation | None = None
    custom: crds.serving.CustomResources | None = None
    usage: resourcemetrics.ResourceMetrics | None = None
    # What authentication and authorization keep running, by name, and how they are closed.
    jobs: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    closers: Sequence[Callable[[], Awaitable[None]]] = ()

    async def start(self) -> None:
        """Load the caches, then ensure namespaces, policy and the rest. Raises what the store raises."""
        await self.registry.feed.start()
        if self.auditor is not None:
            self.auditor.start(self.tasks)
        self.tasks.keep(self.registry.feed.run, "feed")
        self.deadlines.start(self.tasks)
        self.tasks.keep(self.compaction.run, "compaction")
        if self.registry.store.shared:
            self.tasks.keep(self.heartbeat.run, "store-heartbeat")
        if self.encryption is not None:
            self.tasks.keep(self.encryption.run, "encryption")
        if self.custom is not None:
            await self.custom.start(self.tasks)
        await self.bootstrap.ensure()
        self.tasks.keep(self.bootstrap.keep, "bootstrap")
        for name, job in self.jobs.items():
            self.tasks.keep(job, name)
        if self.fairness is not None:
            await self.fairness.configuration.ensure()
            self.tasks.keep(self.fairness.configuration.keep, "priority-and-fairness")
        self.tasks.keep(self.repair.run, "service-repair")
        if self.aggregation is not None:
            await self.aggregation.start(self.tasks)
        if self.usage is not None:
            await self.usage.ensure_role()
            self.usage.collector.start(self.tasks)
        self.state.ready = True

    async def stop_serving(self) -> None:
        """Say that no more requests should come, and end the watches."""
        self.state.ready, self.state.closing = False, True
        await self.bootstrap.leave()
        self.registry.feed.close()

    async def close(self) -> None:
        self.registry.feed.close()
        await self.tasks.aclose()
        if self.auditor is not None:
            await self.auditor.close()
        await self.forwarding.relay.close()
        await self.outbound.webhooks.close()
        for close in self.closers:
            await close()


@dataclass(slots=True)
class State:
    """What the health checks look at."""

    ready: bool = False
    closing: bool = False


@dataclass(slots=True)
class More:
    """What the assembly adds for itself. ``static_tokens`` are users by bearer token."""

    static_tokens: Mapping[str, contract.UserInfo] = field(default_factory=dict)
    catalog: Any = None
    clock: clock.Clock = clock.SYSTEM
    # Where Services are, for who runs no endpoints that this process could reach.
    resolver: outbound.services.Resolver | None = None


def build(options: Options, store: store_contract.Store, more: More | None = None) -> Assembly:
    """Put a server together around an open store. Raises what reading key files raises, and authz.UnknownMode."""
    extra = more or More()
    catalog = extra.catalog or kijabi.api.catalog.default_catalog()
    schemas = schema.Schemas.load()
    parts = registry.Parts(catalog, schemas, clock=extra.clock, event_ttl=options.event_ttl)
    reg = registry.Registry(store, parts)
    access = RegistryAccess(reg)
    counts = tally.Tally()
    authorization = authz.build(access, options, extra.clock, counts)
    authentication = authn.build(
        access, options, static_tokens=extra.static_tokens, timepiece=extra.clock, counts=counts
    )
    outside = outbound.build(access, extra.resolver)
    hooked = webhook_metrics.Metrics()
    checked = policies.Metrics()
    plugins = admission.build(
        access,
        options,
        authorization.authorizer,
        timepiece=extra.clock,
        outside=outside,
        counts=hooked,
        checks=checked,
    )
    special = specials.build(access, options, authentication, authorization, store=store, timepiece=extra.clock)
    forwarding = proxies.build(access, options)
    reg.equip(plugins, [authorization.hooks, special.hooks])
    limits = flow.Limits(options.max_requests_inflight, options.max_mutating_requests_inflight)
    state = State()
    compaction = storage.Compaction(store, options.etcd_compaction_interval, extra.clock)
    heartbeat = storage.Heartbeat(store, extra.clock)
    encryption = storage.encryption_of(store, options, extra.clock)
    measure = metrics.Metrics(lambda: limits.inflight, lambda: _objects(reg))
    measure.also(hooked)
    measure.also(checked)
    measure.also(counts)
    fair = fairness.build(access, options, lambda *what: _count(reg, what), timepiece=extra.clock)
    if fair is not None:
        measure.also(fairness_metrics.Metrics(fair.gate))
    auditor = audit.build(options, timepiece=extra.clock)
    if auditor is not None:
        measure.also(audit_metrics.Metrics(auditor.counters))
    strategies = list(catalog.strategies())
    listing = Discovery(strategies, f"{options.advertise_address}:{options.secure_port}")
    schemes = openapi.OpenApi(schemas, _group_versions(strategies))
    aggregated = aggregation.build(
        access, options, outside, aggregation.Room(forwarding.relay, listing, schemes), timepiece=extra.clock
    )
    custom = crds.serving.CustomResources(
        reg,
        access,
        listing,
        schemes,
        crds.serving.Means(lambda: schemas.common_definitions, outside.webhooks.post, timepiece=extra.clock),
    )
    if aggregated is not None:
        measure.also(aggregated.metrics)
    usage = None
    if options.enable_resource_metrics:
        usage = resourcemetrics.ResourceMetrics(access, forwarding.kubelets, forwarding.relay, extra.clock)
        listing.offer("metrics", [usage.offered()])
    pages = StandardPages(
        listing,
        _health(state, reg, heartbeat, encryption),
        measure,
        schemes,
        authentication.documents,
        (lambda path: fairness_dumps.page(fair.gate, path)) if fair is not None else None,
    )
    deadlines = watching.Deadlines(extra.clock)
    steps = chain.Steps(
        access,
        authentication.authenticator,
        authorization.authorizer,
        pages,
        limits,
        {**special.handlers, **forwarding.handlers},
        measure,
        auditor,
        fair,
        options.request_timeout,
        chain.Several([one for one in (aggregated.elsewhere if aggregated is not None else None, usage) if one]),
        authentication.is_proxy,
    )
    api = chain.ApiServer(reg, Verbs(reg, deadlines, options.min_request_timeout), steps)
    first = bootstrap.build(access, options, store=store, timepiece=extra.clock)
    owner = tasks.Nursery("apiserver", extra.clock)
    return Assembly(
        api,
        reg,
        access,
        deadlines,
        first,
        forwarding,
        outside,
        compaction,
        heartbeat,
        encryption,
        special.repair,
        owner,
        state,
        auditor,
        fair,
        aggregated,
        custom,
        usage,
        {**authentication.jobs, **authorization.jobs},
        (*authentication.closers, authorization.close),
    )


def _count(reg: registry.Registry, what: tuple[str, str, str]) -> int:
    endpoint = reg.endpoints.get(what)
    return len(endpoint.cache.entries) if endpoint is not None else 0


def _objects(reg: registry.Registry) -> Iterable[tuple[str, int]]:
    for endpoint in reg.endpoints.values():
        yield endpoint.resource.qualified, len(endpoint.cache.entries)


def _group_versions(strategies: Iterable[Any]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.resource.group, one.resource.version) for one in strategies))


def _health(
    state: State, reg: registry.Registry, heartbeat: storage.Heartbeat, encryption: storage.Encryption | None
) -> health.Health:
    def loaded() -> str:
        return heartbeat.problem if reg.feed.revision or state.ready else "the caches are not loaded yet"

    def hooks() -> str:
        return "" if state.ready or state.closing else "what a cluster starts with is not ensured yet"

    live = {
        "log": lambda: "",
        "etcd": loaded,
        "poststarthook/start-apiserver-admission-initializer": lambda: "",
        "poststarthook/rbac/bootstrap-roles": hooks,
        "poststarthook/scheduling/bootstrap-system-priority-classes": hooks,
    }
    if encryption is not None and encryption.has_plugins:
        live["kms-providers"] = lambda: encryption.problem
    ready = {
        "etcd-readiness": loaded,
        "informer-sync": loaded,
        "shutdown": lambda: "process is shutting down" if state.closing else "",
    }
    return health.Health(live, ready)


async def run(
    options: Options, stop: asyncio.Event, listening: Callable[[tuple[str, int]], object] | None = None
) -> None:
    """Serve until ``stop`` is set. Returns when everything is closed. ``listening`` is told the address once."""
    # Requests leave nothing behind that only the collector could free, and a tenth of a write went into looking for it.
    gc.set_threshold(10_000, 20, 100)
    store = await storage.open_store(options)
    try:
        assembly = build(options, store)
        try:
            await _serve(options, assembly, stop, listening)
        finally:
            await assembly.close()
    finally:
        await store.close()


async def _serve(
    options: Options,
    assembly: Assembly,
    stop: asyncio.Event,
    listening: Callable[[tuple[str, int]], object] | None,
) -> None:
    client_ca = [Path(name) for name in (options.client_ca_file, options.requestheader_client_ca_file) if name]
    tls = pki.server_context(Path(options.tls_cert_file), Path(options.tls_private_key_file), client_ca)
    listener = server.SocketServer(assembly.api.handle)
    await assembly.start()
    await listener.listen(options.bind_address, options.secure_port, tls)
    if listening is not None:
        listening(listener.address)
    log.info("Serving securely on %s:%d", *listener.address)
    await stop.wait()
    await assembly.stop_serving()
    await listener.close()
