"""From what a kubelet tells at ``/metrics/resource`` to usage over a window. Pure.

Source: KEP-727 (Resource Metrics Endpoint); the Prometheus text format; metrics.k8s.io/v1beta1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)(?: (\d+))?")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')

Container = tuple[str, str, str]


@dataclass(slots=True)
class Point:
    """Seconds of CPU since ``started``, and bytes of memory, at one time (seconds since the epoch)."""

    at: float
    cpu: float | None = None
    memory: float | None = None
    started: float = 0.0

    @property
    def whole(self) -> bool:
        return self.cpu is not None and self.memory is not None


@dataclass(slots=True)
class Sample:
    """One look at a node. Containers are known by namespace, pod and name."""

    node: Point
    containers: dict[Container, Point] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores and bytes, over the ``window`` seconds that end ``at``."""

    cpu: float
    memory: float
    at: float
    window: float

    def shown(self) -> dict[str, str]:
        """As a resource list: nanocores and kibibytes, as upstream's server writes them."""
        return {"cpu": f"{math.ceil(self.cpu * 1e9)}n" if self.cpu else "0", "memory": f"{round(self.memory / 1024)}Ki"}


def parse(text: str, now: float) -> Sample:
    """Lines of other metrics, and lines that cannot be read, count for nothing."""
    sample = Sample(Point(now))
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        _take(sample, match[1], match[2] or "", value, int(match[4]) / 1000 if match[4] else now)
    return sample


def _take(sample: Sample, name: str, labels: str, value: float, at: float) -> None:
    if name.startswith("node_"):
        point = sample.node
    elif name.startswith("container_"):
        named = dict(_LABEL.findall(labels))
        key = (named.get("namespace", ""), named.get("pod", ""), named.get("container", ""))
        point = sample.containers.setdefault(key, Point(at))
    else:
        return
    if name.endswith("_cpu_usage_seconds_total"):
        point.cpu, point.at = value, at
    elif name.endswith("_memory_working_set_bytes"):
        point.memory = value
    elif name.endswith("_start_time_seconds"):
        point.started = value


def usage(before: Point | None, now: Point | None) -> Usage | None:
    """What was used between two looks; None where that cannot be told.

    A container that has started since the last look has its whole life for a window.
    """
    if now is None or now.cpu is None or now.memory is None:
        return None
    if before is not None and before.cpu is not None and before.cpu <= now.cpu and before.at < now.at:
        window = now.at - before.at
        return Usage((now.cpu - before.cpu) / window, now.memory, now.at, window)
    lived = now.at - now.started
    if not now.started or lived < 1.0:
        return None
    return Usage(now.cpu / lived, now.memory, now.at, lived)
