"""ReplicaSets."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, labels, printing, served, zeros
from kijabi.api.apps import workload
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import defaults
from kijabi.api.resource import Object

RESOURCE = served.find("apps/v1", "replicasets")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.number("Desired", "Replicas that are wanted."),
    printing.number("Current", "Replicas that there are."),
    printing.number("Ready", "Replicas that are ready."),
    printing.AGE,
    printing.CONTAINERS,
    printing.IMAGES,
    printing.SELECTOR,
)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    zeros.hide(spec, "minReadySeconds")
    defaults.default_template(spec.setdefault("template", {}))


def prepare_create(obj: Object) -> None:
    obj["status"] = {"replicas": 0}


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    zeros.show(told, {"replicas": 0})
    zeros.conditions(told, "lastTransitionTime")


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found = checks.not_negative(spec, "spec", "replicas", "minReadySeconds")
    # Upstream says "deployment" here too.
    chosen, problems = workload.selector(spec, "deployment")
    found += problems
    if chosen is None:
        return [*found, field.invalid("spec.selector", spec.get("selector"), "invalid label selector")]
    return found + workload.template(spec, chosen, "ReplicaSet")


def validate_update(new: Object, old: Object) -> Errors:
    found = validate_create(new)
    return found + checks.immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector")


def validate_status(new: Object, old: Object) -> Errors:
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    limits = (
        ("fullyLabeledReplicas", "status.replicas"),
        ("readyReplicas", "status.replicas"),
        ("availableReplicas", "status.replicas"),
        ("availableReplicas", "readyReplicas"),
    )
    return workload.replica_status(
        new.get("status") or {}, old.get("status") or {}, limits, *counts, "terminatingReplicas"
    )


def warn_create(obj: Object) -> list[str]:
    return workload.name_warnings(obj) + workload.template_warnings(obj)


warn_update = workload.change_warnings


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    return [
        printing.name(obj),
        spec.get("replicas", 0),
        told.get("replicas", 0),
        told.get("readyReplicas", 0),
        printing.age(obj, now),
        *printing.containers((spec.get("template") or {}).get("spec") or {}),
        labels.format_label_selector(spec.get("selector")),
    ]
