"""Usage of the node, its pods and containers, as ``/stats/summary`` and in Prometheus' text form: pure.

Source: upstream's stats v1alpha1 API; metric names of ``/metrics/resource`` (KEP-727) and of cAdvisor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import timestamps
from kijabi.node.cri import contract
from kijabi.node.kubelet import labels


@dataclass(slots=True)
class NodeUsage:
    """CPU in nanoseconds since boot, memory and disks in bytes."""

    name: str
    now: float
    started: float
    cpu_nanoseconds: int
    memory_total: int
    memory_available: int
    disk_total: int
    disk_available: int
    images_bytes: int = 0


@dataclass(slots=True)
class Usage:
    node: NodeUsage
    containers: list[contract.Stats]
    networks: list[contract.PodNetworkStats]
    started: Mapping[str, float] = field(default_factory=dict)


def _by_pod(usage: Usage) -> dict[str, tuple[dict[str, str], list[contract.Stats], contract.PodNetworkStats | None]]:
    pods: dict[str, tuple[dict[str, str], list[contract.Stats], contract.PodNetworkStats | None]] = {}
    for network in usage.networks:
        uid = network.labels.get(labels.POD_UID, "")
        pods[uid] = (network.labels, [], network)
    for stats in usage.containers:
        uid = stats.labels.get(labels.POD_UID, "")
        pods.setdefault(uid, (stats.labels, [], None))[1].append(stats)
    pods.pop("", None)
    return pods


def summary(usage: Usage) -> dict[str, Any]:
    """The Summary object."""
    node, stamp = usage.node, timestamps.format_time(usage.node.now)
    used = node.memory_total - node.memory_available
    disk = {
        "time": stamp,
        "availableBytes": node.disk_available,
        "capacityBytes": node.disk_total,
        "usedBytes": node.disk_total - node.disk_available,
    }
    return {
        "node": {
            "nodeName": node.name,
            "startTime": timestamps.format_time(node.started),
            "cpu": {"time": stamp, "usageCoreNanoSeconds": node.cpu_nanoseconds},
            "memory": {
                "time": stamp,
                "availableBytes": node.memory_available,
                "usageBytes": used,
                "workingSetBytes": used,
            },
            "fs": disk,
            "runtime": {"imageFs": {**disk, "usedBytes": node.images_bytes}},
        },
        "pods": [_pod(usage, *entry) for entry in _by_pod(usage).values()],
    }


def _pod(
    usage: Usage, named: Mapping[str, str], stats: list[contract.Stats], network: contract.PodNetworkStats | None
) -> dict[str, Any]:
    stamp = timestamps.format_time(usage.node.now)
    made: dict[str, Any] = {
        "podRef": {
            "name": named.get(labels.POD_NAME, ""),
            "namespace": named.get(labels.POD_NAMESPACE, ""),
            "uid": named.get(labels.POD_UID, ""),
        },
        "startTime": timestamps.format_time(min((usage.started.get(each.id, 0.0) for each in stats), default=0.0)),
        "containers": [_container(usage, each) for each in stats],
        "cpu": {"time": stamp, "usageCoreNanoSeconds": sum(each.cpu_nanoseconds for each in stats)},
        "memory": {
            "time": stamp,
            "usageBytes": sum(each.memory_usage for each in stats),
            "workingSetBytes": sum(each.memory_working_set for each in stats),
        },
    }
    if network is not None:
        counters = {
            "name": network.interface,
            "rxBytes": network.rx_bytes,
            "rxErrors": network.rx_errors,
            "txBytes": network.tx_bytes,
            "txErrors": network.tx_errors,
        }
        made["network"] = {"time": stamp, **counters, "interfaces": [counters]}
        made["process_stats"] = {"process_count": network.processes}
    return made


def _container(usage: Usage, stats: contract.Stats) -> dict[str, Any]:
    stamp = timestamps.format_time(stats.timestamp or usage.node.now)
    return {
        "name": stats.name,
        "startTime": timestamps.format_time(usage.started.get(stats.id, 0.0)),
        "cpu": {"time": stamp, "usageCoreNanoSeconds": stats.cpu_nanoseconds},
        "memory": {
            "time": stamp,
            "usageBytes": stats.memory_usage,
            "workingSetBytes": stats.memory_working_set,
            "rssBytes": stats.memory_rss,
            "pageFaults": stats.page_faults,
            "majorPageFaults": stats.major_page_faults,
        },
        "rootfs": {"time": stamp, "usedBytes": stats.writable_layer_bytes, "inodesUsed": stats.writable_layer_inodes},
    }


Sample = tuple[Mapping[str, str], float]


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for named, value in samples:
        inside = ",".join(f'{key}="{_escaped(each)}"' for key, each in named.items())
        lines.append(f"{name}{{{inside}}} {value:.12g}" if inside else f"{name} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _named(stats: contract.Stats) -> dict[str, str]:
    return {
        "container": stats.name,
        "namespace": stats.labels.get(labels.POD_NAMESPACE, ""),
        "pod": stats.labels.get(labels.POD_NAME, ""),
    }


def resource_metrics(usage: Usage) -> str:
    """``/metrics/resource``."""
    pods = [
        ({"namespace": named.get(labels.POD_NAMESPACE, ""), "pod": named.get(labels.POD_NAME, "")}, stats)
        for named, stats, _ in _by_pod(usage).values()
    ]
    node = usage.node
    listed = usage.containers
    cpu, memory = "Cumulative cpu time consumed", "Current working set"
    return "".join(
        [
            _family(
                "container_cpu_usage_seconds_total",
                "counter",
                f"{cpu} by the container in core-seconds",
                [(_named(each), each.cpu_nanoseconds / 1e9) for each in listed],
            ),
            _family(
                "container_memory_working_set_bytes",
                "gauge",
                f"{memory} of the container in bytes",
                [(_named(each), each.memory_working_set) for each in listed],
            ),
            _family(
                "container_start_time_seconds",
                "gauge",
                "Start time of the container since unix epoch in seconds",
                [(_named(each), usage.started.get(each.id, 0.0)) for each in listed],
            ),
            _family(
                "node_cpu_usage_seconds_total",
                "counter",
                f"{cpu} by the node in core-seconds",
                [({}, node.cpu_nanoseconds / 1e9)],
            ),
            _family(
                "node_memory_working_set_bytes",
                "gauge",
                f"{memory} of the node in bytes",
                [({}, node.memory_total - node.memory_available)],
            ),
            _family(
                "pod_cpu_usage_seconds_total",
                "counter",
                f"{cpu} by the pod in core-seconds",
                [(named, sum(each.cpu_nanoseconds for each in stats) / 1e9) for named, stats in pods],
            ),
            _family(
                "pod_memory_working_set_bytes",
                "gauge",
                f"{memory} of the pod in bytes",
                [(named, sum(each.memory_working_set for each in stats)) for named, stats in pods],
            ),
            _family(
                "resource_scrape_error", "gauge", "1 if there was an error while getting container metrics", [({}, 0)]
            ),
        ]
    )


def cadvisor_metrics(usage: Usage) -> str:
    """``/metrics/cadvisor``: the families that the runtime can tell."""
    families: list[tuple[str, str, str, str, float]] = [
        (
            "container_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed in seconds.",
            "cpu_nanoseconds",
            1e9,
        ),
        ("container_memory_usage_bytes", "gauge", "Current memory usage in bytes.", "memory_usage", 1),
        ("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", "memory_working_set", 1),
        ("container_memory_rss", "gauge", "Size of RSS in bytes.", "memory_rss", 1),
        (
            "container_fs_usage_bytes",
            "gauge",
            "Number of bytes consumed on this filesystem.",
            "writable_layer_bytes",
            1,
        ),
    ]
    made = [
        _family(name, kind, text, [(_named(each), getattr(each, key) / unit) for each in usage.containers])
        for name, kind, text, key, unit in families
    ]
    for name, text, key in (
        ("container_network_receive_bytes_total", "Cumulative count of bytes received", "rx_bytes"),
        ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", "tx_bytes"),
    ):
        samples: list[Sample] = [
            (
                {
                    "interface": network.interface,
                    "namespace": network.labels.get(labels.POD_NAMESPACE, ""),
                    "pod": network.labels.get(labels.POD_NAME, ""),
                },
                getattr(network, key),
            )
            for network in usage.networks
        ]
        made.append(_family(name, "counter", text, samples))
    return "".join(made)


def own_metrics(counts: Mapping[str, float]) -> str:
    """``/metrics``: what the kubelet counts of itself."""
    texts = {
        "kubelet_running_pods": "Number of pods that have a running pod sandbox",
        "kubelet_running_containers": "Number of containers currently running",
        "kubelet_desired_pods": "The number of pods the kubelet is being instructed to run.",
        "process_resident_memory_bytes": "Resident memory size in bytes.",
        "process_cpu_seconds_total": "Total user and system CPU time spent in seconds.",
    }
    return "".join(
        _family(name, "counter" if name.endswith("_total") else "gauge", texts.get(name, name), [({}, value)])
        for name, value in counts.items()
    )
