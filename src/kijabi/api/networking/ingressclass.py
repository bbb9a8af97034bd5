"""IngressClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, prefixed, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.networking import backends
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "ingressclasses")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Controller", "Controller that is responsible for handling this class"),
    printing.text("Parameters", "A reference to a resource with additional parameters"),
    printing.AGE,
)
_SCOPES = ("Cluster", "Namespace")
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


def default(obj: Object) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found = prefixed.validate(spec.get("controller"), "spec.controller", 250)
    parameters = spec.get("parameters")
    return found + _parameters(parameters, "spec.parameters") if parameters is not None else found


def _parameters(parameters: Object, path: str) -> Errors:
    found = backends.typed_reference(parameters, path)
    scope, namespace, where = parameters.get("scope"), parameters.get("namespace"), field.child(path, "namespace")
    if scope not in _SCOPES:
        found.append(field.not_supported(field.child(path, "scope"), scope, _SCOPES))
    elif scope == "Cluster" and namespace is not None:
        found.append(field.forbidden(where, "`parameters.scope` is set to 'Cluster'"))
    elif scope == "Namespace" and namespace is None:
        found.append(field.required(where, "`parameters.scope` is set to 'Namespace'"))
    elif namespace is not None:
        found += checks.word(namespace, where, names.dns_label)
    return found


def validate_update(new: Object, old: Object) -> Errors:
    after, before = (new.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
    return checks.immutable(after or "", before or "", "spec.controller") + validate_create(new)


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
