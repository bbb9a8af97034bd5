"""MutatingAdmissionPolicies."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, resource, served
from kijabi.api.admissionregistration import policies
from kijabi.api.cel import admission, patches, types
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies")
GENERATION = True
_OPERATIONS = ("CREATE", "UPDATE")
_PATCHES = {
    "ApplyConfiguration": ("applyConfiguration", patches.OBJECT),
    "JSONPatch": ("jsonPatch", types.list_of(patches.JSON_PATCH)),
}
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
    spec = obj["spec"]
    compiler = admission.Compiler(params=spec.get("paramKind") is not None, composed=True)
    found = policies.validate_policy(obj, compiler)
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in _OPERATIONS:
                path = "spec.matchConstraints.resourceRules.operations"
                found.append(field.not_supported(path, operation, _OPERATIONS))
    if not spec.get("mutations"):
        found.append(field.required("spec.mutations", "mutations must contain at least one item"))
    for position, mutation in enumerate(spec.get("mutations") or ()):
        found += _mutation(mutation, field.index("spec.mutations", position), compiler)
    choices = ("IfNeeded", "Never")
    chosen, where = spec.get("reinvocationPolicy"), "spec.reinvocationPolicy"
    return found + (checks.one_of(chosen, where, choices) if chosen else [field.required(where)])


def _mutation(mutation: Object, path: str, compiler: admission.Compiler) -> Errors:
    kind = mutation.get("patchType") or ""
    if not kind:
        return [field.required(f"{path}.patchType")]
    if kind not in _PATCHES:
        return [field.not_supported(f"{path}.patchType", kind, _PATCHES)]
    key, wanted = _PATCHES[kind]
    found: Errors = []
    if mutation.get(key) is None:
        found.append(field.required(f"{path}.{key}", f"must be specified when patchType is {kind}"))
    else:
        text = (mutation[key].get("expression") or "").strip()
        where = f"{path}.{key}.expression"
        found += policies.expression(text, where, compiler, wanted, patch=True) if text else [field.required(where)]
    for other, _ in _PATCHES.values():
        if other != key and mutation.get(other) is not None:
            why = f"must not be specified when patchType is {kind}"
            found.append(field.invalid(f"{path}.{other}", f"{{{other}}}", why))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    # What was written when it was allowed, and is not touched, is not asked about again.
    return validate_create(new) if resource.is_changed(new, old) else []


def columns(obj: Object, now: float) -> list[Any]:
    return policies.policy_columns(obj, now, "mutations")
