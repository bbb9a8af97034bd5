"""Elements of lists that are sets or have keys, by their path elements."""

from __future__ import annotations

from typing import Any

import orjson

from kijabi.api.managed import elements
from kijabi.api.managed.shapes import Kind, Shape


class Unkeyed(ValueError):
    """An element has no path element: it has none of its keys, or is of no kind a list of its shape may hold."""


def element_of(shape: Shape, item: Any) -> str:
    """Raises Unkeyed, with upstream's text."""
    if shape.kind is Kind.SET:
        return _of_set(item)
    if not isinstance(item, dict):
        kind = "a null element" if item is None else "non-map elements"
        raise Unkeyed(f"associative list with keys may not have {kind}")
    keys = shape.keys
    if len(keys) == 1 and keys[0] in item:
        return elements.of_key({keys[0]: item[keys[0]]})
    pairs = {}
    for key in keys:
        if key in item:
            pairs[key] = item[key]
        elif key in shape.defaults:
            pairs[key] = shape.defaults[key]
    if not pairs:
        shown = " ".join(orjson.dumps(key).decode() for key in keys)
        raise Unkeyed(
            f"associative list with keys has an element that omits all key fields [{shown}] (and doesn't have default "
            "values for any key fields)"
        )
    return elements.of_key(pairs)


def _of_set(item: Any) -> str:
    if isinstance(item, dict):
        raise Unkeyed("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise Unkeyed("not supported: associative list with lists as elements")
    if item is None:
        raise Unkeyed("associative list without keys has an element that's an explicit null")
    return elements.of_value(item)


def by_element(shape: Shape, items: list[Any]) -> dict[str, list[Any]]:
    """The elements in order of their first appearance; several under one path element are duplicates."""
    found: dict[str, list[Any]] = {}
    for item in items:
        try:
            element = element_of(shape, item)
        except Unkeyed:
            # What is stored already may be older than the rule; such an element is nobody's.
            continue
        if element in found:
            found[element].append(item)
        else:
            found[element] = [item]
    return found
