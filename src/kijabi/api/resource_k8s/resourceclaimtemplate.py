"""ResourceClaimTemplates."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, metadata, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import requests

RESOURCE = served.find("resource.k8s.io/v1", "resourceclaimtemplates")
COLUMNS = (printing.NAME, printing.AGE)


# What the metadata of a template may say of the claims made from it.
_ALLOWED = ("labels", "annotations")
_REFUSED = (
    "name",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "namespace",
    "selfLink",
    "managedFields",
)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("metadata", {})
    requests.default(spec.setdefault("spec", {}))


def validate_create(obj: Object) -> Errors:
    meta = obj["spec"].get("metadata") or {}
    found = metadata.validate_annotations(meta.get("annotations"), "spec.metadata.annotations")
    found += metadata.validate_labels(meta.get("labels"), "spec.metadata.labels")
    found += [field.forbidden(f"spec.metadata.{key}", "cannot be set") for key in _REFUSED if meta.get(key)]
    return found + requests.validate(obj["spec"]["spec"], "spec.spec")


def validate_update(new: Object, old: Object) -> Errors:
    spec = new["spec"]
    if spec == old.get("spec"):
        return []
    meta = spec.get("metadata") or {}
    shown = {key: meta[key] for key in _ALLOWED if meta.get(key)}
    return [field.immutable("spec", {**shown, "Spec": requests.shown(spec["spec"])})]


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), printing.age(obj, now)]
