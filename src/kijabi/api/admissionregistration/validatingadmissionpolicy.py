"""ValidatingAdmissionPolicies."""

from __future__ import annotations

from typing import Any

from kijabi.api import conditions, field, names, printing, resource, served
from kijabi.api.admissionregistration import policies
from kijabi.api.cel import admission, types
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "validatingadmissionpolicies")
GENERATION = True
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_MAX_ANNOTATIONS, _MAX_VALUE = 20, 5 * 1024
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
    spec = obj["spec"]
    compiler = policies.compiler_of(obj)
    found = policies.validate_policy(obj, compiler)
    validations, annotations = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    if not validations and not annotations:
        text = "validations or auditAnnotations must contain at least one item"
        return [*found, field.required("spec.validations", text), field.required("spec.auditAnnotations", text)]
    for position, validation in enumerate(validations):
        found += _validation(validation, field.index("spec.validations", position), compiler)
    if len(annotations) > _MAX_ANNOTATIONS:
        text = f"must not have more than {_MAX_ANNOTATIONS} auditAnnotations"
        found.append(field.invalid("spec.auditAnnotations", list(annotations), text))
    seen: set[str] = set()
    for position, annotation in enumerate(annotations):
        path, key = field.index("spec.auditAnnotations", position), annotation.get("key") or ""
        found += _annotation(obj["metadata"].get("name") or "", annotation, path, compiler)
        if key in seen:
            found.append(field.duplicate(f"{path}.key", key))
        seen.add(key)
    return found


def _validation(validation: Object, path: str, compiler: admission.Compiler) -> Errors:
    found: Errors = []
    expression, message = validation.get("expression") or "", validation.get("message") or ""
    if not expression.strip():
        found.append(field.required(f"{path}.expression", "expression is not specified"))
    else:
        found += policies.expression(expression, f"{path}.expression", compiler, types.BOOL)
    text = validation.get("messageExpression") or ""
    where = f"{path}.messageExpression"
    if text and not text.strip():
        found.append(field.invalid(where, text, "must be non-empty if specified"))
    elif text:
        found += policies.expression(text, where, compiler, types.STRING, authorizer=False)
    if message and not message.strip():
        found.append(field.invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        found.append(field.invalid(f"{path}.message", message, "must not contain line breaks"))
    if validation.get("reason") is not None and validation["reason"] not in _REASONS:
        found.append(field.not_supported(f"{path}.reason", validation["reason"], _REASONS))
    return found


def _annotation(policy: str, annotation: Object, path: str, compiler: admission.Compiler) -> Errors:
    key, text = annotation.get("key") or "", annotation.get("valueExpression") or ""
    if policy:
        full = f"{policy}/{key}"
        found: Errors = [field.invalid(f"{path}.key", full, problem) for problem in names.label_key(full)]
    else:
        found = [field.invalid(f"{path}.key", key, "requires metadata.name be non-empty")]
    where = f"{path}.valueExpression"
    if not text.strip():
        return [*found, field.required(where, "valueExpression is not specified")]
    if len(text.strip()) > _MAX_VALUE:
        return [*found, field.required(where, f"must not exceed {_MAX_VALUE} bytes in length")]
    return found + policies.expression(text.strip(), where, compiler, types.STRING, types.NULL)


def validate_update(new: Object, old: Object) -> Errors:
    # What was written when it was allowed, and is not touched, is not asked about again.
    return validate_create(new) if resource.is_changed(new, old) else []


def prepare_status(new: Object, old: Object) -> None:
    resource.keep_metadata(new, old)


def validate_status(new: Object, old: Object) -> Errors:
    return conditions.validate((new.get("status") or {}).get("conditions"), "status.conditions")


def columns(obj: Object, now: float) -> list[Any]:
    return policies.policy_columns(obj, now, "validations")
