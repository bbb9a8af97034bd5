"""Validation of when containers start again: restart policies and rules, and what a resize does.

Source: KEP-5307 (container restart rules), KEP-1287 (in-place resize).
"""

from __future__ import annotations

from kijabi.api import field
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_POLICIES = ("Always", "Never", "OnFailure")
_ACTIONS = ("Restart", "RestartAllContainers")
_OPERATORS = ("In", "NotIn")
_RESIZABLE = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_MOST_RULES, _MOST_CODES = 20, 255


def validate(container: Object, path: str) -> Errors:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None and not rules:
        return []
    found: Errors = []
    where = f"{path}.restartPolicy"
    if policy is None:
        found.append(field.required(where, "must specify restartPolicy when restart rules are used"))
    elif policy not in _POLICIES:
        found.append(field.not_supported(where, policy, _POLICIES))
    if len(rules) > _MOST_RULES:
        found.append(field.too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES))
    for position, rule in enumerate(rules):
        found += _rule(rule, f"{path}.restartPolicyRules[{position}]")
    return found


def validate_init(container: Object, path: str) -> Errors:
    """Rules without a policy are only told of, not looked through."""
    if container.get("restartPolicy") is None and container.get("restartPolicyRules"):
        return [field.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")]
    return validate(container, path)


def _rule(rule: Object, path: str) -> Errors:
    found: Errors = []
    if rule.get("action") not in _ACTIONS:
        found.append(field.not_supported(f"{path}.action", rule.get("action", ""), _ACTIONS))
    codes = rule.get("exitCodes")
    if codes is None:
        return [*found, field.required(f"{path}.exitCodes", "must be specified")]
    if codes.get("operator") not in _OPERATORS:
        found.append(field.not_supported(f"{path}.exitCodes.operator", codes.get("operator", ""), _OPERATORS))
    if len(codes.get("values") or ()) > _MOST_CODES:
        found.append(field.too_many(f"{path}.exitCodes.values", len(codes["values"]), _MOST_CODES))
    return found


def validate_resize(policies: list[Object], pod_policy: str | None, path: str) -> Errors:
    """``resizePolicy``."""
    found: Errors = []
    taken: set[str] = set()
    for position, policy in enumerate(policies):
        name, wanted = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in taken:
            found.append(field.duplicate(f"{path}[{position}]", name))
        taken.add(name)
        for value, choices in ((name, _RESIZABLE), (wanted, _RESIZE_POLICIES)):
            if not value:
                found.append(field.required(path))
            elif value not in choices:
                found.append(field.not_supported(path, value, choices))
        if pod_policy == "Never" and wanted != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            found.append(field.invalid(path, wanted, text))
    return found
