"""What a flow schema says of requests: by whom and for what."""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.api import field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_KINDS = {"ServiceAccount": "serviceAccount", "Group": "group", "User": "user"}
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_NAMESPACES = "each member of this list must be '*' or a DNS-1123 label; "


def validate(rule: Object, path: str) -> Errors:
    found: Errors = []
    subjects = rule.get("subjects") or ()
    if not subjects:
        found.append(field.required(f"{path}.subjects", "subjects must contain at least one value"))
    for position, subject in enumerate(subjects):
        found += _subject(subject, f"{path}.subjects[{position}]")
    on_resources, on_paths = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not on_resources and not on_paths:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        found.append(field.required(path, text))
    for position, one in enumerate(on_resources):
        found += _on_resources(one, f"{path}.resourceRules[{position}]")
    for position, one in enumerate(on_paths):
        found += _on_paths(one, f"{path}.nonResourceRules[{position}]")
    return found


def _subject(subject: Object, path: str) -> Errors:
    kind = subject.get("kind", "")
    if kind not in _KINDS:
        return [field.not_supported(f"{path}.kind", kind, tuple(_KINDS))]
    key = _KINDS[kind]
    found: Errors = []
    told = subject.get(key)
    if told is None:
        found.append(field.required(f"{path}.{key}", f"{key} is required when subject kind is '{kind}'"))
    else:
        found += _who(kind, told, f"{path}.{key}")
    for other, name in _KINDS.items():
        if other != kind and subject.get(name) is not None:
            text = f"{name} is forbidden when subject kind is not '{other}'"
            found.append(field.forbidden(f"{path}.{name}", text))
    return found


def _who(kind: str, told: Object, path: str) -> Errors:
    found: Errors = []
    name = told.get("name", "")
    if not name:
        found.append(field.required(f"{path}.name"))
    elif kind == "ServiceAccount" and name != "*":
        found += [field.invalid(f"{path}.name", name, text) for text in names.dns_subdomain(name)]
    if kind != "ServiceAccount":
        return found
    namespace = told.get("namespace", "")
    if not namespace:
        found.append(field.required(f"{path}.namespace", "must specify namespace for service account"))
    else:
        found += [field.invalid(f"{path}.namespace", namespace, text) for text in names.dns_label(namespace)]
    return found


def _listed(values: Sequence[str], path: str, none: str, others: str) -> Errors:
    if not values:
        return [field.required(path, none)]
    if "*" in values and len(values) > 1:
        return [field.invalid(path, list(values), f"if '*' is present, must not specify other {others}")]
    return []


def _verbs(verbs: Sequence[str], path: str) -> Errors:
    found = _listed(verbs, path, "verbs must contain at least one value", "verbs")
    if not found and "*" not in verbs and not set(verbs) <= set(_VERBS):
        return [field.not_supported(path, list(verbs), _VERBS)]
    return found


def _on_resources(rule: Object, path: str) -> Errors:
    found = _verbs(rule.get("verbs") or (), f"{path}.verbs")
    none = "resource rules must supply at least one api group"
    found += _listed(rule.get("apiGroups") or (), f"{path}.apiGroups", none, "api groups")
    none = "resource rules must supply at least one resource"
    found += _listed(rule.get("resources") or (), f"{path}.resources", none, "resources")
    namespaces = rule.get("namespaces") or ()
    where = f"{path}.namespaces"
    if not namespaces:
        if not rule.get("clusterScope"):
            text = "resource rules that are not cluster scoped must supply at least one namespace"
            found.append(field.required(where, text))
    elif "*" in namespaces:
        found += _listed(namespaces, where, "", "namespaces")
    else:
        for position, name in enumerate(namespaces):
            found += [field.invalid(f"{where}[{position}]", name, _NAMESPACES + text) for text in names.dns_label(name)]
    return found


def _on_paths(rule: Object, path: str) -> Errors:
    found = _verbs(rule.get("verbs") or (), f"{path}.verbs")
    urls, where = rule.get("nonResourceURLs") or (), f"{path}.nonResourceURLs"
    wrong = _listed(urls, where, "nonResourceURLs must contain at least one value", "non-resource URLs")
    if wrong or "*" in urls:
        return found + wrong
    for position, url in enumerate(urls):
        text = _wrong_with(url)
        if text:
            found.append(field.invalid(f"{where}[{position}]", url, text))
    return found


def _wrong_with(url: str) -> str:
    stars = url.count("*")
    wrongs = (
        (not url, "must not be empty"),
        (not url.startswith("/"), "must start with slash"),
        (" " in url, "must not contain white-space"),
        ("//" in url, "must not contain double slash"),
        (stars > 1 or (stars == 1 and not url.endswith("/*")), "wildcard can only do suffix matching"),
    )
    return next((text for wrong, text in wrongs if wrong), "")
