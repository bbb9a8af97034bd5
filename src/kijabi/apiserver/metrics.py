"""/metrics, under upstream's names.

Counting a request touches two dictionaries; the text is only made when someone asks, in a worker thread.
Source: "Kubernetes Metrics Reference".
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    core,
    gc_collector,
    generate_latest,
    platform_collector,
    process_collector,
)
from prometheus_client.registry import Collector

from kijabi.apiserver.contract import RequestInfo
from kijabi.kit import http

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)

# (verb, group, version, resource, subresource, scope)
Label = tuple[str, str, str, str, str, str]

_VERBS = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
    "proxy": "CONNECT",
    "connect": "CONNECT",
}


class Latency:
    """A histogram's counts for one label set."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


def label_of(info: RequestInfo) -> Label:
    if not info.is_resource:
        return _VERBS.get(info.verb, info.verb.upper()), "", "", "", info.path if len(info.path) < 16 else "", ""
    scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
    return (
        _VERBS.get(info.verb, info.verb.upper()),
        info.api_group,
        info.api_version,
        info.resource,
        info.subresource,
        scope,
    )


class Metrics(Collector):
    """``inflight`` and ``objects`` are asked when the metrics are read."""

    def __init__(
        self, inflight: Callable[[], Mapping[bool, int]], objects: Callable[[], Iterable[tuple[str, int]]]
    ) -> None:
        self._inflight = inflight
        self._objects = objects
        self._totals: dict[tuple[Label, int], int] = {}
        self._latencies: dict[Label, Latency] = {}
        self._registry = CollectorRegistry()
        for collector in (process_collector.ProcessCollector, platform_collector.PlatformCollector):
            collector(registry=self._registry)
        gc_collector.GCCollector(registry=self._registry)
        self._registry.register(self)

    def also(self, collector: Collector) -> None:
        """Show what another room counts."""
        self._registry.register(collector)

    def request(self, info: RequestInfo, code: int, seconds: float) -> None:
        label = label_of(info)
        key = (label, code)
        self._totals[key] = self._totals.get(key, 0) + 1
        if label[0] != "WATCH":
            latency = self._latencies.get(label)
            if latency is None:
                latency = self._latencies[label] = Latency()
            latency.add(seconds)

    def collect(self) -> Iterable[core.Metric]:
        # Copied first: this runs in a thread while requests go on.
        totals, latencies = dict(self._totals), dict(self._latencies)
        names = ["verb", "group", "version", "resource", "subresource", "scope"]
        counter = core.CounterMetricFamily(
            "apiserver_request",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
            "component, and HTTP response code.",
            labels=[*names, "component", "code", "dry_run"],
        )
        for (label, code), count in totals.items():
            counter.add_metric([*label, "apiserver", str(code), ""], count)
        yield counter
        histogram = core.HistogramMetricFamily(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
            "subresource, scope and component.",
            labels=[*names, "component", "dry_run"],
        )
        for label, latency in latencies.items():
            histogram.add_metric([*label, "apiserver", ""], _cumulative(latency), latency.sum)
        yield histogram
        yield from self._gauges()

    def _gauges(self) -> Iterable[core.Metric]:
        inflight = core.GaugeMetricFamily(
            "apiserver_current_inflight_requests",
            "Maximal number of currently used inflight request limit of this apiserver per request kind in last "
            "second.",
            labels=["request_kind"],
        )
        for mutating, count in self._inflight().items():
            inflight.add_metric(["mutating" if mutating else "readOnly"], count)
        yield inflight
        objects = core.GaugeMetricFamily(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            labels=["resource"],
        )
        for name, count in self._objects():
            objects.add_metric([name], count)
        yield objects

    async def page(self) -> http.Response:
        body = await asyncio.get_running_loop().run_in_executor(None, generate_latest, self._registry)
        return http.Response(200, body, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _cumulative(latency: Latency) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), latency.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
