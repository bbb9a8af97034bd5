"""ValidatingAdmissionPolicies."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, printing, resource, served
from kijabi.api.admissionregistration import policies
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "validatingadmissionpolicies")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.number("Validations", "How many rules it has."),
    printing.text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
    printing.AGE,
)
default = policies.default_policy


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    found = policies.validate_policy(obj)
    if not obj["spec"].get("validations") and not obj["spec"].get("auditAnnotations"):
        text = "validations or auditAnnotations must contain at least one item"
        found.append(field.required("spec.validations", text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return policies.policy_columns(obj, now, "validations")
