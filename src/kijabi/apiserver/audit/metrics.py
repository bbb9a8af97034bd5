"""What the audit log counts, under upstream's names."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import core

from kijabi.apiserver.audit import trail


class Metrics:
    def __init__(self, counters: trail.Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterable[core.Metric]:
        counters = self._counters
        yield _counter("event", "Counter of audit events generated and sent to the audit backend.", counters.events)
        yield _counter(
            "requests_rejected",
            "Counter of apiserver requests rejected due to an error in audit logging backend.",
            counters.rejected,
        )
        errors = core.CounterMetricFamily(
            "apiserver_audit_error",
            "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the "
            "error.",
            labels=["plugin"],
        )
        errors.add_metric(["log"], counters.errors)
        yield errors
        levels = core.CounterMetricFamily(
            "apiserver_audit_level", "Counter of policy levels for audit events (1 per request).", labels=["level"]
        )
        for level, count in dict(counters.levels).items():
            levels.add_metric([level], count)
        yield levels


def _counter(name: str, told: str, value: int) -> core.Metric:
    return core.CounterMetricFamily(f"apiserver_audit_{name}", told, value=value)
