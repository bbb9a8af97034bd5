"""Taking fields out of an object (``remove``), or all but them (``extract``)."""

from __future__ import annotations

from typing import Any

from kijabi.api.managed import listing, sets
from kijabi.api.managed.sets import LEAF, SELF, Set
from kijabi.api.managed.shapes import FREE, Kind, Shape

_STRUCTS = (Kind.STRUCT, Kind.FREE)
_NOTHING: Any = object()


def remove(shape: Shape, obj: dict[str, Any], fields: Set) -> dict[str, Any]:
    """A copy without the members of ``fields``; what is emptied that way stays as an empty map or list."""
    if not fields:
        return obj
    left = _entries(shape, obj, fields)
    return {} if left is _NOTHING else left


def _remove(shape: Shape, value: Any, fields: Set) -> Any:
    """The value without what is below it; never nothing, for the value itself is not to go."""
    if shape.leaf:
        # What is owned as a whole has no parts; a set from older days that names some takes the whole.
        return _empty(value)
    if shape.kind in _STRUCTS and isinstance(value, dict) and value:
        left = _entries(shape, value, fields)
    elif isinstance(value, list) and value and shape.kind not in _STRUCTS:
        left = _items(shape, value, fields)
    else:
        return _empty(value)
    return _empty(value) if left is _NOTHING else left


def _empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {}
    return [] if isinstance(value, list) else value


def _entries(shape: Shape, value: dict[str, Any], fields: Set) -> Any:
    out: dict[str, Any] = {}
    matched = False
    for key, item in value.items():
        element, inner = shape.part(key)
        node = fields.get(element)
        if node is None:
            out[key] = item
        elif not sets.is_member(node):
            matched = True
            out[key] = _remove(inner, item, node)
    return out if out or matched else _NOTHING


def _items(shape: Shape, items: list[Any], fields: Set) -> Any:
    out: list[Any] = []
    matched = False
    inner = shape.item or FREE
    for item in items:
        try:
            node = fields.get(listing.element_of(shape, item))
        except listing.Unkeyed:
            node = None
        if node is None:
            out.append(item)
        elif not sets.is_member(node):
            matched = True
            out.append(_remove(inner, item, node))
    return out if out or matched else _NOTHING


def extract(shape: Shape, obj: dict[str, Any], fields: Set) -> dict[str, Any]:
    """A copy with the members of ``fields`` alone."""
    out: dict[str, Any] = {}
    for key, item in obj.items():
        element, inner = shape.part(key)
        node = fields.get(element)
        if node is not None:
            out[key] = _extract(inner, item, node)
    return out


def _extract(shape: Shape, value: Any, node: Set) -> Any:
    below = {key: inner for key, inner in node.items() if key != SELF}
    if shape.leaf or not isinstance(value, dict | list) or (shape.kind is Kind.FREE and isinstance(value, list)):
        return value
    if not value or not below:
        return type(value)()
    if isinstance(value, dict):
        return extract(shape, value, below)
    inner = shape.item or FREE
    found = [(item, below.get(listing.element_of(shape, item))) for item in value]
    return [_extract(inner, item, node) if node else item for item, node in found if node is not None]


def with_named(shape: Shape, fields: Set) -> Set:
    """``fields`` with every struct's field of which something is owned as a member too."""
    out: Set = {}
    for element, node in fields.items():
        if element == SELF or not node:
            out[element] = node
            continue
        inner = with_named(shape.below(element), node)
        if SELF not in inner and element[0] == "f" and shape.kind is Kind.STRUCT and element[2:] in shape.fields:
            inner = {SELF: LEAF, **inner}
        out[element] = inner
    return out


def reconcile(shape: Shape, fields: Set) -> Set:
    """``fields`` after a type became atomic: who owned parts of it owns the whole."""
    out: Set | None = None
    for element, node in fields.items():
        if element == SELF or not node:
            continue
        inner = shape.below(element)
        now = LEAF if inner.leaf else reconcile(inner, node)
        if now is not node:
            out = dict(fields) if out is None else out
            out[element] = now
    return fields if out is None else out
