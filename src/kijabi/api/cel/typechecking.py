"""Checking a policy's expressions against the schemas of what it is about, for the policy's status.

Policies are evaluated on plain data and compile with ``object`` of any type; with a schema at hand, misspelt fields can
be told beforehand. Nothing found here changes what a policy does.

Source: kubernetes.io "Validating Admission Policy: Type checking".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api.cel import admission, declarations, types

Object = dict[str, Any]
Gvk = tuple[str, str, str]

MAX_TYPES = 10
_REF = "#/components/schemas/"


def resolved(schemas: Mapping[str, Any], name: str) -> Object:
    """The schema ``name`` of an OpenAPI v3 document with its references filled in; recursion ends in anything."""
    return _resolve({"$ref": _REF + name}, schemas, frozenset())


def _resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any], above: frozenset[str]) -> Object:
    wrapped = schema.get("allOf") or []
    reference = schema.get("$ref") or (wrapped[0].get("$ref") if len(wrapped) == 1 else None)
    if reference is not None:
        name = str(reference).removeprefix(_REF)
        if name in above or name not in schemas:
            return {"x-kubernetes-int-or-string": True}
        return _resolve(schemas[name], schemas, above | {name})
    made = {key: value for key, value in schema.items() if key not in ("properties", "items", "additionalProperties")}
    if schema.get("format") == "int-or-string" or ("type" not in schema and "properties" not in schema):
        # What may be of several types is of any.
        return {"x-kubernetes-int-or-string": True}
    if schema.get("properties"):
        made["properties"] = {key: _resolve(one, schemas, above) for key, one in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            made[key] = _resolve(schema[key], schemas, above)
    return made


def named(rules: list[Object]) -> list[tuple[str, str, str]]:
    """(group, version, plural) of every resource that the rules name without wildcards, in order."""
    found = set()
    for rule in rules:
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in text for text in (*groups, *versions)):
            continue
        plurals = [name for name in rule.get("resources") or () if "*" not in name and "/" not in name]
        found |= {(group, version, plural) for group in groups for version in versions for plural in plurals}
    return sorted(found)


def check(policy: Object, kinds: Mapping[Gvk, Object], params: Object | None) -> list[Object]:
    """The expression warnings of a policy. ``kinds`` are the schemas of what it is about."""
    spec = policy["spec"]
    warnings = []
    for position, validation in enumerate(spec.get("validations") or ()):
        for key in ("expression", "messageExpression"):
            text = validation.get(key) or ""
            found = [
                f"{_shown(gvk)}: {problem}\n"
                for gvk, schema in sorted(kinds.items())[:MAX_TYPES]
                if (problem := _problem(text, spec, gvk, schema, params)) is not None
            ]
            if text and found:
                warnings.append({"fieldRef": f"spec.validations[{position}].{key}", "warning": "\n".join(found)})
    return warnings


def _shown(gvk: Gvk) -> str:
    group, version, kind = gvk
    return f"{group}/{version}, Kind={kind}"


def _problem(text: str, spec: Object, gvk: Gvk, schema: Object, params: Object | None) -> str | None:
    declared = declarations.declare(schema, root=True, name=gvk[2])
    given = declarations.declare(params, root=True, name="params") if params is not None else None
    roots = [one for one in (declared, given) if one is not None]
    known = admission.Known(
        declared.type if declared is not None else types.DYN,
        given.type if given is not None else types.DYN,
        declarations.Structs(*roots),
    )
    compiler = admission.Compiler(params=spec.get("paramKind") is not None, composed=True, known=known)
    for variable in spec.get("variables") or ():
        compiler.variable(variable.get("name", ""), variable.get("expression", ""))
    made = compiler.compile(text) if text else None
    return made.removeprefix("compilation failed: ") if isinstance(made, str) else None
