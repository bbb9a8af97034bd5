"""LimitRanges."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, quantity, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("v1", "limitranges")
COLUMNS = (printing.NAME, Column("Created At", "date", description="When it was created."))


def default(obj: Object) -> None:
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits, requests = item.setdefault("default", {}), item.setdefault("defaultRequest", {})
        for name, value in (item.get("max") or {}).items():
            limits.setdefault(name, value)
        for source in (limits, item.get("min") or {}):
            for name, value in source.items():
                requests.setdefault(name, value)


def validate_create(obj: Object) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        path = f"spec.limits[{position}]"
        kind = item.get("type", "")
        if kind in seen:
            found.append(field.duplicate(f"{path}.type", kind))
        seen.add(kind)
        found += _item(item, kind, path)
    return found


_PARTS = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")


def _item(item: Object, kind: str, path: str) -> Errors:
    found: Errors = []
    for part in _PARTS:
        found += checks.amounts(item.get(part), field.child(path, part))
    if kind == "Pod":
        for part in ("default", "defaultRequest"):
            if item.get(part):
                text = "may not be specified when `type` is 'Pod'"
                found.append(field.forbidden(field.child(path, part), text))
    bounds = {**(item.get("min") or {}), **(item.get("max") or {})}
    if kind == "PersistentVolumeClaim" and not bounds.get("storage"):
        text = "either minimum or maximum storage value is required, but neither was provided"
        found.append(field.required(field.child(path, "limits"), text))
    names = {name for part in _PARTS for name in item.get(part) or ()}
    for name in sorted(names):
        found += _order(item, name, path)
    return found


# (smaller, larger): the first is not above the second.
_ORDERED = (("min", "max"), ("min", "defaultRequest"), ("defaultRequest", "max"), ("defaultRequest", "default"))
_WORDS = {"min": "min", "max": "max", "default": "default", "defaultRequest": "default request"}


def _order(item: Object, name: str, path: str) -> Errors:
    found: Errors = []
    for small, large in (*_ORDERED, ("min", "default"), ("default", "max")):
        low, high = (item.get(small) or {}).get(name), (item.get(large) or {}).get(name)
        if low is None or high is None:
            continue
        first, second = quantity.of(low), quantity.of(high)
        if first > second:
            text = f"{_WORDS[small]} value {first} is greater than {_WORDS[large]} value {second}"
            found.append(field.invalid(field.key(field.child(path, small), name), str(first), text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj["metadata"].get("creationTimestamp")]
