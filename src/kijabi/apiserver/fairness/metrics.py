"""What the gate counts, under upstream's names (``apiserver_flowcontrol_*``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import core

from kijabi.apiserver.fairness.gate import Gate
from kijabi.apiserver.fairness.levels import Level

_PREFIX = "apiserver_flowcontrol_"
_BY_SCHEMA = ("priority_level", "flow_schema")

_SEATS: tuple[tuple[str, str, Callable[[Level], float]], ...] = (
    (
        "nominal_limit_seats",
        "Nominal number of execution seats configured for each priority level",
        lambda level: level.limits.nominal,
    ),
    (
        "lower_limit_seats",
        "Configured lower bound on number of execution seats available to each priority level",
        lambda level: level.limits.lower,
    ),
    (
        "upper_limit_seats",
        "Configured upper bound on number of execution seats available to each priority level",
        lambda level: level.limits.upper,
    ),
    (
        "current_limit_seats",
        "current derived number of execution seats available to each priority level",
        lambda level: max(level.limits.nominal, level.in_use),
    ),
)


class Metrics:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def collect(self) -> Iterable[core.Metric]:
        # This runs in a thread while requests go on: copies first.
        levels = list(self._gate.levels.values())
        yield from self._limits(levels)
        yield from self._counts(levels)
        yield self._waits(levels)

    def _limits(self, levels: list[Level]) -> Iterable[core.Metric]:
        for name, told, value in _SEATS:
            gauge = core.GaugeMetricFamily(_PREFIX + name, told, labels=["priority_level"])
            for level in levels:
                gauge.add_metric([level.name], value(level))
            yield gauge

    def _counts(self, levels: list[Level]) -> Iterable[core.Metric]:
        dispatched = core.CounterMetricFamily(
            f"{_PREFIX}dispatched_requests",
            "Number of requests executed by API Priority and Fairness subsystem",
            labels=_BY_SCHEMA,
        )
        rejected = core.CounterMetricFamily(
            f"{_PREFIX}rejected_requests",
            "Number of requests rejected by API Priority and Fairness subsystem",
            labels=[*_BY_SCHEMA, "reason"],
        )
        executing = core.GaugeMetricFamily(
            f"{_PREFIX}current_executing_requests",
            "Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority "
            "and Fairness subsystem",
            labels=_BY_SCHEMA,
        )
        waiting = core.GaugeMetricFamily(
            f"{_PREFIX}current_inqueue_requests",
            "Number of requests currently pending in queues of the API Priority and Fairness subsystem",
            labels=_BY_SCHEMA,
        )
        for level in levels:
            for schema, count in dict(level.tally.dispatched).items():
                dispatched.add_metric([level.name, schema], count)
            for (schema, reason), count in dict(level.tally.rejected).items():
                rejected.add_metric([level.name, schema, reason], count)
            for schema, count in dict(level.executing).items():
                executing.add_metric([level.name, schema], count)
            for schema, count in _waiting(level).items():
                waiting.add_metric([level.name, schema], count)
        return (dispatched, rejected, executing, waiting)

    def _waits(self, levels: list[Level]) -> core.Metric:
        histogram = core.HistogramMetricFamily(
            f"{_PREFIX}request_wait_duration_seconds",
            "Length of time a request spent waiting in its queue",
            labels=[*_BY_SCHEMA, "execute"],
        )
        for level in levels:
            for schema, seen in dict(level.tally.waited).items():
                histogram.add_metric([level.name, schema, "true"], seen.cumulative(), seen.sum)
        return histogram


def _waiting(level: Level) -> dict[str, int]:
    found: dict[str, int] = {}
    for queue in level.queues:
        for waiter in list(queue.waiting):
            found[waiter.schema] = found.get(waiter.schema, 0) + 1
    return found
