"""ReplicationControllers: the old form of ReplicaSets, with a plain map for selector."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, labels, printing, resource, served, zeros
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import advice, defaults, validation
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "replicationcontrollers")
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
    template = spec.get("template")
    if template is None:
        return
    defaults.default_template(template)
    told = (template.get("metadata") or {}).get("labels")
    if told:
        if not spec.get("selector"):
            spec["selector"] = dict(told)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(told)


def prepare_create(obj: Object) -> None:
    # Shown even while there is none.
    obj["status"] = {"replicas": 0}


def prepare_status(new: Object, old: Object) -> None:
    zeros.show(new.setdefault("status", {}), {"replicas": 0})


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found = checks.not_negative(spec, "spec", "minReadySeconds")
    chosen = spec.get("selector")
    if not chosen:
        found.append(field.required("spec.selector"))
    found += checks.not_negative(spec, "spec", "replicas")
    template = spec.get("template")
    if template is None:
        return [*found, field.required("spec.template")]
    told = (template.get("metadata") or {}).get("labels")
    if chosen and not labels.from_set(chosen).matches(told):
        text = "`selector` does not match template `labels`"
        found.append(field.invalid("spec.template.metadata.labels", told, text))
    found += validation.validate_template(template, "spec.template")
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy != "Always":
        found.append(field.not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
    if (template.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in ReplicationController is not Supported"
        found.append(field.forbidden("spec.template.spec.activeDeadlineSeconds", text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")


def validate_status(new: Object, old: Object) -> Errors:
    told = new.get("status") or {}
    found = checks.not_negative(told, "status", *_COUNTS)
    text = "cannot be greater than status.replicas"
    for key in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if told.get(key, 0) > told.get("replicas", 0):
            found.append(field.invalid(f"status.{key}", told[key], text))
    if told.get("availableReplicas", 0) > told.get("readyReplicas", 0):
        text = "cannot be greater than readyReplicas"
        found.append(field.invalid("status.availableReplicas", told["availableReplicas"], text))
    return found


def warn_create(obj: Object) -> list[str]:
    found = advice.hostname(obj["metadata"].get("name", ""), "Pod names and hostnames")
    return found + advice.of_template(obj["spec"].get("template"), "spec.template")


def warn_update(new: Object, old: Object) -> list[str]:
    if not resource.is_changed(new, old):
        return []
    return advice.of_template(new["spec"].get("template"), "spec.template")


def fields(obj: Object) -> dict[str, str]:
    return {"status.replicas": str((obj.get("status") or {}).get("replicas", 0))}


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    return [
        printing.name(obj),
        spec.get("replicas", 0),
        told.get("replicas", 0),
        told.get("readyReplicas", 0),
        printing.age(obj, now),
        *printing.containers((spec.get("template") or {}).get("spec") or {}),
        printing.labels(spec.get("selector")),
    ]
