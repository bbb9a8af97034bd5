"""Which APIServices cannot be reached, under upstream's names. Source: kube-aggregator's availability metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import core
from prometheus_client.registry import Collector

from kijabi.api import conditions
from kijabi.apiserver.aggregation.remotes import Remotes


class Metrics(Collector):
    def __init__(self, table: Remotes) -> None:
        self._table = table
        self._lost: dict[tuple[str, str], int] = {}

    def lost(self, name: str, reason: str) -> None:
        """An APIService became unavailable."""
        self._lost[name, reason] = self._lost.get((name, reason), 0) + 1

    def collect(self) -> Iterable[core.Metric]:
        gauge = core.GaugeMetricFamily(
            "aggregator_unavailable_apiservice", "APIServices that are unavailable (1), by name.", labels=["name"]
        )
        # Copied first: this runs in a thread while requests go on.
        for name, obj in list(self._table.objects.items()):
            gauge.add_metric([name], 0.0 if conditions.is_true(obj, "Available") else 1.0)
        yield gauge
        counter = core.CounterMetricFamily(
            "aggregator_unavailable_apiservice_total",
            "How often APIServices became unavailable, by name and reason.",
            labels=["name", "reason"],
        )
        for (name, reason), count in list(self._lost.items()):
            counter.add_metric([name, reason], count)
        yield counter
