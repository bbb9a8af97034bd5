"""MutatingAdmissionPolicies."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, resource, served
from kijabi.api.admissionregistration import policies
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.number("Mutations", "How many rules it has."),
    printing.text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
    printing.AGE,
)
default = policies.default_policy


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    found = policies.validate_policy(obj)
    if not obj["spec"].get("mutations"):
        found.append(field.required("spec.mutations", "mutations must contain at least one item"))
    choices = ("IfNeeded", "Never")
    return found + checks.one_of(obj["spec"].get("reinvocationPolicy"), "spec.reinvocationPolicy", choices)


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return policies.policy_columns(obj, now, "mutations")
