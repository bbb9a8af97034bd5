"""FlowSchemas."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, conditions, field, metadata, printing, served
from kijabi.api.checks import Errors
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


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    precedence = spec.get("matchingPrecedence", 0)
    found: Errors = []
    if not 0 < precedence <= 10000:
        text = "must be a positive value" if precedence <= 0 else "must not be greater than 10000"
        found.append(field.invalid("spec.matchingPrecedence", precedence, text))
    if not (spec.get("priorityLevelConfiguration") or {}).get("name"):
        found.append(field.required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    method = spec.get("distinguisherMethod")
    if method is not None:
        path = "spec.distinguisherMethod"
        found += checks.one_of(method.get("type"), path, ("ByNamespace", "ByUser"))
    for position, rule in enumerate(spec.get("rules") or ()):
        path = f"spec.rules[{position}]"
        if not rule.get("subjects"):
            found.append(field.required(f"{path}.subjects", "subjects must contain at least one value"))
        if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
            text = "at least one of resourceRules and nonResourceRules has to be non-empty"
            found.append(field.required(path, text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


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
