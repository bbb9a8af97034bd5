"""Metrics, under upstream's names.

They live in the process's registry; a second scheduler in one process (tests) adds to the same.
Source: "Kubernetes Metrics Reference".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import prometheus_client

SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"


def _doubling(first: float, count: int) -> tuple[float, ...]:
    return tuple(first * 2**number for number in range(count))


ATTEMPTS = prometheus_client.Counter(
    "scheduler_schedule_attempts_total",
    "Attempts to place pods, by result: 'unschedulable' fits nowhere, 'error' is a problem of the scheduler.",
    ("result", "profile"),
)
ATTEMPT_SECONDS = prometheus_client.Histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Seconds of an attempt, binding included.",
    ("result", "profile"),
    buckets=_doubling(0.001, 15),
)
ALGORITHM_SECONDS = prometheus_client.Histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Seconds of a decision.",
    buckets=_doubling(0.001, 15),
)
POD_SECONDS = prometheus_client.Histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "Seconds from the first queueing of a pod until it is bound.",
    ("attempts",),
    buckets=_doubling(0.01, 20),
)
POD_ATTEMPTS = prometheus_client.Histogram(
    "scheduler_pod_scheduling_attempts",
    "Attempts it took to place a pod.",
    buckets=_doubling(1, 5),
)
PREEMPTIONS = prometheus_client.Counter("scheduler_preemption_attempts_total", "Attempts to preempt.")
VICTIMS = prometheus_client.Histogram(
    "scheduler_preemption_victims", "Victims per preemption.", buckets=_doubling(1, 7)
)
PENDING = prometheus_client.Gauge("scheduler_pending_pods", "Pods that are not placed, by queue.", ("queue",))
CACHE = prometheus_client.Gauge("scheduler_cache_size", "Nodes, pods and assumed pods that are counted.", ("type",))


def attempt(result: str, profile: str, seconds: float) -> None:
    ATTEMPTS.labels(result, profile).inc()
    ATTEMPT_SECONDS.labels(result, profile).observe(seconds)


def scheduled(attempts: int, seconds: float) -> None:
    POD_ATTEMPTS.observe(attempts)
    POD_SECONDS.labels(str(attempts) if attempts < 16 else "16+").observe(seconds)


def watch(pending: Callable[[], Mapping[str, int]], cached: Callable[[], Mapping[str, int]]) -> None:
    """Read the gauges from these when somebody asks."""
    for queue in pending():
        PENDING.labels(queue).set_function(_reading(pending, queue))
    for kind in cached():
        CACHE.labels(kind).set_function(_reading(cached, kind))


def _reading(read: Callable[[], Mapping[str, int]], name: str) -> Callable[[], float]:
    return lambda: float(read()[name])
