"""HorizontalPodAutoscalers, autoscaling/v2: the form that is stored."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("autoscaling/v2", "horizontalpodautoscalers")
COLUMNS = (
    printing.NAME,
    printing.text("Reference", "What is scaled."),
    printing.text("Targets", "Measured and wanted."),
    printing.text("MinPods", "The fewest pods."),
    printing.text("MaxPods", "The most pods."),
    printing.text("Replicas", "Pods now."),
    printing.AGE,
)
_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Object = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        behavior["scaleUp"] = _rules(behavior.get("scaleUp"), _UP)
        behavior["scaleDown"] = _rules(behavior.get("scaleDown"), _DOWN)


def _rules(given: Object | None, defaults: Object) -> Object:
    policies = [dict(policy) for policy in defaults["policies"]]
    return {
        **defaults,
        "policies": policies,
        **{key: value for key, value in (given or {}).items() if value is not None},
    }


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    found: Errors = []
    if low < 1:
        found.append(field.invalid("spec.minReplicas", low, "must be greater than or equal to 1"))
    if high < 1:
        found.append(field.invalid("spec.maxReplicas", high, "must be greater than 0"))
    if low > high:
        found.append(field.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    for key in ("kind", "name"):
        if not target.get(key):
            found.append(field.required(f"spec.scaleTargetRef.{key}"))
        else:
            found += checks.word(target[key], f"spec.scaleTargetRef.{key}", names.path_segment)
    for position, metric in enumerate(spec.get("metrics") or ()):
        found += _metric(metric, f"spec.metrics[{position}]")
    return found


def _metric(metric: Object, path: str) -> Errors:
    kind = metric.get("type", "")
    if not kind:
        return [field.required(field.child(path, "type"), "must specify a metric source type")]
    if kind not in _SOURCES:
        return [field.not_supported(field.child(path, "type"), kind, _SOURCES)]
    source = metric.get(_SOURCES[kind])
    where = field.child(path, _SOURCES[kind])
    if source is None:
        text = "must populate information for the given metric source"
        return [field.required(where, text)]
    target = source.get("target") or {}
    choices = ("AverageValue", "Utilization", "Value")
    found = checks.one_of(target.get("type"), field.child(where, "target", "type"), choices)
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            found.append(field.required(field.child(where, "name"), "must specify a resource name"))
        if target.get("averageUtilization") is None and target.get("averageValue") is None:
            text = "must set either a target raw value or a target utilization"
            found.append(field.required(field.child(where, "target", "averageUtilization"), text))
    elif not (source.get("metric") or {}).get("name"):
        found.append(field.required(field.child(where, "metric", "name"), "must specify a metric name"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def _cell(metric: Object, status: Object) -> str:
    key = _SOURCES.get(metric.get("type", ""), "")
    source, told = metric.get(key) or {}, (status.get(key) or {}).get("current") or {}
    target = source.get("target") or {}
    prefix = f"{source.get('name', '')}: " if key in ("resource", "containerResource") else ""
    if target.get("averageValue") is not None:
        tail = " (avg)" if key in ("external", "object") else ""
        return f"{prefix}{told.get('averageValue', '<unknown>')}/{target['averageValue']}{tail}"
    if prefix:
        now, wanted = told.get("averageUtilization"), target.get("averageUtilization")
        shown = "<unknown>" if now is None else f"{now}%"
        return f"{prefix}{shown}/{'<auto>' if wanted is None else f'{wanted}%'}"
    return f"{told.get('value', '<unknown>')}/{target.get('value', '')}"


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    metrics, current = spec.get("metrics") or [], told.get("currentMetrics") or []
    cells = [_cell(metric, current[n] if n < len(current) else {}) for n, metric in enumerate(metrics)]
    shown = ", ".join(cells[:2]) or printing.NONE
    if len(cells) > 2:
        shown = f"{shown} + {len(cells) - 2} more..."
    target = spec.get("scaleTargetRef") or {}
    return [
        printing.name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        shown,
        str(spec.get("minReplicas", printing.UNSET)),
        spec.get("maxReplicas", 0),
        told.get("currentReplicas", 0),
        printing.age(obj, now),
    ]
