"""Namespaces."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "namespaces")
NAME_RULE = metadata.label
COLUMNS = (printing.NAME, printing.text("Status", "The status of the namespace"), printing.AGE)
FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


def default(obj: Object) -> None:
    obj.setdefault("spec", {})
    told = obj.setdefault("status", {})
    if not told.get("phase"):
        told["phase"] = "Active"
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"].setdefault("labels", {})[NAME_LABEL] = name


def prepare_create(obj: Object) -> None:
    # A generated name was not there yet when defaults were filled in.
    default(obj)
    obj["status"] = {"phase": "Active"}
    finalizers = obj["spec"].setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def prepare_update(new: Object, old: Object) -> None:
    """Finalizers of the spec are changed at ``/finalize`` alone."""
    resource.keep(new, old, "status")
    resource.keep(new.setdefault("spec", {}), old.get("spec") or {}, "finalizers")


def validate_create(obj: Object) -> Errors:
    finalizers = (obj.get("spec") or {}).get("finalizers") or ()
    path = "spec.finalizers"
    return [problem for name in finalizers for problem in validate_finalizer(name, path)]


def validate_finalizer(name: str, path: str) -> Errors:
    return checks.word(name, path, names.label_key) + metadata.standard_finalizer(name, path)


def validate_update(new: Object, old: Object) -> Errors:
    return []


def validate_status(new: Object, old: Object) -> Errors:
    phase = (new.get("status") or {}).get("phase", "")
    if not new["metadata"].get("deletionTimestamp"):
        if phase != "Active":
            text = "may only be 'Active' if `deletionTimestamp` is empty"
            return [field.invalid("status.Phase", phase, text)]
    elif phase != "Terminating":
        text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        return [field.invalid("status.Phase", phase, text)]
    return []


def fields(obj: Object) -> dict[str, str]:
    return {"status.phase": (obj.get("status") or {}).get("phase", "")}


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), (obj.get("status") or {}).get("phase", ""), printing.age(obj, now)]
