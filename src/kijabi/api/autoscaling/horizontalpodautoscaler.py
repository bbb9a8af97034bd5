"""HorizontalPodAutoscalers, autoscaling/v2: the form that is stored."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, quantity, resource, served, zeros
from kijabi.api.autoscaling import metrics
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
ANNOTATIONS = tuple(
    f"autoscaling.alpha.kubernetes.io/{name}"
    for name in (
        "metrics",
        "current-metrics",
        "conditions",
        "behavior",
        "scale-down-tolerance",
        "scale-up-tolerance",
    )
)
"""Where version 1 keeps what it has no fields for; nowhere else do they mean anything."""

USUAL_SHARE = 80
_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800
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
        target = {"type": "Utilization", "averageUtilization": USUAL_SHARE}
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


def prepare_create(obj: Object) -> None:
    obj["status"] = {"currentMetrics": None, "desiredReplicas": 0}
    _forget(obj)


def _forget(obj: Object) -> None:
    annotations = obj["metadata"].get("annotations")
    if annotations and not annotations.keys().isdisjoint(ANNOTATIONS):
        for key in ANNOTATIONS:
            annotations.pop(key, None)
        if not annotations:
            del obj["metadata"]["annotations"]


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    _forget(new)


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    told["currentMetrics"] = told.get("currentMetrics") or None
    zeros.show(told, {"desiredReplicas": 0})
    zeros.hide(told, "currentReplicas")
    zeros.conditions(told, "lastTransitionTime")
    for metric in told["currentMetrics"] or ():
        for key in metrics.SOURCES.values():
            if metric.get(key) is not None:
                metric[key].setdefault("current", {})


def validate_create(obj: Object) -> Errors:
    return _validate(obj, None)


def validate_update(new: Object, old: Object) -> Errors:
    return _validate(new, old)


def _validate(obj: Object, old: Object | None) -> Errors:
    spec, before = obj["spec"], old["spec"] if old is not None else {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    least = 0 if before.get("minReplicas") == 0 else 1
    found: Errors = []
    if low is not None and low < least:
        found.append(field.invalid("spec.minReplicas", low, f"must be greater than or equal to {least}"))
    if high == 0:
        found.append(field.required("spec.maxReplicas", "must be set and greater than 0"))
    elif high < 0:
        found.append(field.invalid("spec.maxReplicas", high, "must be greater than or equal to 1"))
    if low is not None and high < low:
        found.append(field.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    found += _scaled(spec.get("scaleTargetRef") or {}, before.get("scaleTargetRef"))
    found += metrics.validate(spec.get("metrics") or [], low, "spec.metrics")
    for key in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(key)
        if rules is not None:
            found += _scaling(rules, f"spec.behavior.{key}")
    return found


def _scaled(target: Object, before: Object | None) -> Errors:
    path = "spec.scaleTargetRef"
    found = metrics.reference(target, path)
    if before is not None and all(before.get(key) == target.get(key) for key in ("apiVersion", "kind")):
        # What was accepted when versions were not looked at stays so.
        return found
    # Only replication controllers are of the core group.
    return found + metrics.version(target, path, needs_group=target.get("kind") != "ReplicationController")


def _scaling(rules: Object, path: str) -> Errors:
    found: Errors = []
    window, where = rules.get("stabilizationWindowSeconds"), field.child(path, "stabilizationWindowSeconds")
    if window is not None and window < 0:
        found.append(field.invalid(where, window, "must be greater than or equal to zero"))
    if window is not None and window > _LONGEST_WINDOW:
        found.append(field.invalid(where, window, f"must be less than or equal to {_LONGEST_WINDOW}"))
    chosen = rules.get("selectPolicy")
    if chosen is not None and chosen not in ("Disabled", "Max", "Min"):
        found.append(field.not_supported(field.child(path, "selectPolicy"), chosen, ("Disabled", "Max", "Min")))
    policies, where = rules.get("policies") or [], field.child(path, "policies")
    if not policies:
        found.append(field.required(where, "must specify at least one Policy"))
    for position, policy in enumerate(policies):
        found += _policy(policy, field.index(where, position))
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantity.of(tolerance).nanos < 0:
        shown = str(quantity.of(tolerance))
        found.append(field.invalid(field.child(path, "tolerance"), shown, checks.NOT_NEGATIVE))
    return found


def _policy(policy: Object, path: str) -> Errors:
    found: Errors = []
    if policy.get("type", "") not in ("Percent", "Pods"):
        found.append(field.not_supported(field.child(path, "type"), policy.get("type", ""), ("Percent", "Pods")))
    for key in ("value", "periodSeconds"):
        if policy.get(key, 0) <= 0:
            found.append(field.invalid(field.child(path, key), policy.get(key, 0), "must be greater than zero"))
    period = policy.get("periodSeconds", 0)
    if period > _LONGEST_PERIOD:
        text = f"must be less than or equal to {_LONGEST_PERIOD}"
        found.append(field.invalid(field.child(path, "periodSeconds"), period, text))
    return found


def validate_status(new: Object, old: Object) -> Errors:
    return checks.not_negative(new.get("status") or {}, "status", "currentReplicas", "desiredReplicas")


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    wanted, current = spec.get("metrics") or [], told.get("currentMetrics") or []
    cells = [metrics.cell(metric, current[n] if n < len(current) else {}) for n, metric in enumerate(wanted)]
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
