"""HorizontalPodAutoscalers, autoscaling/v1: CPU utilization as one field, the rest in annotations.

``from_stored`` and ``to_stored`` translate to and from autoscaling/v2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api import resource, served, zeros
from kijabi.api.autoscaling import horizontalpodautoscaler as v2
from kijabi.api.autoscaling import roundtrip
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.kit import jsons

RESOURCE = served.find("autoscaling/v1", "horizontalpodautoscalers")
COLUMNS = v2.COLUMNS
_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR = v2.ANNOTATIONS[:4]


def default(obj: Object) -> None:
    obj.setdefault("spec", {}).setdefault("minReplicas", 1)


def prepare_create(obj: Object) -> None:
    obj["status"] = {}
    _carry(obj, {"metadata": {}}, _CURRENT, _CONDITIONS)


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    _carry(new, old, _CURRENT, _CONDITIONS)


def prepare_status(new: Object, old: Object) -> None:
    _carry(new, old, _METRICS, _BEHAVIOR)


def _carry(new: Object, old: Object, *keys: str) -> None:
    """These annotations tell of a part that does not change here."""
    annotations = dict(new["metadata"].get("annotations") or {})
    for key in keys:
        resource.keep(annotations, old["metadata"].get("annotations") or {}, key)
    resource.keep(new["metadata"], {"annotations": annotations} if annotations else {}, "annotations")


def _is_cpu(metric: Object, half: str) -> bool:
    source = metric.get("resource") or {}
    share = (source.get(half) or {}).get("averageUtilization")
    return metric.get("type") == "Resource" and source.get("name") == "cpu" and share is not None


def _cpu(half: str, values: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", half: values}}


def to_stored(obj: Object) -> Object:
    stored = _converted(obj)
    # What is read from the store has version 2's defaults.
    v2.default(stored)
    return stored


def _converted(obj: Object) -> Object:
    stored = {**obj, "apiVersion": "autoscaling/v2", "metadata": dict(obj["metadata"])}
    annotations = stored["metadata"].get("annotations") or {}
    stored["spec"] = _spec_to(dict(obj.get("spec") or {}), annotations)
    if "status" in obj:
        stored["status"] = _status_to(dict(obj["status"] or {}), annotations)
    kept = {key: value for key, value in annotations.items() if key not in v2.ANNOTATIONS}
    resource.keep(stored["metadata"], {"annotations": kept} if kept else {}, "annotations")
    return stored


def _spec_to(spec: Object, annotations: Mapping[str, str]) -> Object:
    share = spec.pop("targetCPUUtilizationPercentage", None)
    told = roundtrip.read(annotations.get(_METRICS))
    metrics = [roundtrip.metric_from_v1(metric) for metric in told] if isinstance(told, list) else []
    if share is not None:
        metrics.append(_cpu("target", {"type": "Utilization", "averageUtilization": share}))
    spec["metrics"] = metrics or [_cpu("target", {"type": "Utilization", "averageUtilization": v2.USUAL_SHARE})]
    behavior = roundtrip.read(annotations.get(_BEHAVIOR))
    if isinstance(behavior, dict):
        made = roundtrip.behavior_from_v1(behavior)
        if made is not None:
            spec["behavior"] = made
    return spec


def _status_to(told: Object, annotations: Mapping[str, str]) -> Object:
    share = told.pop("currentCPUUtilizationPercentage", None)
    measured, found = roundtrip.read(annotations.get(_CURRENT)), roundtrip.read(annotations.get(_CONDITIONS))
    told["currentMetrics"] = None
    if isinstance(measured, list):
        told["currentMetrics"] = [roundtrip.status_from_v1(metric) for metric in measured] or None
    elif share is not None:
        told["currentMetrics"] = [_cpu("current", {"averageUtilization": share})]
    if isinstance(found, list) and found:
        told["conditions"] = found
    zeros.show(told, {"desiredReplicas": 0})
    zeros.hide(told, "currentReplicas")
    return told


def from_stored(obj: Object) -> Object:
    shown = {**obj, "apiVersion": "autoscaling/v1", "metadata": dict(obj["metadata"])}
    annotations = dict(shown["metadata"].get("annotations") or {})
    for key in v2.ANNOTATIONS:
        annotations.pop(key, None)
    shown["spec"] = _spec_from(dict(obj.get("spec") or {}), annotations)
    if "status" in obj:
        shown["status"] = _status_from(dict(obj["status"] or {}), annotations)
    resource.keep(shown["metadata"], {"annotations": annotations} if annotations else {}, "annotations")
    return shown


def _spec_from(spec: Object, annotations: dict[str, str]) -> Object:
    metrics = spec.pop("metrics", None) or []
    shares = [m["resource"]["target"]["averageUtilization"] for m in metrics if _is_cpu(m, "target")]
    if shares:
        spec["targetCPUUtilizationPercentage"] = shares[0]
    _put(annotations, _METRICS, [roundtrip.metric_to_v1(m) for m in metrics if not _is_cpu(m, "target")])
    behavior = spec.pop("behavior", None)
    if behavior is not None:
        _put(annotations, _BEHAVIOR, roundtrip.behavior_to_v1(behavior))
    return spec


def _status_from(told: Object, annotations: dict[str, str]) -> Object:
    measured = told.pop("currentMetrics", None) or []
    shares = [m["resource"]["current"]["averageUtilization"] for m in measured if _is_cpu(m, "current")]
    if shares:
        told["currentCPUUtilizationPercentage"] = shares[-1]
    # Here nothing is left out: the field has the share alone, and not the amount.
    _put(annotations, _CURRENT, [roundtrip.status_to_v1(metric) for metric in measured])
    _put(annotations, _CONDITIONS, [roundtrip.condition(one) for one in told.pop("conditions", None) or ()])
    zeros.show(told, {"currentReplicas": 0, "desiredReplicas": 0})
    return told


def _put(annotations: dict[str, str], key: str, value: Any) -> None:
    if value:
        annotations[key] = jsons.dumps(value).decode()


EXTRA = {"stored": v2.RESOURCE, "from_stored": from_stored, "to_stored": to_stored}


def validate_create(obj: Object) -> Errors:
    return v2.validate_create(_converted(obj))


def validate_update(new: Object, old: Object) -> Errors:
    return v2.validate_update(_converted(new), _converted(old))


def validate_status(new: Object, old: Object) -> Errors:
    return v2.validate_status(new, old)


def columns(obj: Object, now: float) -> list[Any]:
    return v2.columns(to_stored(obj), now)
