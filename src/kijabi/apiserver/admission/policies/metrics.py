"""What is counted of policies, under upstream's names. Source: "Kubernetes Metrics Reference"."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import core
from prometheus_client.registry import Collector

BUCKETS = (0.0000005, 0.001, 0.01, 0.1, 1.0)
NO_ERROR, COMPILE, INVALID, BUDGET = "no_error", "compile_error", "invalid_error", "out_of_budget"


class Check(NamedTuple):
    """``action`` is allow, deny, audit or warn."""

    kind: str
    policy: str
    binding: str
    error: str
    action: str


class Metrics(Collector):
    """``kind`` is ``validating`` or ``mutating``."""

    def __init__(self) -> None:
        self._seconds: dict[Check, list[float]] = {}

    def checked(self, check: Check, seconds: float) -> None:
        counts = self._seconds.setdefault(check, [0.0] * (len(BUCKETS) + 2))
        counts[bisect_left(BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def collect(self) -> Iterable[core.Metric]:
        # Copied first: this runs in a thread while requests go on.
        held = dict(self._seconds)
        labels = ["error_type", "policy", "policy_binding", "enforcement_action"]
        for kind in ("validating", "mutating"):
            name = f"apiserver_{kind}_admission_policy_check"
            word = "Validation" if kind == "validating" else "Mutation"
            total = core.CounterMetricFamily(f"{name}_total", f"{word} admission policy check total.", labels=labels)
            spent = core.HistogramMetricFamily(
                f"{name}_duration_seconds", f"{word} admission latency for individual expressions.", labels=labels
            )
            for check, counts in held.items():
                if check.kind == kind:
                    values = [check.error, check.policy, check.binding, check.action]
                    running = 0.0
                    buckets = []
                    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=False):
                        running += count
                        buckets.append((bound, running))
                    total.add_metric(values, running)
                    spent.add_metric(values, buckets, counts[-1])
            yield total
            yield spent
