"""NodeMetrics and PodMetrics of metrics.k8s.io/v1beta1: how they look, and their columns for ``kubectl get``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kijabi.api import quantity, resource, timestamps
from kijabi.apiserver.resourcemetrics import samples

Object = resource.Object

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
NODES = resource.Resource(GROUP, VERSION, "nodes", "NodeMetrics", False, verbs=("get", "list"))
PODS = resource.Resource(GROUP, VERSION, "pods", "PodMetrics", True, verbs=("get", "list"))

_COLUMNS = (
    resource.Column("Name", format="name", description="Name of the resource"),
    resource.Column("cpu", "string", description="CPU used"),
    resource.Column("memory", "string", description="Memory used"),
    resource.Column("Window", "string", description="Over which time"),
)


def _made(what: resource.Resource, source: Object, measured: Sequence[samples.Usage], **more: Any) -> Object:
    meta = source["metadata"]
    named: Object = {"name": meta["name"]}
    if what.namespaced:
        named["namespace"] = meta["namespace"]
    at = min(usage.at for usage in measured)
    named["creationTimestamp"] = timestamps.format_time(at)
    if meta.get("labels"):
        named["labels"] = meta["labels"]
    window = max(usage.window for usage in measured)
    return {
        "kind": what.kind,
        "apiVersion": what.api_version,
        "metadata": named,
        "timestamp": timestamps.format_time(at),
        "window": timestamps.format_duration(round(window, 3)),
        **more,
    }


def node_metrics(node: Object, usage: samples.Usage) -> Object:
    return _made(NODES, node, [usage], usage=usage.shown())


def pod_metrics(pod: Object, used: dict[str, samples.Usage]) -> Object:
    containers = [{"name": name, "usage": usage.shown()} for name, usage in used.items()]
    return _made(PODS, pod, list(used.values()), containers=containers)


def _cells(usages: Callable[[Object], list[Object]]) -> Callable[[Object, float], list[Any]]:
    def columns(obj: Object, now: float) -> list[Any]:
        told = usages(obj)
        cpu = sum(quantity.parse(usage["cpu"]).milli() for usage in told)
        memory = sum(quantity.parse(usage["memory"]).value() for usage in told)
        return [obj["metadata"]["name"], f"{cpu}m", f"{memory // 1024}Ki", obj["window"]]

    return columns


STRATEGIES = {
    "nodes": resource.Strategy(NODES, column_names=_COLUMNS, columns=_cells(lambda obj: [obj["usage"]])),
    "pods": resource.Strategy(
        PODS, column_names=_COLUMNS, columns=_cells(lambda obj: [one["usage"] for one in obj["containers"]])
    ),
}
