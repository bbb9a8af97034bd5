"""What the four kinds of RBAC share: policy rules, subjects, the role reference.

Source: "Using RBAC Authorization" in the documentation.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, printing
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

GROUP = "rbac.authorization.k8s.io"
# Messages show references with the names of Go's fields.
_REFERENCE = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
ROLE_COLUMNS = (
    printing.NAME,
    Column("Created At", "date", description="When it was created."),
)
BINDING_COLUMNS = (
    printing.NAME,
    printing.text("Role", "What is granted."),
    printing.AGE,
    printing.wide("Users", "Users it is granted to."),
    printing.wide("Groups", "Groups it is granted to."),
    printing.wide("ServiceAccounts", "Service accounts it is granted to."),
)


def validate_rules(rules: list[Object] | None, namespaced: bool) -> Errors:
    found: Errors = []
    for position, rule in enumerate(rules or ()):
        path = f"rules[{position}]"
        if not rule.get("verbs"):
            found.append(field.required(f"{path}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            text = "namespaced rules cannot apply to non-resource URLs"
            if namespaced:
                found.append(field.invalid(f"{path}.nonResourceURLs", rule["nonResourceURLs"], text))
            if any(rule.get(key) for key in ("apiGroups", "resources", "resourceNames")):
                text = "rules cannot apply to both regular resources and non-resource URLs"
                found.append(field.invalid(f"{path}.nonResourceURLs", rule["nonResourceURLs"], text))
            continue
        if not rule.get("apiGroups"):
            text = "resource rules must supply at least one api group"
            found.append(field.required(f"{path}.apiGroups", text))
        if not rule.get("resources"):
            text = "resource rules must supply at least one resource"
            found.append(field.required(f"{path}.resources", text))
    return found


def default_role(obj: Object) -> None:
    obj["rules"] = obj.get("rules") or None
    for rule in obj["rules"] or ():
        # A rule without verbs grants nothing, but is told all the same.
        rule["verbs"] = rule.get("verbs") or None


def default_binding(obj: Object) -> None:
    reference = obj.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def validate_binding(obj: Object, roles: tuple[str, ...], namespaced: bool) -> Errors:
    reference = obj.get("roleRef") or {}
    found: Errors = []
    if reference.get("apiGroup") != GROUP:
        found.append(field.not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
    if reference.get("kind") not in roles:
        found.append(field.not_supported("roleRef.kind", reference.get("kind", ""), roles, ordered=True))
    if not reference.get("name"):
        found.append(field.required("roleRef.name"))
    else:
        found += checks.word(reference["name"], "roleRef.name", metadata.segment)
    for position, subject in enumerate(obj.get("subjects") or ()):
        found += _subject(subject, namespaced, f"subjects[{position}]")
    return found


def _subject(subject: Object, namespaced: bool, path: str) -> Errors:
    found: Errors = []
    kind, name, group = subject.get("kind", ""), subject.get("name", ""), subject.get("apiGroup", "")
    if not name:
        found.append(field.required(field.child(path, "name")))
    if kind == "ServiceAccount":
        if name:
            found += checks.word(name, field.child(path, "name"), metadata.subdomain)
        if group:
            found.append(field.not_supported(field.child(path, "apiGroup"), group, ("",)))
        if not namespaced and not subject.get("namespace"):
            found.append(field.required(field.child(path, "namespace")))
    elif kind in ("User", "Group"):
        if group != GROUP:
            found.append(field.not_supported(field.child(path, "apiGroup"), group, (GROUP,)))
    else:
        choices = ("ServiceAccount", "User", "Group")
        found.append(field.not_supported(field.child(path, "kind"), kind, choices, ordered=True))
    return found


def validate_binding_update(new: Object, old: Object) -> Errors:
    if new.get("roleRef") != old.get("roleRef"):
        wanted = new.get("roleRef") or {}
        shown = {name: wanted.get(key, "") for name, key in _REFERENCE.items()}
        return [field.invalid("roleRef", shown, "cannot change roleRef")]
    return []


def binding_columns(obj: Object, now: float) -> list[Any]:
    reference = obj.get("roleRef") or {}
    named: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        kind, name = subject.get("kind", ""), subject.get("name", "")
        if kind == "ServiceAccount" and subject.get("namespace"):
            name = f"{subject['namespace']}/{name}"
        named.setdefault(kind, []).append(name)
    return [
        printing.name(obj),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        printing.age(obj, now),
        *(", ".join(named[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


def role_columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj["metadata"].get("creationTimestamp")]
