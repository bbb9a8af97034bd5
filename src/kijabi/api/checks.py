"""Checks that many kinds make of one field: enumerations, ranges, references, selectors, resource lists.

Each gives the list of field errors, empty when all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kijabi.api import addresses, field, metadata, names, quantity

Errors = list[field.Error]
NOT_NEGATIVE = "must be greater than or equal to 0"


def one_of(value: str | None, path: str, choices: Iterable[str]) -> Errors:
    """A required word out of a few."""
    if not value:
        return [field.required(path)]
    return optional(value, path, choices)


def optional(value: str | None, path: str, choices: Iterable[str]) -> Errors:
    """A word out of a few, or nothing."""
    listed = tuple(choices)
    return [field.not_supported(path, value, listed)] if value and value not in listed else []


def pointer(holder: Mapping[str, Any], key: str, path: str, choices: Collection[str]) -> Errors:
    """A word out of a few that may be missing, but not empty."""
    value = holder.get(key)
    return [field.not_supported(f"{path}.{key}", value, choices)] if value is not None and value not in choices else []


def listed(value: str | None, path: str, choices: Collection[str]) -> Errors:
    """A required word out of a few, which are told in the order given."""
    if not value:
        return [field.required(path)]
    return [] if value in choices else [field.not_supported(path, value, choices, ordered=True)]


def not_negative(holder: Mapping[str, Any], path: str, *keys: str) -> Errors:
    """Numbers that may be missing but not below zero."""
    return [
        field.invalid(field.child(path, key), holder[key], NOT_NEGATIVE)
        for key in keys
        if holder.get(key) is not None and holder[key] < 0
    ]


def word(value: str, path: str, rule: Callable[[str], list[str]]) -> Errors:
    """A text by one of the rules in ``names``."""
    return [field.invalid(path, value, text) for text in rule(value)]


def required_word(value: str | None, path: str, rule: Callable[[str], list[str]]) -> Errors:
    return word(value, path, rule) if value else [field.required(path)]


def port_number_or_name(port: Any, path: str) -> Errors:
    if isinstance(port, str):
        return word(port, path, names.port_name)
    number = port if port is not None else 0
    return [field.invalid(path, number, text) for text in names.port_number(number)]


def immutable(new: Any, old: Any, path: str) -> Errors:
    return [field.immutable(path, new)] if new != old else []


def selector(value: Mapping[str, Any] | None, path: str) -> Errors:
    """A ``LabelSelector``."""
    if value is None:
        return []
    found = metadata.validate_labels(value.get("matchLabels"), field.child(path, "matchLabels"))
    for position, expression in enumerate(value.get("matchExpressions") or ()):
        found += _expression(expression, field.index(field.child(path, "matchExpressions"), position))
    return found


def _expression(expression: Mapping[str, Any], path: str) -> Errors:
    found: Errors = []
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    where = field.child(path, "values")
    if operator in ("In", "NotIn"):
        if not values:
            found.append(field.required(where, "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.append(field.forbidden(where, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    else:
        found.append(field.invalid(field.child(path, "operator"), operator, "not a valid selector operator"))
    found += word(expression.get("key", ""), field.child(path, "key"), names.label_key)
    for position, value in enumerate(values):
        found += word(value, field.index(where, position), names.label_value)
    return found


def is_ip(text: str) -> bool:
    return addresses.parse(text) is not None


def ip(text: str, path: str) -> Errors:
    return addresses.ip(text, path)


def is_percent(value: Any) -> bool:
    return isinstance(value, str) and not names.percent(value)


def int_or_percent(value: Any, path: str) -> Errors:
    """A number that is not negative, or a percentage."""
    if isinstance(value, str):
        return word(value, path, names.percent)
    return [field.invalid(path, value, NOT_NEGATIVE)] if value < 0 else []


def at_most_100_percent(value: Any, path: str) -> Errors:
    if is_percent(value) and int(value[:-1]) > 100:
        return [field.invalid(path, value, "must not be greater than 100%")]
    return []


_COUNTED = {"pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps"}
_COUNTED |= {"persistentvolumeclaims", "services.nodeports", "services.loadbalancers"}
_COMPUTE = {"cpu", "memory", "ephemeral-storage"}
_QUOTA = _COUNTED | _COMPUTE | {"requests.storage"}
_QUOTA |= {f"{which}.{name}" for which in ("requests", "limits") for name in _COMPUTE}
_STANDARD = _QUOTA | {"storage"}
HUGE_PAGES = "hugepages-"
_HUGE = (HUGE_PAGES, f"requests.{HUGE_PAGES}")


def is_quota_name(name: str) -> bool:
    """One of the words without a slash that a quota may limit."""
    return name in _QUOTA or name.startswith(_HUGE)


def resource_name(name: str, path: str) -> Errors:
    """A resource that anything may count."""
    found = word(name, path, names.label_key)
    if not found and "/" not in name and name not in _STANDARD and not name.startswith(_HUGE):
        found.append(field.invalid(path, name, "must be a standard resource type or fully qualified"))
    return found


def container_resource_name(name: str, path: str) -> Errors:
    found = resource_name(name, path)
    if "/" not in name:
        if name not in _COMPUTE and not name.startswith(HUGE_PAGES):
            found.append(field.invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        found.append(field.invalid(path, name, "doesn't follow extended resource name standard"))
    return found


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource that devices and administrators define; it is counted in whole units and not overcommitted."""
    return not is_native(name) and not name.startswith("requests.") and not names.label_key(f"requests.{name}")


def amount(name: str, value: Any, path: str) -> Errors:
    """One entry of a resource list."""
    parsed = quantity.of(value)
    found = [field.invalid(path, str(parsed), NOT_NEGATIVE)] if parsed.nanos < 0 else []
    if (name in _COUNTED or is_extended(name)) and parsed.milli() % 1000:
        found.append(field.invalid(path, str(parsed), "must be an integer"))
    return found


def amounts(listed: Mapping[str, Any] | None, path: str, rule: Callable[[str, str], Errors] = resource_name) -> Errors:
    found: Errors = []
    for name, value in (listed or {}).items():
        where = field.key(path, name)
        found += rule(name, where)
        found += amount(name, value, where)
    return found
