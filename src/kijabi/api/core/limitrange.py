"""LimitRanges."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from kijabi.api import checks, field, names, printing, quantity, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("v1", "limitranges")
COLUMNS = (printing.NAME, Column("Created At", "date", description="When it was created."))


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("limits"):
        spec["limits"] = None
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits, requests = item.setdefault("default", {}), item.setdefault("defaultRequest", {})
        for name, value in (item.get("max") or {}).items():
            limits.setdefault(name, value)
        for source in (limits, item.get("min") or {}):
            for name, value in source.items():
                requests.setdefault(name, value)


def prepare_create(obj: Object) -> None:
    if not obj["metadata"].get("name"):
        obj["metadata"]["name"] = str(uuid.uuid4())


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        path = f"spec.limits[{position}]"
        kind = item.get("type", "")
        found += _type(kind, f"{path}.type")
        if kind in seen:
            found.append(field.duplicate(f"{path}.type", kind))
        seen.add(kind)
        found += _item(item, kind, path)
    return found


_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_OF_PODS = ("Container", "Pod")


def _type(kind: str, path: str) -> Errors:
    found = checks.word(kind, path, names.label_key)
    if not found and "/" not in kind and kind not in _TYPES:
        found.append(field.invalid(path, kind, "must be a standard limit type or fully qualified"))
    return found


def _item(item: Object, kind: str, path: str) -> Errors:
    rule = checks.container_resource_name if kind in _OF_PODS else checks.resource_name
    found = _names(item, "max", rule, path) + _names(item, "min", rule, path)
    for part in ("default", "defaultRequest"):
        if kind != "Pod":
            found += _names(item, part, rule, path)
        elif item.get(part):
            found.append(field.forbidden(f"{path}.{part}", "may not be specified when `type` is 'Pod'"))
    bounds = {**(item.get("min") or {}), **(item.get("max") or {})}
    if kind == "PersistentVolumeClaim" and "storage" not in bounds:
        text = "either minimum or maximum storage value is required, but neither was provided"
        found.append(field.required(f"{path}.limits", text))
    found += _names(item, "maxLimitRequestRatio", rule, path)
    parts = ("max", "min", "maxLimitRequestRatio", *(() if kind == "Pod" else ("default", "defaultRequest")))
    listed = {part: quantity.resource_list(item.get(part)) for part in parts}
    for name in dict.fromkeys(name for amounts in listed.values() for name in amounts):
        found += _amounts(name, {part: amounts[name] for part, amounts in listed.items() if name in amounts}, path)
    return found


def _names(item: Object, part: str, rule: Callable[[str, str], Errors], path: str) -> Errors:
    return [problem for name in item.get(part) or () for problem in rule(name, f"{path}.{part}[{name}]")]


# (smaller, larger, which of them the message is about, which amount it shows): the first is not above the second.
_ORDERED = (
    ("min", "max", "min", "min"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest"),
    ("min", "default", "default", "min"),
    ("default", "max", "default", "max"),
)
_WORDS = {"min": "min", "max": "max", "default": "default", "defaultRequest": "default request"}


def _amounts(name: str, of: dict[str, quantity.Quantity], path: str) -> Errors:
    """The amounts of one resource, in an order that makes sense."""
    found: Errors = []
    for small, large, about, shown in _ORDERED:
        if small in of and large in of and of[small] > of[large]:
            word = "default limit" if (small, large) == ("defaultRequest", "default") else _WORDS[large]
            text = f"{_WORDS[small]} value {of[small]} is greater than {word} value {of[large]}"
            found.append(field.invalid(f"{path}.{about}[{name}]", str(of[shown]), text))
    found += _ratio(of, f"{path}.maxLimitRequestRatio[{name}]")
    overcommitted = checks.is_native(name) and not name.startswith(checks.HUGE_PAGES)
    limit, request = of.get("default"), of.get("defaultRequest")
    if not overcommitted and limit is not None and request is not None and limit != request:
        text = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        found.append(field.invalid(f"{path}.defaultRequest[{name}]", str(request), text))
    return found


def _ratio(of: dict[str, quantity.Quantity], path: str) -> Errors:
    ratio = of.get("maxLimitRequestRatio")
    if ratio is None:
        return []
    found = [field.invalid(path, str(ratio), f"ratio {ratio} is less than 1")] if ratio.nanos < quantity.NANO else []
    if "min" in of and "max" in of and of["min"]:
        most = of["max"].nanos / of["min"].nanos
        if float(ratio) > most:
            found.append(field.invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {most:f}"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj["metadata"].get("creationTimestamp")]
