"""Follows Services and EndpointSlices and keeps the kernel's table as they say."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import prometheus_client

from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.client import informer, rest
from kijabi.kit import clock, tasks
from kijabi.node.proxy import nft, rules, script, services
from kijabi.node.proxy.options import Options

log = logging.getLogger(__name__)

SYNC_SECONDS = prometheus_client.Histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds"
)
# Retried after this many seconds when the kernel refuses.
RETRY = 1.0


class Proxier:
    """``run`` works until cancelled; the table stays, so that traffic goes on while the proxy is restarted."""

    def __init__(
        self,
        client: rest.Client,
        options: Options,
        load: Callable[[str], object],
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._options = options
        self._load = load
        self._clock = timepiece
        self._services = informer.Informer(client, kinds.SERVICES, timepiece=timepiece)
        self._slices = informer.Informer(
            client, kinds.ENDPOINT_SLICES, indexes={"service": _service_key}, timepiece=timepiece
        )
        only = rest.Selection(fields=f"metadata.name={options.hostname_override}")
        self._node = informer.Informer(client, kinds.NODES, only, timepiece=timepiece)
        self._dirty: set[str] = set()
        self._everything = True
        self._changed = asyncio.Event()
        self._ports: dict[str, list[services.ServicePort]] = {}
        self._loaded: rules.Content | None = None
        self.synced_at: float | None = None

    async def run(self) -> None:
        async with tasks.nursery("proxy", self._clock) as nursery:
            for copy in (self._services, self._slices, self._node):
                nursery.keep(copy.run, str(copy.resource))
            for copy in (self._services, self._slices, self._node):
                await copy.wait_synced()
            self._services.subscribe(self._service_changed)
            self._slices.subscribe(self._slice_changed)
            self._node.subscribe(self._node_changed)
            # Even with no Service at all, what an earlier proxy left behind must go.
            self._changed.set()
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._sync()
                if self._options.min_sync_period:
                    await self._clock.sleep(self._options.min_sync_period)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        self._mark(informer.key_of(new or old or {}))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for item in (old, new):
            for key in _service_key(item) if item is not None else ():
                self._mark(key)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _place(old) != _place(new):
            self._everything = True
            self._changed.set()

    def _mark(self, key: str) -> None:
        self._dirty.add(key)
        self._changed.set()

    async def _sync(self) -> None:
        started = time.perf_counter()
        self._refresh()
        network = self._network()
        wanted = rules.content((port for ports in self._ports.values() for port in ports), network)
        text = script.load(wanted) if self._loaded is None else script.change(self._loaded, wanted)
        if text:
            try:
                await asyncio.to_thread(self._load, text)
            except nft.Refused as error:
                log.error("the kernel refused the rules, all are loaded anew: %s", error)
                self._loaded = None
                await self._clock.sleep(RETRY)
                self._changed.set()
                return
            SYNC_SECONDS.observe(time.perf_counter() - started)
        self._loaded = wanted
        self.synced_at = self._clock.time()

    def _refresh(self) -> None:
        """Bring the records of changed Services up to date."""
        if self._everything:
            self._everything = False
            self._dirty = {informer.key_of(service) for service in self._services.items()} | self._ports.keys()
        place = self._place()
        for key in self._dirty:
            service = self._services.by_key(key)
            if service is None or not services.relevant(service):
                self._ports.pop(key, None)
            else:
                slices = self._slices.by_index("service", key)
                self._ports[key] = services.service_ports(service, slices, place)
        self._dirty = set()

    def _place(self) -> services.Place:
        node = self._node.get(self._options.hostname_override)
        zone = _place(node)[0] if node is not None else ""
        return services.Place(self._options.hostname_override, zone)

    def _network(self) -> rules.Network:
        node = self._node.get(self._options.hostname_override)
        addresses = _place(node)[1] if node is not None else ()
        chosen = self._options.nodeport_addresses
        if chosen and chosen != ["primary"]:
            addresses = tuple(services.addresses_in(chosen, addresses))
        return rules.Network(self._options.cluster_cidr, addresses, self._options.masquerade_all)


def _service_key(item: Object) -> list[str]:
    name = (item["metadata"].get("labels") or {}).get(services.SERVICE_NAME)
    return [f"{item['metadata']['namespace']}/{name}"] if name else []


def _place(node: Object) -> tuple[str, tuple[str, ...]]:
    """(zone, IPv4 addresses) of a node."""
    zone = (node["metadata"].get("labels") or {}).get(services.ZONE, "")
    listed = (node.get("status") or {}).get("addresses") or ()
    found = [entry["address"] for entry in listed if entry["type"] in ("InternalIP", "ExternalIP")]
    return zone, tuple(ip for ip in found if ":" not in ip)
