"""What the admission policies and their bindings share. Their CEL is compiled where it is evaluated, not here."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing
from kijabi.api.admissionregistration import webhooks
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

BINDING_COLUMNS = (
    printing.NAME,
    printing.text("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
    printing.text("ParamRef", "ParamRef indicates the param resource which sets the configuration param"),
    printing.AGE,
)


def default_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    _default_match(spec.get("matchConstraints"))


def default_binding(obj: Object) -> None:
    _default_match((obj.get("spec") or {}).get("matchResources"))


def _default_match(match: Object | None) -> None:
    if match is None:
        return
    webhooks.default_match(match)
    for key in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(key) or ():
            rule.setdefault("scope", "*")


def validate_policy(obj: Object) -> Errors:
    spec = obj["spec"]
    found = checks.optional(spec.get("failurePolicy"), "spec.failurePolicy", ("Fail", "Ignore"))
    match = spec.get("matchConstraints")
    if match is None:
        found.append(field.required("spec.matchConstraints"))
    elif not match.get("resourceRules"):
        found.append(field.required("spec.matchConstraints.resourceRules"))
    param = spec.get("paramKind")
    if param is not None:
        found += [field.required(f"spec.paramKind.{key}") for key in ("apiVersion", "kind") if not param.get(key)]
    return found


def validate_binding(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = [] if spec.get("policyName") else [field.required("spec.policyName")]
    reference = spec.get("paramRef")
    if reference is not None:
        if (not reference.get("name")) == (reference.get("selector") is None):
            text = "one of name or selector must be specified"
            found.append(field.required("spec.paramRef", text))
        choices = ("Allow", "Deny")
        path = "spec.paramRef.parameterNotFoundAction"
        found += checks.one_of(reference.get("parameterNotFoundAction"), path, choices)
    return found


def policy_columns(obj: Object, now: float, key: str) -> list[Any]:
    spec = obj.get("spec") or {}
    param = spec.get("paramKind")
    shown = f"{param.get('apiVersion', '')}/{param.get('kind', '')}" if param else "<unset>"
    return [printing.name(obj), len(spec.get(key) or ()), shown, printing.age(obj, now)]


def binding_columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef") or {}
    shown = reference.get("name") or ("*" if "selector" in reference else printing.UNSET)
    if reference.get("namespace"):
        shown = f"{reference['namespace']}/{shown}"
    return [printing.name(obj), spec.get("policyName", ""), shown, printing.age(obj, now)]
