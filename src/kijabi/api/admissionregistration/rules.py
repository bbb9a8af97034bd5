"""Which requests a webhook or a policy is about: operations, groups, versions, resources and their wildcards.

Source: upstream's validation of admissionregistration rules.
"""

from __future__ import annotations

from kijabi.api import checks, field
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")


def with_operations(rule: Object, path: str) -> Errors:
    """One rule of a webhook."""
    listed, where = rule.get("operations") or [], field.child(path, "operations")
    found = _alone(listed, where, "operations")
    for position, operation in enumerate(listed):
        if operation not in OPERATIONS:
            found.append(field.not_supported(field.index(where, position), operation, OPERATIONS))
    return found + _rule(rule, path)


def _alone(listed: list[str], path: str, what: str) -> Errors:
    """Something, and nothing beside a wildcard."""
    if not listed:
        return [field.required(path)]
    if len(listed) > 1 and "*" in listed:
        return [field.invalid(path, listed, f"if '*' is present, must not specify other {what}")]
    return []


def _rule(rule: Object, path: str) -> Errors:
    found = _alone(rule.get("apiGroups") or [], field.child(path, "apiGroups"), "API groups")
    versions, where = rule.get("apiVersions") or [], field.child(path, "apiVersions")
    found += _alone(versions, where, "API versions")
    found += [field.required(field.index(where, position)) for position, one in enumerate(versions) if not one]
    found += _resources(rule.get("resources") or [], field.child(path, "resources"))
    return found + checks.optional(rule.get("scope"), field.child(path, "scope"), SCOPES)


def _resources(listed: list[str], path: str) -> Errors:
    found: Errors = [] if listed else [field.required(path)]
    all_below: set[str] = set()
    below_all: set[str] = set()
    has_plain = False
    for position, text in enumerate(listed):
        where = field.index(path, position)
        if not text:
            found.append(field.required(where))
            continue
        name, slash, below = text.partition("/")
        if not slash:
            has_plain = text != "*"
            continue
        if name in all_below:
            found.append(field.invalid(where, text, f"if '{name}/*' is present, must not specify {text}"))
        if below in below_all:
            found.append(field.invalid(where, text, f"if '*/{below}' is present, must not specify {text}"))
        if below == "*":
            all_below.add(name)
        if name == "*":
            below_all.add(below)
    if len(listed) > 1 and "*/*" in listed:
        found.append(field.invalid(path, listed, "if '*/*' is present, must not specify other resources"))
    if "*" in listed and has_plain:
        text = "if '*' is present, must not specify other resources without subresources"
        found.append(field.invalid(path, listed, text))
    return found
