"""ResourceQuotas."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, quantity, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "resourcequotas")
COLUMNS = (
    printing.NAME,
    printing.text("Request", "Used and allowed amounts that are asked for, and counts of objects."),
    printing.text("Limit", "Used and allowed amounts of limits."),
    printing.AGE,
)
_PODS = {"pods"}
_COMPUTE = _PODS | {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
# Which of the standard resources a scope can narrow.
_SCOPES = {
    "BestEffort": _PODS,
    "CrossNamespacePodAffinity": _COMPUTE,
    "NotBestEffort": _COMPUTE,
    "NotTerminating": _COMPUTE,
    "PriorityClass": _COMPUTE,
    "Terminating": _COMPUTE,
    "VolumeAttributesClass": {"persistentvolumeclaims", "requests.storage"},
}
_EXISTS_ONLY = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found = checks.amounts(spec.get("hard"), "spec.hard", _name)
    hard = sorted(name for name in spec.get("hard") or () if checks.is_quota_name(name))
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            found.append(field.invalid("spec.scopes", scopes, "unsupported scope"))
        found += _misapplied(scope, hard, "spec.scopes", scopes)
    found += _conflicts(set(scopes), "spec.scopes", scopes)
    selector = spec.get("scopeSelector")
    return found + _selector(selector, hard) if selector is not None else found


def _misapplied(scope: str, hard: list[str], path: str, shown: Any) -> Errors:
    allowed = _SCOPES.get(scope)
    text = "unsupported scope applied to resource"
    return [field.invalid(path, shown, text) for name in hard if allowed is not None and name not in allowed]


def _conflicts(scopes: set[str], path: str, shown: Any) -> Errors:
    return [field.invalid(path, shown, "conflicting scopes") for pair in _CONFLICTS if pair <= scopes]


def _selector(selector: Object, hard: list[str]) -> Errors:
    found: Errors = []
    path = "spec.scopeSelector.matchExpressions"
    expressions = selector.get("matchExpressions") or []
    shown = {"MatchExpressions": [_shown(one) for one in expressions] or None}
    for one in expressions:
        scope, operator, values = one.get("scopeName", ""), one.get("operator", ""), one.get("values") or []
        if scope not in _SCOPES:
            found.append(field.invalid(f"{path}.scopeName", scope, "unsupported scope"))
        found += _misapplied(scope, hard, path, shown)
        if scope in _EXISTS_ONLY and operator != "Exists":
            found.append(field.invalid(f"{path}.operator", operator, _MUST_EXIST))
        found += _operator(operator, values, path)
    scopes = {one.get("scopeName", "") for one in expressions}
    told = [one.get("scopeName", "") for one in expressions]
    return found + _conflicts(scopes, path, told)


def _operator(operator: str, values: list[str], path: str) -> Errors:
    if operator in ("In", "NotIn"):
        text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        return [] if values else [field.required(f"{path}.values", text)]
    if operator in ("Exists", "DoesNotExist"):
        text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        return [field.invalid(f"{path}.values", values, text)] if values else []
    return [field.invalid(f"{path}.operator", operator, "not a valid selector operator")]


def _shown(expression: Object) -> Object:
    return {
        "ScopeName": expression.get("scopeName", ""),
        "Operator": expression.get("operator", ""),
        "Values": expression.get("values"),
    }


def _name(name: str, path: str) -> Errors:
    found = checks.resource_name(name, path)
    if "/" not in name and not checks.is_quota_name(name):
        found.append(field.invalid(path, name, "must be a standard resource for quota"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found = validate_create(new)
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if set(spec.get("scopes") or ()) != set(before.get("scopes") or ()):
        found.append(field.immutable("spec.scopes", spec.get("scopes")))
    return found


def validate_status(new: Object, old: Object) -> Errors:
    told = new.get("status") or {}
    found = checks.amounts(told.get("hard"), "status.hard", _name)
    return found + checks.amounts(told.get("used"), "status.used", _name)


def warn_create(obj: Object) -> list[str]:
    """Requests that are above the limits."""
    hard = (obj.get("spec") or {}).get("hard") or {}
    found: list[str] = []
    for name in ("cpu", "memory", "storage", "ephemeral-storage"):
        asked, limit = f"requests.{name}", f"limits.{name}"
        if asked not in hard and name in ("cpu", "memory"):
            asked = name
        if asked in hard and limit in hard:
            wanted, most = quantity.of(hard[asked]), quantity.of(hard[limit])
            if wanted > most:
                found.append(f"ResourceQuota {asked} ({wanted}) should be less than {limit} ({most})")
    return found


def columns(obj: Object, now: float) -> list[Any]:
    told = obj.get("status") or {}
    hard, used = told.get("hard") or {}, told.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        cell = f"{name}: {used.get(name, '0')}/{hard[name]}"
        (limits if name.startswith("limits.") else requests).append(cell)
    return [printing.name(obj), ", ".join(requests), ", ".join(limits), printing.age(obj, now)]
