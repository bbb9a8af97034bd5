"""IngressClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "ingressclasses")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Controller", "Controller that is responsible for handling this class"),
    printing.text("Parameters", "A reference to a resource with additional parameters"),
    printing.AGE,
)
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


def default(obj: Object) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found = checks.required_word(spec.get("controller"), "spec.controller", names.domain_prefixed_path)
    if len(spec.get("controller", "")) > 250:
        found.append(field.too_long("spec.controller", 250))
    parameters = spec.get("parameters")
    if parameters is not None:
        path = "spec.parameters"
        found += [field.required(f"{path}.{key}") for key in ("kind", "name") if not parameters.get(key)]
        found += checks.one_of(parameters.get("scope"), f"{path}.scope", ("Cluster", "Namespace"))
        if parameters.get("scope") == "Namespace" and not parameters.get("namespace"):
            found.append(field.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    after, before = (new.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
    return validate_create(new) + checks.immutable(after, before, "spec.controller")


def columns(obj: Object, now: float) -> list[Any]:
    spec, name = obj.get("spec") or {}, printing.name(obj)
    parameters = spec.get("parameters")
    shown = printing.NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        shown = f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"
    if (obj["metadata"].get("annotations") or {}).get(_DEFAULT) == "true":
        name = f"{name} (default)"
    return [name, spec.get("controller", ""), shown, printing.age(obj, now)]
