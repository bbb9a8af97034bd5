"""DaemonSets."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, labels, printing, resource, served, zeros
from kijabi.api.apps import workload
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import defaults
from kijabi.api.resource import Object

RESOURCE = served.find("apps/v1", "daemonsets")
GENERATION = True
# apps/v1 has no field for it any more; the number lives on here, and is raised with every change of the template.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
COLUMNS = (
    printing.NAME,
    printing.number("Desired", "Nodes that should run the pod."),
    printing.number("Current", "Nodes that run the pod and should."),
    printing.number("Ready", "Nodes whose pod is ready."),
    printing.number("Up-to-date", "Nodes whose pod has the desired template."),
    printing.number("Available", "Nodes whose pod is ready for at least minReadySeconds."),
    printing.text("Node Selector", "Labels a node must have."),
    printing.AGE,
    printing.CONTAINERS,
    printing.IMAGES,
    printing.SELECTOR,
)

_ALWAYS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    update = spec.setdefault("updateStrategy", {})
    if not update.get("type"):
        update["type"] = "RollingUpdate"
    if update["type"] == "RollingUpdate":
        zeros.show(update.setdefault("rollingUpdate", {}), {"maxUnavailable": 1, "maxSurge": 0})
    zeros.show(update.get("rollingUpdate"), {"maxUnavailable": 0, "maxSurge": 0})
    zeros.hide(spec, "minReadySeconds")
    # Whoever makes the object owns the number, though the server counts.
    annotations = obj["metadata"].get("annotations") or {}
    if TEMPLATE_GENERATION not in annotations:
        obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: "0"}
    spec.setdefault("revisionHistoryLimit", 10)
    defaults.default_template(spec.setdefault("template", {}))


def prepare_create(obj: Object) -> None:
    obj["status"] = dict.fromkeys(_ALWAYS, 0)
    obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1")
    changed = new["spec"].get("template") != old["spec"].get("template")
    count = int(before) if before.isdecimal() else 1
    new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(count + changed)
    resource.count_generation(new, old, resource.is_changed(new, old))


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    zeros.show(told, dict.fromkeys(_ALWAYS, 0))
    zeros.conditions(told, "lastTransitionTime")


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    chosen, found = workload.selector(spec, "daemonset")
    if spec.get("selector") is None:
        found = []
    if chosen is not None:
        found += workload.template(spec, chosen, "DaemonSet")
    found += checks.not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    update = spec.get("updateStrategy") or {}
    match update.get("type"):
        case "OnDelete":
            return found
        case "RollingUpdate":
            return found + _rolling(update.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate")
    shown = workload.shown_strategy(update, MaxUnavailable="maxUnavailable", MaxSurge="maxSurge")
    choices = ("RollingUpdate", "OnDelete")
    return [*found, field.not_supported("spec.updateStrategy", shown, choices, ordered=True)]


def _rolling(rolling: Object, path: str) -> Errors:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    first, second = field.child(path, "maxUnavailable"), field.child(path, "maxSurge")
    found = checks.int_or_percent(unavailable, first) + checks.int_or_percent(surge, second)
    found += checks.at_most_100_percent(unavailable, first) + checks.at_most_100_percent(surge, second)
    if workload.number(unavailable) and workload.number(surge):
        found.append(field.invalid(second, surge, "may not be set when maxUnavailable is non-zero"))
    elif not workload.number(unavailable) and not workload.number(surge):
        found.append(field.required(first, "cannot be 0 when maxSurge is 0"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found = checks.immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector")
    return found + validate_create(new)


def validate_status(new: Object, old: Object) -> Errors:
    counts = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    )
    return workload.replica_status(new.get("status") or {}, old.get("status") or {}, (), *counts)


warn_create = workload.template_warnings


def warn_update(new: Object, old: Object) -> list[str]:
    changed = new["spec"].get("template") != old["spec"].get("template")
    return workload.template_warnings(new) if changed else []


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    pod = (spec.get("template") or {}).get("spec") or {}
    return [
        printing.name(obj),
        told.get("desiredNumberScheduled", 0),
        told.get("currentNumberScheduled", 0),
        told.get("numberReady", 0),
        told.get("updatedNumberScheduled", 0),
        told.get("numberAvailable", 0),
        printing.labels(pod.get("nodeSelector")),
        printing.age(obj, now),
        *printing.containers(pod),
        labels.format_label_selector(spec.get("selector")),
    ]
