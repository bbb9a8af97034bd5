"""Pods and owners as plain data, for tables."""

from __future__ import annotations

from typing import Any

from kijabi.api import timestamps

Object = dict[str, Any]
NOW = 1_700_000_000.0


def stamp(ago: float = 0.0) -> str:
    return timestamps.format_time(NOW - ago)


def pod(
    name: str = "p",
    *,
    phase: str = "Running",
    ready: bool | None = None,
    ready_for: float = 3600.0,
    node: str = "n1",
    going: bool = False,
    age: float = 3600.0,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    finalizers: tuple[str, ...] = (),
    status: Object | None = None,
    spec: Object | None = None,
) -> Object:
    """Ready unless it is said otherwise or it does not run."""
    ready = phase == "Running" if ready is None else ready
    meta: Object = {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "creationTimestamp": stamp(age),
        "labels": labels or {},
        "annotations": annotations or {},
        "finalizers": list(finalizers),
    }
    if going:
        meta["deletionTimestamp"] = stamp()
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": stamp(ready_for)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}], **(spec or {})},
        "status": {"phase": phase, "conditions": [condition], **(status or {})},
    }


def owner(
    kind: str, name: str = "web", *, status: Object | None = None, version: str = "apps/v1", **spec: Any
) -> Object:
    meta = {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "generation": 1,
        "creationTimestamp": stamp(7200),
    }
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Always"},
    }
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": meta,
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
        "status": status or {},
    }
