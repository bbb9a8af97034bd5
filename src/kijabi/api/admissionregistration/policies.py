"""What the admission policies and their bindings share: whom they are about, and expressions that must compile.

Source: upstream's validation of admissionregistration.
"""

from __future__ import annotations

import re
from typing import Any

from kijabi.api import checks, field, names, printing
from kijabi.api.admissionregistration import rules, webhooks
from kijabi.api.cel import admission, conditions, parser, types
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_IDENTIFIER = re.compile("[_a-zA-Z][_a-zA-Z0-9]*")
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


def validate_policy(obj: Object, compiler: admission.Compiler) -> Errors:
    """What both kinds of policy have: what they are about, and their variables, which ``compiler`` learns."""
    spec = obj["spec"]
    found = checks.optional(spec.get("failurePolicy"), "spec.failurePolicy", ("Fail", "Ignore"))
    if spec.get("paramKind") is not None:
        found += _param_kind(spec["paramKind"], "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        found.append(field.required("spec.matchConstraints"))
    else:
        found += match_resources(match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            found.append(field.required("spec.matchConstraints.resourceRules"))
    has_params = spec.get("paramKind") is not None
    found += conditions.validate(spec.get("matchConditions") or (), "spec.matchConditions", params=has_params)
    for position, variable in enumerate(spec.get("variables") or ()):
        found += _variable(variable, field.index("spec.variables", position), compiler)
    return found


def compiler_of(obj: Object) -> admission.Compiler:
    spec = obj["spec"]
    return admission.Compiler(params=spec.get("paramKind") is not None, composed=bool(spec.get("variables")))


def _variable(variable: Object, path: str, compiler: admission.Compiler) -> Errors:
    name, expression = variable.get("name") or "", variable.get("expression") or ""
    found: Errors = []
    if not name.strip():
        found.append(field.required(f"{path}.name", "name is not specified"))
    elif _IDENTIFIER.fullmatch(name) is None or name in parser.RESERVED:
        found.append(field.invalid(f"{path}.name", name, "must be a valid CEL identifier"))
    if not expression.strip():
        found.append(field.required(f"{path}.expression", "expression is not specified"))
    elif (wrong := compiler.variable(name, expression)) is not None:
        found.append(field.invalid(f"{path}.expression", expression, wrong))
    return found


def expression(
    text: str,
    path: str,
    compiler: admission.Compiler,
    *wanted: types.Type,
    authorizer: bool = True,
    patch: bool = False,
) -> Errors:
    """What is wrong with one expression, told at ``path``."""
    made = compiler.compile(text, *wanted, authorizer=authorizer, patch=patch)
    return [field.invalid(path, text, made)] if isinstance(made, str) else []


def _param_kind(param: Object, path: str) -> Errors:
    version, kind = param.get("apiVersion") or "", param.get("kind") or ""
    found: Errors = []
    where = f"{path}.apiVersion"
    if not version:
        found.append(field.required(where))
    elif version.count("/") > 1:
        found.append(field.invalid(where, version, f"unexpected GroupVersion string: {version}"))
    else:
        group, _, number = version.rpartition("/")
        if group and (problems := names.dns_subdomain(group)):
            found.append(field.invalid(where, group, ",".join(problems)))
        if not number:
            found.append(field.invalid(where, version, "version must be specified"))
        elif problems := names.dns1035_label(number):
            found.append(field.invalid(where, number, ",".join(problems)))
    if not kind:
        found.append(field.required(f"{path}.kind"))
    elif problems := names.dns1035_label(kind.lower()):
        text = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        found.append(field.invalid(f"{path}.kind", kind, text))
    return found


def match_resources(match: Object, path: str) -> Errors:
    found = checks.optional(match.get("matchPolicy"), f"{path}.matchPolicy", ("Equivalent", "Exact"))
    for key in ("namespaceSelector", "objectSelector"):
        found += checks.selector(match.get(key), f"{path}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for position, rule in enumerate(match.get(key) or ()):
            where = field.index(f"{path}.{key}", position)
            found += _resource_names(rule.get("resourceNames") or [], f"{where}.resourceNames")
            found += rules.with_operations(rule, where)
    return found


def _resource_names(listed: list[str], path: str) -> Errors:
    found: Errors = []
    for position, name in enumerate(listed):
        where = field.index(path, position)
        found += [field.invalid(where, name, text) for text in names.path_segment(name)]
        if name in listed[:position]:
            found.append(field.duplicate(where, name))
    return found


def validate_binding(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    name = spec.get("policyName") or ""
    found: Errors = [field.invalid("spec.policyName", name, text) for text in names.dns_subdomain(name)] if name else []
    if not name:
        found.append(field.required("spec.policyName"))
    if spec.get("paramRef") is not None:
        found += _param_ref(spec["paramRef"], "spec.paramRef")
    if spec.get("matchResources") is not None:
        found += match_resources(spec["matchResources"], "spec.matchResources")
    return found


def _param_ref(reference: Object, path: str) -> Errors:
    found: Errors = []
    name, selector = reference.get("name") or "", reference.get("selector")
    both = "name and selector are mutually exclusive"
    if name:
        found += [field.invalid(f"{path}.name", name, text) for text in names.path_segment(name)]
    if selector is not None:
        if name:
            found.append(field.forbidden(f"{path}.name", both))
        found += checks.selector(selector, f"{path}.selector")
        if name:
            found.append(field.forbidden(f"{path}.selector", both))
    elif not name:
        found.append(field.required(path, "one of name or selector must be specified"))
    action, where = reference.get("parameterNotFoundAction"), f"{path}.parameterNotFoundAction"
    if not action:
        found.append(field.required(where))
    elif action not in ("Deny", "Allow"):
        found.append(field.not_supported(where, action, ("Deny", "Allow"), ordered=True))
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
