"""HorizontalPodAutoscalers, autoscaling/v1: CPU utilization as one field, the rest in annotations.

``from_stored`` and ``to_stored`` translate to and from autoscaling/v2.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import served
from kijabi.api.autoscaling import horizontalpodautoscaler as v2
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.kit import jsons

RESOURCE = served.find("autoscaling/v1", "horizontalpodautoscalers")
COLUMNS = v2.COLUMNS
_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"


def default(obj: Object) -> None:
    obj.setdefault("spec", {}).setdefault("minReplicas", 1)


def _is_cpu(metric: Object) -> bool:
    resource = metric.get("resource") or {}
    value = (resource.get("target") or resource.get("current") or {}).get("averageUtilization")
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and value is not None


def to_stored(obj: Object) -> Object:
    stored = {
        **obj,
        "apiVersion": "autoscaling/v2",
        "metadata": dict(obj["metadata"]),
        "spec": dict(obj.get("spec") or {}),
    }
    annotations = dict(stored["metadata"].get("annotations") or {})
    metrics = _annotated(annotations, _METRICS) or []
    wanted = stored["spec"].pop("targetCPUUtilizationPercentage", None)
    if wanted is not None:
        target = {"type": "Utilization", "averageUtilization": wanted}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    if metrics:
        stored["spec"]["metrics"] = metrics
    behavior = _annotated(annotations, _BEHAVIOR)
    if behavior is not None:
        stored["spec"]["behavior"] = behavior
    _status_to(stored, obj, annotations)
    _annotate(stored["metadata"], annotations)
    # What v1 leaves out has v2's defaults.
    v2.default(stored)
    return stored


def _status_to(stored: Object, obj: Object, annotations: dict[str, str]) -> None:
    current, found = _annotated(annotations, _CURRENT) or [], _annotated(annotations, _CONDITIONS)
    if "status" not in obj:
        return
    told = stored["status"] = dict(obj["status"])
    now = told.pop("currentCPUUtilizationPercentage", None)
    if now is not None:
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": now}}}, *current]
    if current:
        told["currentMetrics"] = current
    if found:
        told["conditions"] = found


def from_stored(obj: Object) -> Object:
    shown = {
        **obj,
        "apiVersion": "autoscaling/v1",
        "metadata": dict(obj["metadata"]),
        "spec": dict(obj.get("spec") or {}),
    }
    annotations = dict(shown["metadata"].get("annotations") or {})
    metrics = shown["spec"].pop("metrics", None) or []
    cpu = next((metric for metric in metrics if _is_cpu(metric)), None)
    if cpu is not None:
        shown["spec"]["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    _put(annotations, _METRICS, [metric for metric in metrics if metric is not cpu])
    _put(annotations, _BEHAVIOR, shown["spec"].pop("behavior", None))
    if "status" in obj:
        told = shown["status"] = dict(obj["status"])
        current = told.pop("currentMetrics", None) or []
        measured = next((metric for metric in current if _is_cpu(metric)), None)
        if measured is not None:
            told["currentCPUUtilizationPercentage"] = measured["resource"]["current"]["averageUtilization"]
        _put(annotations, _CURRENT, [metric for metric in current if metric is not measured])
        _put(annotations, _CONDITIONS, told.pop("conditions", None))
    _annotate(shown["metadata"], annotations)
    return shown


def _annotated(annotations: dict[str, str], key: str) -> Any:
    text = annotations.pop(key, None)
    if text is None:
        return None
    try:
        return jsons.loads(text)
    except jsons.Malformed:
        return None


def _put(annotations: dict[str, str], key: str, value: Any) -> None:
    if value:
        annotations[key] = jsons.dumps(value).decode()


def _annotate(meta: Object, annotations: dict[str, str]) -> None:
    if annotations:
        meta["annotations"] = annotations
    else:
        meta.pop("annotations", None)


EXTRA = {"stored": v2.RESOURCE, "from_stored": from_stored, "to_stored": to_stored}


def validate_create(obj: Object) -> Errors:
    return v2.validate_create(to_stored(obj))


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return v2.columns(to_stored(obj), now)
