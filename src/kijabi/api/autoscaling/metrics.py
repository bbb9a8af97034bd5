"""What a HorizontalPodAutoscaler goes by: metrics, their sources and targets."""

from __future__ import annotations

from collections.abc import Callable

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

# In the order in which upstream looks for them; only the first that is there is looked into.
SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_TARGETS = ("Utilization", "Value", "AverageValue")
_ONLY = "must populate the given metric source only"


def reference(ref: Object, path: str) -> Errors:
    """Kind and name of an object; its API version is another matter (``version``)."""
    found: Errors = []
    for key in ("kind", "name"):
        found += checks.required_word(ref.get(key), field.child(path, key), names.path_segment)
    return found


def version(ref: Object, path: str, *, needs_group: bool) -> Errors:
    given = ref.get("apiVersion", "")
    if given.count("/") > 1:
        return [field.invalid(field.child(path, "apiVersion"), given, f"unexpected GroupVersion string: {given}")]
    if needs_group and not given.rpartition("/")[0]:
        return [field.invalid(field.child(path, "apiVersion"), given, "apiVersion must specify API group")]
    return []


def validate(metrics: list[Object], least: int | None, path: str) -> Errors:
    """``least`` is ``minReplicas``: pods can only be down to none where something else than pods is measured."""
    found: Errors = []
    for position, metric in enumerate(metrics):
        found += _metric(metric, field.index(path, position))
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(field.forbidden(path, text))
    return found


def _metric(metric: Object, path: str) -> Errors:
    kind, where = metric.get("type", ""), field.child(path, "type")
    found: Errors = [] if kind else [field.required(where, "must specify a metric source type")]
    if kind not in SOURCES:
        found.append(field.not_supported(where, kind, SOURCES))
    present = [key for key in SOURCES.values() if metric.get(key) is not None]
    if present:
        found += _CHECKS[present[0]](metric[present[0]], field.child(path, present[0]))
    if kind not in SOURCES:
        found.append(field.not_supported(where, kind, SOURCES))
    elif SOURCES[kind] not in present:
        text = "must populate information for the given metric source"
        found.append(field.required(field.child(path, SOURCES[kind]), text))
    if len(present) > 1:
        others = [key for key in present if key != SOURCES.get(kind)]
        found += [field.forbidden(field.child(path, key), _ONLY) for key in others]
    return found


def _identifier(source: Object, path: str) -> Errors:
    name = (source.get("metric") or {}).get("name")
    where = field.child(path, "metric", "name")
    if not name:
        return [field.required(where, "must specify a metric name")]
    return checks.word(name, where, names.path_segment)


def _target(source: Object, path: str) -> Errors:
    target, where = source.get("target") or {}, field.child(path, "target")
    kind = target.get("type", "")
    found: Errors = [] if kind else [field.required(field.child(where, "type"), "must specify a metric target type")]
    if kind not in _TARGETS:
        text = "must be either Utilization, Value, or AverageValue"
        found.append(field.invalid(field.child(where, "type"), kind, text))
    for key in ("value", "averageValue"):
        if target.get(key) is not None and quantity.of(target[key]).nanos <= 0:
            found.append(field.invalid(field.child(where, key), str(quantity.of(target[key])), "must be positive"))
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        found.append(field.invalid(field.child(where, "averageUtilization"), share, "must be greater than 0"))
    return found


def _has(source: Object, key: str) -> bool:
    return (source.get("target") or {}).get(key) is not None


def _object(source: Object, path: str) -> Errors:
    ref, where = source.get("describedObject") or {}, field.child(path, "describedObject")
    found = reference(ref, where) + version(ref, where, needs_group=False)
    found += _identifier(source, path) + _target(source, path)
    if not _has(source, "value") and not _has(source, "averageValue"):
        text = "must set either a target value or averageValue"
        found.append(field.required(field.child(path, "target", "averageValue"), text))
    return found


def _external(source: Object, path: str) -> Errors:
    found = _identifier(source, path) + _target(source, path)
    value, average = _has(source, "value"), _has(source, "averageValue")
    if not value and not average:
        text = "must set either a target value for metric or a per-pod target"
        found.append(field.required(field.child(path, "target", "averageValue"), text))
    elif value and average:
        text = "may not set both a target value for metric and a per-pod target"
        found.append(field.forbidden(field.child(path, "target", "value"), text))
    return found


def _pods(source: Object, path: str) -> Errors:
    found = _identifier(source, path) + _target(source, path)
    if not _has(source, "averageValue"):
        text = "must specify a positive target averageValue"
        found.append(field.required(field.child(path, "target", "averageValue"), text))
    return found


def _resource(source: Object, path: str) -> Errors:
    found = _resource_name(source, path)
    return found + _target(source, path) + _share(source, path)


def _resource_name(source: Object, path: str) -> Errors:
    where = field.child(path, "name")
    return [] if source.get("name") else [field.required(where, "must specify a resource name")]


def _container(source: Object, path: str) -> Errors:
    found = _resource_name(source, path)
    if not found:
        found += checks.container_resource_name(source["name"], field.child(path, "name"))
    where = field.child(path, "container")
    if source.get("container"):
        found += checks.word(source["container"], where, names.dns_label)
    else:
        found.append(field.required(where, "must specify a container"))
    return found + _target(source, path) + _share(source, path)


def _share(source: Object, path: str) -> Errors:
    share, average = _has(source, "averageUtilization"), _has(source, "averageValue")
    if not share and not average:
        text = "must set either a target raw value or a target utilization"
        return [field.required(field.child(path, "target", "averageUtilization"), text)]
    if share and average:
        text = "may not set both a target raw value and a target utilization"
        return [field.forbidden(field.child(path, "target", "averageValue"), text)]
    return []


_CHECKS: dict[str, Callable[[Object, str], Errors]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container,
}


def cell(metric: Object, status: Object) -> str:
    """What ``kubectl get`` shows: ``measured/wanted``."""
    key = SOURCES.get(metric.get("type", ""), "")
    if not key:
        return "<unknown type>"
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
