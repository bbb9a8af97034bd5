"""HorizontalPodAutoscalers as version 1 tells them: what it has no fields for stands in annotations, as JSON.

Metrics there have the names of version 1's types (``targetAverageValue``), behavior those of Go's fields
(``ScaleUp.Policies[0].PeriodSeconds``). A text that cannot be read is as good as none.
Source: the conversion of autoscaling/v1 as clients see it in those annotations.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import resource
from kijabi.kit import jsons

Object = resource.Object

_ZERO = "0"


def _kept(**fields: Any) -> Object:
    return {key: value for key, value in fields.items() if value is not None}


def metric_to_v1(metric: Object) -> Object:
    """A metric to go by, from version 2's form."""
    shown: Object = {"type": metric.get("type", "")}
    for key, make in (("object", _object), ("pods", _pods), ("external", _external)):
        if metric.get(key) is not None:
            shown[key] = make(metric[key], "target")
    for key in ("resource", "containerResource"):
        if metric.get(key) is not None:
            shown[key] = _resource(metric[key], "target")
    return shown


def status_to_v1(metric: Object) -> Object:
    """The same of one that was measured."""
    shown: Object = {"type": metric.get("type", "")}
    for key, make in (("object", _object), ("pods", _pods), ("external", _external)):
        if metric.get(key) is not None:
            shown[key] = make(metric[key], "current")
    for key in ("resource", "containerResource"):
        if metric.get(key) is not None:
            shown[key] = _resource(metric[key], "current")
    return shown


def _values(source: Object, half: str) -> Object:
    found: Object = source.get(half) or {}
    return found


def _object(source: Object, half: str) -> Object:
    described, values, metric = source.get("describedObject") or {}, _values(source, half), source.get("metric") or {}
    return _kept(
        target=_kept(
            kind=described.get("kind", ""), name=described.get("name", ""), apiVersion=described.get("apiVersion")
        ),
        metricName=metric.get("name", ""),
        **{f"{half}Value": values.get("value", _ZERO)},
        selector=metric.get("selector"),
        averageValue=values.get("averageValue"),
    )


def _pods(source: Object, half: str) -> Object:
    metric = source.get("metric") or {}
    return _kept(
        metricName=metric.get("name", ""),
        **{f"{half}AverageValue": _values(source, half).get("averageValue", _ZERO)},
        selector=metric.get("selector"),
    )


def _external(source: Object, half: str) -> Object:
    metric, values = source.get("metric") or {}, _values(source, half)
    return _kept(
        metricName=metric.get("name", ""),
        metricSelector=metric.get("selector"),
        **{
            f"{half}Value": values.get("value", _ZERO if half == "current" else None),
            f"{half}AverageValue": values.get("averageValue"),
        },
    )


def _resource(source: Object, half: str) -> Object:
    values = _values(source, half)
    return _kept(
        name=source.get("name", ""),
        **{
            f"{half}AverageUtilization": values.get("averageUtilization"),
            f"{half}AverageValue": values.get("averageValue", _ZERO if half == "current" else None),
        },
        container=source.get("container"),
    )


def condition(told: Object) -> Object:
    shown = {"type": told.get("type", ""), "status": told.get("status", "")}
    shown["lastTransitionTime"] = told.get("lastTransitionTime")
    return {**shown, **{key: told[key] for key in ("reason", "message") if told.get(key)}}


def metric_from_v1(metric: Object) -> Object:
    return _from(metric, "target")


def status_from_v1(metric: Object) -> Object:
    return _from(metric, "current")


def _from(metric: Object, half: str) -> Object:
    made: Object = {"type": metric.get("type", "")}
    for key in ("object", "pods", "external", "resource", "containerResource"):
        source = metric.get(key)
        if source is None:
            continue
        named = key in ("object", "pods", "external")
        one = made[key] = {"metric": _metric_of(source)} if named else _kept(name=source.get("name", ""))
        if key == "object":
            one["describedObject"] = dict(source.get("target") or {})
        if key == "containerResource":
            one["container"] = source.get("container", "")
        one[half] = _target_of(key, source) if half == "target" else _current_of(key, source)
    return made


def _metric_of(source: Object) -> Object:
    return _kept(name=source.get("metricName", ""), selector=source.get("selector", source.get("metricSelector")))


def _target_of(key: str, source: Object) -> Object:
    if key == "pods":
        return {"type": "AverageValue", "averageValue": source.get("targetAverageValue", _ZERO)}
    if key in ("resource", "containerResource"):
        share, average = source.get("targetAverageUtilization"), source.get("targetAverageValue")
        kind = "AverageValue" if share is None else "Utilization"
        return _kept(type=kind, averageUtilization=share, averageValue=average)
    average = source.get("averageValue" if key == "object" else "targetAverageValue")
    value = source.get("targetValue")
    if key == "object" and average is not None and value == _ZERO:
        # Version 1 cannot leave it out.
        value = None
    by_value = average is None if key == "object" else value is not None
    return _kept(type="Value" if by_value else "AverageValue", value=value, averageValue=average)


def _current_of(key: str, source: Object) -> Object:
    if key == "pods":
        return {"averageValue": source.get("currentAverageValue", _ZERO)}
    if key in ("resource", "containerResource"):
        share = source.get("currentAverageUtilization")
        return _kept(averageUtilization=share, averageValue=source.get("currentAverageValue", _ZERO))
    average = source.get("averageValue" if key == "object" else "currentAverageValue")
    return _kept(value=source.get("currentValue", _ZERO), averageValue=average)


_RULES = {
    "StabilizationWindowSeconds": "stabilizationWindowSeconds",
    "SelectPolicy": "selectPolicy",
    "Policies": "policies",
    "Tolerance": "tolerance",
}
_POLICY = {"Type": "type", "Value": "value", "PeriodSeconds": "periodSeconds"}
_HALVES = {"ScaleUp": "scaleUp", "ScaleDown": "scaleDown"}


def behavior_to_v1(behavior: Object) -> Object:
    return {name: _rules_to(behavior.get(key)) for name, key in _HALVES.items()}


def _rules_to(rules: Object | None) -> Object | None:
    if rules is None:
        return None
    shown = {name: rules.get(key) for name, key in _RULES.items()}
    if shown["Policies"] is not None:
        shown["Policies"] = [{name: policy.get(key) for name, key in _POLICY.items()} for policy in shown["Policies"]]
    return shown


def behavior_from_v1(told: Object) -> Object | None:
    """Names are read in any case, as Go does; ``None`` where nothing is said."""
    made = {
        key: _rules_from(rules)
        for key, rules in ((_HALVES.get(_cased(name, _HALVES)), rules) for name, rules in told.items())
        if key is not None and rules is not None
    }
    return made or None


def _cased(name: str, known: dict[str, str]) -> str:
    return next((one for one in known if one.lower() == name.lower()), name)


def _renamed(told: Object, known: dict[str, str]) -> Object:
    pairs = ((known.get(_cased(name, known)), value) for name, value in told.items())
    return {key: value for key, value in pairs if key is not None and value is not None}


def _rules_from(told: Object) -> Object:
    rules = _renamed(told, _RULES)
    # An internal object is not defaulted any more: policies that are not told are not there.
    rules["policies"] = [_renamed(policy, _POLICY) for policy in rules.get("policies") or ()]
    return rules


def read(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return jsons.loads(text)
    except jsons.Malformed:
        return None
