"""Deployments."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, labels, printing, resource, served, zeros
from kijabi.api.apps import workload
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import defaults
from kijabi.api.resource import Object

RESOURCE = served.find("apps/v1", "deployments")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Ready", "Number of the pod with ready state"),
    printing.text("Up-to-date", "Pods that have the desired template."),
    printing.text("Available", "Pods ready for at least minReadySeconds."),
    printing.AGE,
    printing.CONTAINERS,
    printing.IMAGES,
    printing.SELECTOR,
)

_COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    zeros.hide(spec, "paused", "minReadySeconds")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    defaults.default_template(spec.setdefault("template", {}))


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    # The controller copies annotations to replica sets, so a change of them is work to do as well.
    annotated = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    resource.count_generation(new, old, resource.is_changed(new, old) or annotated[0] != annotated[1])


def prepare_status(new: Object, old: Object) -> None:
    resource.keep(new["metadata"], old["metadata"], "labels")
    told = new.get("status")
    zeros.conditions(told, "lastUpdateTime", "lastTransitionTime")
    zeros.hide(told, *_COUNTS)


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found = checks.not_negative(spec, "spec", "replicas")
    chosen, problems = workload.selector(spec, "deployment")
    found += problems
    if chosen is None:
        found.append(field.invalid("spec.selector", spec.get("selector"), "invalid label selector"))
    else:
        found += workload.template(spec, chosen, "ReplicaSet")
    found += _strategy(spec.get("strategy") or {}, "spec.strategy")
    found += checks.not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        found.append(field.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return found


def _strategy(strategy: Object, path: str) -> Errors:
    rolling = strategy.get("rollingUpdate")
    where = field.child(path, "rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            text = "may not be specified when strategy `type` is 'Recreate'"
            return [field.forbidden(where, text)] if rolling is not None else []
        case "RollingUpdate":
            if rolling is None:
                return [field.required(where, "this should be defaulted and never be nil")]
            return _rolling(rolling, where)
    shown = workload.shown_strategy(strategy, MaxUnavailable="maxUnavailable", MaxSurge="maxSurge")
    return [field.not_supported(path, shown, ("Recreate", "RollingUpdate"))]


def _rolling(rolling: Object, path: str) -> Errors:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    where = field.child(path, "maxUnavailable")
    found = checks.int_or_percent(unavailable, where) + checks.int_or_percent(surge, field.child(path, "maxSurge"))
    if not workload.number(unavailable) and not workload.number(surge):
        found.append(field.invalid(where, unavailable, "may not be 0 when `maxSurge` is 0"))
    return found + checks.at_most_100_percent(unavailable, where)


def validate_update(new: Object, old: Object) -> Errors:
    found = validate_create(new)
    return found + checks.immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector")


def validate_status(new: Object, old: Object) -> Errors:
    counts = (*_COUNTS, "terminatingReplicas", "collisionCount")
    limits = (
        ("updatedReplicas", "status.replicas"),
        ("readyReplicas", "status.replicas"),
        ("availableReplicas", "status.replicas"),
        ("availableReplicas", "readyReplicas"),
    )
    return workload.replica_status(new.get("status") or {}, old.get("status") or {}, limits, *counts)


def warn_create(obj: Object) -> list[str]:
    return workload.name_warnings(obj) + workload.template_warnings(obj)


warn_update = workload.change_warnings


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    try:
        chosen = str(labels.from_label_selector(spec.get("selector")))
    except labels.Malformed:
        chosen = "<invalid>"
    return [
        printing.name(obj),
        f"{told.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        told.get("updatedReplicas", 0),
        told.get("availableReplicas", 0),
        printing.age(obj, now),
        *printing.containers(spec["template"].get("spec") or {}),
        chosen,
    ]
