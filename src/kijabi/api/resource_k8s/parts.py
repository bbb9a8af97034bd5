"""What the kinds of this group have in common: names, configurations, taints and tolerations, lists without doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.storage import csi
from kijabi.kit import jsons

_LONGEST_POOL, _LONGEST_ID, _LONGEST_DATA = 253, 32, 10 * 1024
_MOST_CONFIGURATIONS, _MOST_REFERENCES = 32, 32
_EFFECTS = ("NoExecute", "NoSchedule", "None")
_REFERENCE = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

driver_name = csi.driver_name


def go_name(key: str) -> str:
    """The name of Go's field, which messages show, for one of these kinds."""
    special = {"cel": "CEL", "shareID": "ShareID", "uid": "UID"}
    return special.get(key) or key[0].upper() + key[1:]


def distinct(
    listed: Sequence[Any], most: int, path: str, check: Callable[[Any, str], Errors], key: Callable[[Any], Any]
) -> Errors:
    """A list that must not be too long and have no two elements of one key. ``most`` below 0: any length."""
    if 0 <= most < len(listed):
        return [field.too_many(path, len(listed), most)]
    found: Errors = []
    for position, one in enumerate(listed):
        found += check(one, field.index(path, position))
    seen: list[Any] = []
    for position, one in enumerate(listed):
        known = key(one)
        if known in seen:
            found.append(field.duplicate(field.index(path, position), known))
        seen.append(known)
    return found


def pool_name(name: str, path: str) -> Errors:
    if not name:
        return [field.required(path)]
    found = [field.too_long(path, _LONGEST_POOL)] if len(name) > _LONGEST_POOL else []
    for part in name.split("/"):
        found += checks.word(part, path, names.dns_subdomain)
    return found


def _identifier(name: str, path: str) -> Errors:
    found = [field.too_long(path, _LONGEST_ID)] if len(name) > _LONGEST_ID else []
    return found + checks.word(name, path, names.c_identifier)


def qualified_name(name: str, path: str) -> Errors:
    """Of an attribute or a capacity: an identifier, with a domain before it or without."""
    parts = name.split("/")
    if len(parts) == 1:
        return _identifier(name, path)
    if len(parts) > 2:
        return []
    domain, rest = parts
    found = driver_name(domain, path) if domain else [field.invalid(path, "", "the domain must not be empty")]
    return found + (_identifier(rest, path) if rest else [field.invalid(path, "", "the name must not be empty")])


def full_name(name: str, path: str) -> Errors:
    found = qualified_name(name, path)
    if "/" not in name:
        text = "a fully qualified name must be a domain and a name separated by a slash"
        found.append(field.invalid(path, name, text))
    return found


def configuration(one: Object, path: str) -> Errors:
    opaque, where = one.get("opaque"), field.child(path, "opaque")
    if opaque is None:
        return [field.required(where)]
    return driver_name(opaque.get("driver"), field.child(where, "driver")) + data(
        opaque.get("parameters"), field.child(where, "parameters")
    )


def data(value: Any, path: str) -> Errors:
    """An object of anybody's own making."""
    if value is None:
        return [field.required(path)]
    if len(jsons.dumps(value)) > _LONGEST_DATA:
        return [field.too_long(path, _LONGEST_DATA)]
    if not isinstance(value, dict):
        return [field.invalid(path, "<value omitted>", "must be a valid JSON object")]
    return []


def configurations(listed: list[Object], path: str, check: Callable[[Object, str], Errors], times: int = 1) -> Errors:
    most = times * _MOST_CONFIGURATIONS
    if len(listed) > most:
        return [field.too_many(path, len(listed), most)]
    return [error for position, one in enumerate(listed) for error in check(one, field.index(path, position))]


# Requests and their sub-requests by name.
Requests = dict[str, set[str]]


def requests_of(spec: Object) -> Requests:
    listed = (spec.get("devices") or {}).get("requests") or ()
    return {one.get("name", ""): {sub.get("name", "") for sub in one.get("firstAvailable") or ()} for one in listed}


def reference(name: str, path: str, known: Requests) -> Errors:
    parts = name.split("/")
    if len(parts) > 2:
        return [field.invalid(path, name, _REFERENCE)]
    found: Errors = []
    for part in parts:
        found += checks.word(part, path, names.dns_label)
    if parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        found.append(field.invalid(path, name, _REFERENCE))
    return found


def references(holder: Object, path: str, known: Requests) -> Errors:
    where = field.child(path, "requests")
    listed = holder.get("requests") or []
    return distinct(listed, _MOST_REFERENCES, where, lambda name, at: reference(name, at, known), lambda name: name)


def toleration(one: Object, path: str) -> Errors:
    operator, value, effect = one.get("operator", ""), one.get("value", ""), one.get("effect", "")
    found = checks.word(one["key"], field.child(path, "key"), names.label_key) if one.get("key") else []
    if operator == "Exists":
        if value:
            found.append(field.invalid(field.child(path, "value"), value, "must be empty for operator `Exists`"))
    elif operator == "Equal":
        found += checks.word(value, field.child(path, "value"), names.label_value)
    elif not operator:
        found.append(field.required(field.child(path, "operator")))
    else:
        found.append(field.not_supported(field.child(path, "operator"), operator, ("Equal", "Exists")))
    if effect and effect not in _EFFECTS:
        found.append(field.not_supported(field.child(path, "effect"), effect, _EFFECTS))
    return found


def taint(one: Object, path: str) -> Errors:
    effect = one.get("effect", "")
    found = checks.word(one.get("key", ""), field.child(path, "key"), names.label_key)
    if one.get("value"):
        found += checks.word(one["value"], field.child(path, "value"), names.label_value)
    where = field.child(path, "effect")
    if not effect:
        found.append(field.required(where))
    elif effect not in _EFFECTS:
        found.append(field.not_supported(where, effect, _EFFECTS))
    return found


def binding(holder: Object, path: str) -> Errors:
    """What must become true before pods are bound, and what must not."""
    wanted, feared = holder.get("bindingConditions") or [], holder.get("bindingFailureConditions") or []
    found: Errors = []
    for key, listed in (("bindingConditions", wanted), ("bindingFailureConditions", feared)):
        where = field.child(path, key)
        if len(listed) > 4:
            found.append(field.too_many(where, len(listed), 4))
            continue
        for position, name in enumerate(listed):
            found += checks.word(name, field.index(where, position), names.label_key)
    found += _doubles(wanted, (), field.child(path, "bindingConditions"))
    found += _doubles(feared, wanted, field.child(path, "bindingFailureConditions"))
    if feared and not wanted:
        text = "bindingConditions are required to use bindingFailureConditions"
        found.append(field.invalid(field.child(path, "bindingConditions"), None, text))
    if wanted and not feared:
        text = "bindingFailureConditions are required to use bindingConditions"
        found.append(field.invalid(field.child(path, "bindingFailureConditions"), None, text))
    return found


def _doubles(listed: Sequence[str], others: Sequence[str], path: str) -> Errors:
    found: Errors = []
    for position, name in enumerate(listed):
        if name in listed[:position]:
            found.append(field.duplicate(field.index(path, position), name))
        if name in others:
            text = "bindingFailureConditions must not overlap with bindingConditions"
            found.append(field.invalid(field.index(path, position), name, text))
    return found
