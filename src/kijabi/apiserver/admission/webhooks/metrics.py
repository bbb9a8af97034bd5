"""What is counted of webhooks, under upstream's names. Source: "Kubernetes Metrics Reference"."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from prometheus_client import core
from prometheus_client.registry import Collector

BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10, 25)
CALLING, INTERNAL, NO_ERROR = "calling_webhook_error", "apiserver_internal_error", "no_error"
_PREFIX = "apiserver_admission_"
# Upstream's bound on how many labels a strange server can make.
_HIGHEST_CODE = 600

_Key = TypeVar("_Key")


class Call(NamedTuple):
    """``type`` is ``admit`` or ``validating``."""

    name: str
    type: str
    operation: str


class Metrics(Collector):
    def __init__(self) -> None:
        self._durations: dict[tuple[Call, str], list[float]] = {}
        self._requests: dict[tuple[Call, str, str], int] = {}
        self._rejections: dict[tuple[Call, str, str], int] = {}
        self._fail_open: dict[tuple[str, str], int] = {}
        self._excluded: dict[Call, int] = {}
        self._faults: dict[Call, int] = {}

    def called(self, call: Call, code: int, rejected: str, seconds: float) -> None:
        """``rejected`` is the kind of error; empty where the request went on."""
        shown, refused = str(min(code, _HIGHEST_CODE)), "true" if rejected else "false"
        _add(self._requests, (call, shown, refused))
        if rejected:
            _add(self._rejections, (call, rejected, shown))
        counts = self._durations.setdefault((call, refused), [0.0] * (len(BUCKETS) + 2))
        counts[bisect_left(BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def failed_open(self, name: str, kind: str) -> None:
        _add(self._fail_open, (name, kind))

    def excluded(self, call: Call) -> None:
        """A match condition kept the hook from being asked."""
        _add(self._excluded, call)

    def condition_failed(self, call: Call) -> None:
        _add(self._faults, call)

    def collect(self) -> Iterable[core.Metric]:
        # Copied first: this runs in a thread while requests go on.
        yield self._histogram()
        labels = ["name", "type", "operation"]
        requests = core.CounterMetricFamily(
            f"{_PREFIX}webhook_request",
            "Admission webhook requests by name, type, operation, code and whether the request was rejected.",
            labels=[*labels, "code", "rejected"],
        )
        for (call, code, refused), count in list(self._requests.items()):
            requests.add_metric([*call, code, refused], count)
        yield requests
        yield _untotalled(
            "webhook_rejection_count",
            "Admission webhook rejections by name, type, operation, kind of error and code.",
            [*labels, "error_type", "rejection_code"],
            [([*call, why, code], count) for (call, why, code), count in list(self._rejections.items())],
        )
        yield _untotalled(
            "webhook_fail_open_count",
            "Admission webhook failures that were let pass, by name and type.",
            ["name", "type"],
            [(list(key), count) for key, count in list(self._fail_open.items())],
        )
        for name, help_, counted in (
            ("match_condition_exclusions", "Requests that a match condition excluded.", self._excluded),
            ("match_condition_evaluation_errors", "Match conditions that could not be evaluated.", self._faults),
        ):
            family = core.CounterMetricFamily(_PREFIX + name, help_, labels=["name", "kind", "type", "operation"])
            for call, count in list(counted.items()):
                family.add_metric([call.name, "webhook", call.type, call.operation], count)
            yield family

    def _histogram(self) -> core.Metric:
        family = core.HistogramMetricFamily(
            f"{_PREFIX}webhook_admission_duration_seconds",
            "Admission webhook latency in seconds by name, type and operation.",
            labels=["name", "type", "operation", "rejected"],
        )
        for (call, refused), counts in list(self._durations.items()):
            total, buckets = 0.0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts[:-1], strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([*call, refused], buckets, counts[-1])
        return family


def _untotalled(name: str, help_: str, labels: list[str], rows: list[tuple[list[str], int]]) -> core.Metric:
    # As a counter its name would be given an ending that upstream's has not.
    family = core.Metric(_PREFIX + name, help_, "unknown")
    for values, count in rows:
        family.add_sample(_PREFIX + name, dict(zip(labels, values, strict=True)), count)
    return family


def _add(counts: dict[_Key, int], key: _Key) -> None:
    counts[key] = counts.get(key, 0) + 1
