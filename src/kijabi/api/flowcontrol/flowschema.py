"""FlowSchemas."""

from __future__ import annotations

from typing import Any

from kijabi.api import conditions, field, metadata, names, printing, resource, served, zeros
from kijabi.api.checks import Errors
from kijabi.api.flowcontrol import defaults, policyrules
from kijabi.api.resource import Object

RESOURCE = served.find("flowcontrol.apiserver.k8s.io/v1", "flowschemas")
GENERATION = True
NAME_RULE = metadata.subdomain
COLUMNS = (
    printing.NAME,
    printing.text("PriorityLevel", "Where matching requests go."),
    printing.text("MatchingPrecedence", "The lowest of the matching ones wins."),
    printing.text("DistinguisherMethod", "What tells flows apart."),
    printing.AGE,
    printing.text("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000
    for rule in spec.get("rules") or ():
        for one in rule.get("resourceRules") or ():
            zeros.show(one, {"namespaces": None})


def prepare_status(new: Object, old: Object) -> None:
    resource.keep_metadata(new, old)
    zeros.conditions(new.get("status"), "lastTransitionTime")


def validate_create(obj: Object) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    found = _precedence(spec.get("matchingPrecedence", 0), name)
    method = spec.get("distinguisherMethod")
    if method is not None:
        kind, choices = method.get("type", ""), ("ByNamespace", "ByUser")
        if kind not in choices:
            found.append(field.not_supported("spec.distinguisherMethod.type", {"Type": kind}, choices))
    level, path = (spec.get("priorityLevelConfiguration") or {}).get("name", ""), "spec.priorityLevelConfiguration.name"
    if level:
        found += [field.invalid(path, level, text) for text in names.dns_subdomain(level)]
    else:
        found.append(field.required(path, "must reference a priority level"))
    for position, rule in enumerate(spec.get("rules") or ()):
        found += policyrules.validate(rule, f"spec.rules[{position}]")
    fixed = defaults.fixed_spec(RESOURCE.kind, name)
    if fixed is not None and spec != fixed:
        found.append(field.invalid("spec", spec, f"spec of '{name}' must equal the fixed value"))
    return found + validate_conditions(obj)


def _precedence(value: int, name: str) -> Errors:
    path = "spec.matchingPrecedence"
    found: Errors = []
    if value <= 0:
        found.append(field.invalid(path, value, "must be a positive value"))
    if value > 10000:
        found.append(field.invalid(path, value, "must not be greater than 10000"))
    if value == 1 and name != defaults.EXEMPT:
        found.append(field.invalid(path, value, "only the schema named 'exempt' may have matchingPrecedence 1"))
    return found


def validate_conditions(obj: Object) -> Errors:
    """``status.conditions``, of both kinds of this group."""
    found: Errors = []
    seen: set[str] = set()
    for position, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        path, kind = f"status.conditions[{position}].type", condition.get("type", "")
        if kind in seen:
            found.append(field.duplicate(path, kind))
        seen.add(kind)
        if not kind:
            found.append(field.required(path))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def validate_status(new: Object, old: Object) -> Errors:
    return validate_conditions(new)


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        printing.name(obj),
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type") or printing.NONE,
        printing.age(obj, now),
        conditions.status(obj, "Dangling") or "?",
    ]
