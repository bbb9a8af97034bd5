"""What a PolicyRule allows, what it covers, and how rules are told: pure functions of plain data.

Source: the Kubernetes documentation, "Using RBAC Authorization"; the wording of escalation errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from kijabi.apiserver import contract

Rule = contract.Object

FULL_AUTHORITY: tuple[Rule, ...] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


def allows(rule: Rule, attributes: contract.Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and attributes.verb not in verbs:
        return False
    if not attributes.is_resource:
        return any(url_covers(url, attributes.path) for url in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and attributes.api_group not in groups:
        return False
    resources = rule.get("resources") or ()
    if not any(name in resources for name in resource_names(attributes.resource, attributes.subresource)):
        return False
    names = rule.get("resourceNames")
    return not names or attributes.name in names


def resource_names(resource: str, subresource: str) -> tuple[str, ...]:
    """The ways in which a rule may name this resource: everything, exactly, or its subresource on any resource."""
    if subresource:
        return ("*", f"{resource}/{subresource}", f"*/{subresource}")
    return ("*", resource)


def url_covers(owner: str, path: str) -> bool:
    return owner in ("*", path) or (owner.endswith("*") and path.startswith(owner.rstrip("*")))


def breakdown(rule: Rule) -> list[Rule]:
    """Rules of one group, resource, verb and at most one name (or one URL and verb) that say the same."""
    atoms: list[Rule] = []
    for group, resource, verb in itertools.product(
        rule.get("apiGroups") or (), rule.get("resources") or (), rule.get("verbs") or ()
    ):
        plain: Rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        names = rule.get("resourceNames")
        atoms += [{**plain, "resourceNames": [name]} for name in names] if names else [plain]
    for url, verb in itertools.product(rule.get("nonResourceURLs") or (), rule.get("verbs") or ()):
        atoms.append({"nonResourceURLs": [url], "verbs": [verb]})
    return atoms


def missing(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The atoms of ``wanted`` that no rule of ``owned`` covers."""
    return [atom for rule in wanted for atom in breakdown(rule) if not any(_covers(owner, atom) for owner in owned)]


def _covers(owner: Rule, atom: Rule) -> bool:
    if not _has(owner.get("verbs"), atom["verbs"][0]):
        return False
    if "nonResourceURLs" in atom:
        path = atom["nonResourceURLs"][0]
        # "*" as an owner's URL is a prefix of everything; upstream compares the texts alone.
        return any(url == path or url_covers(url, path) for url in owner.get("nonResourceURLs") or ())
    if not _has(owner.get("apiGroups"), atom["apiGroups"][0]):
        return False
    if not _resource_covered(owner.get("resources") or (), atom["resources"][0]):
        return False
    owned_names = owner.get("resourceNames")
    if not owned_names:
        return True
    return "resourceNames" in atom and atom["resourceNames"][0] in owned_names


def _has(owned: Sequence[str] | None, one: str) -> bool:
    return bool(owned) and ("*" in owned or one in owned)  # type: ignore[operator]


def _resource_covered(owned: Sequence[str], resource: str) -> bool:
    if "*" in owned or resource in owned:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in owned


def describe(missing_rules: Iterable[Rule]) -> list[str]:
    """One line per resource for a message, its verbs collected; sorted."""
    collected: dict[tuple[str, ...], Rule] = {}
    lines = set()
    for rule in missing_rules:
        if "nonResourceURLs" in rule:
            lines.add(_line(rule))
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], *rule.get("resourceNames", ()))
        known = collected.setdefault(key, {**rule, "verbs": []})
        known["verbs"] = [*known["verbs"], *rule["verbs"]]
    return sorted(lines | {_line(rule) for rule in collected.values()})


_PARTS = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def _line(rule: Rule) -> str:
    return "{" + ", ".join(f"{label}:{quoted(rule[key])}" for label, key in _PARTS if rule.get(key)) + "}"


def quoted(texts: Iterable[str]) -> str:
    """Go's ``%q`` of a list of strings: ``["a" "b"]``."""
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"
