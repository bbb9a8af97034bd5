"""All fields of an object that was not there before: what ``comparing.compare`` finds between nothing and it.

Most objects are created many times over with the same keys and other values. How the entries of a struct with certain
keys are written is therefore worked out once (``_Layout``), and a creation only fills in what has parts of its own. The
result is in the order in which sets are written.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from kijabi.api.managed import elements, listing
from kijabi.api.managed.sets import LEAF, SELF, Set
from kijabi.api.managed.shapes import FREE, Kind, Shape

_STRUCTS = (Kind.STRUCT, Kind.FREE)


class _Open(NamedTuple):
    """An entry whose node depends on its value. ``zero`` is what was there before the object was (see ``Part``)."""

    key: str
    element: str
    shape: Shape
    zero: Any


class _Layout(NamedTuple):
    """The nodes of all entries in order, leaves where nothing else is known, and those to be filled in."""

    nodes: Set
    open: tuple[_Open, ...]


def appeared(shape: Shape, obj: dict[str, Any]) -> Set:
    return _entries(shape, obj)


# Bounded, since clients choose the keys.
@functools.lru_cache(maxsize=4096)
def _layout(shape: Shape, keys: tuple[str, ...], is_new: bool) -> _Layout:
    """``is_new``: the struct itself was not there either, so it is owned and nothing in it was there."""
    nodes: Set = {SELF: LEAF} if is_new else {}
    open_: list[_Open] = []
    for key in sorted(keys):
        element, inner = shape.part(key)
        known = shape.fields.get(key)
        zero = known.zero if known is not None and not is_new else None
        nodes[element] = LEAF
        if not inner.leaf or zero is not None:
            open_.append(_Open(key, element, inner, zero))
    return _Layout(nodes, tuple(open_))


def _entries(shape: Shape, value: dict[str, Any]) -> Set:
    layout = _layout(shape, tuple(value), False)
    out = layout.nodes.copy()
    for key, element, inner, zero in layout.open:
        item = value[key]
        if zero is None:
            out[element] = _whole(inner, item)
        elif item == zero:
            del out[element]
        else:
            node = _filled(inner, item)
            if node is None:
                del out[element]
            else:
                out[element] = node
    return out


def _filled(shape: Shape, value: Any) -> Set | None:
    """The node of something that was there, but empty; None where nothing of it is owned."""
    if shape.leaf or not value:
        return LEAF
    if shape.kind in _STRUCTS:
        return (_entries(shape, value) or None) if isinstance(value, dict) else LEAF
    return (_items(shape, value) or None) if isinstance(value, list) else LEAF


def _whole(shape: Shape, value: Any) -> Set:
    """The node of something that was not there."""
    if shape.leaf or not value:
        return LEAF
    if shape.kind in _STRUCTS:
        return _struct(shape, value) if isinstance(value, dict) else LEAF
    below = _items(shape, value) if isinstance(value, list) else None
    return {SELF: LEAF, **below} if below else LEAF


def _struct(shape: Shape, value: dict[str, Any]) -> Set:
    if not shape.fields:
        # The keys of a map are data: no two maps need have the same.
        inner = shape.item or FREE
        if inner.leaf:
            return {SELF: LEAF, **{f"f:{key}": LEAF for key in sorted(value)}}
        return {SELF: LEAF, **{f"f:{key}": _whole(inner, value[key]) for key in sorted(value)}}
    layout = _layout(shape, tuple(value), True)
    out = layout.nodes.copy()
    for key, element, inner, _ in layout.open:
        out[element] = _whole(inner, value[key])
    return out


def _items(shape: Shape, items: list[Any]) -> Set:
    inner = shape.item or FREE
    found = listing.by_element(shape, items)
    order = sorted(found, key=elements.order) if len(found) > 1 else found
    return {element: _whole(inner, found[element][0]) if len(found[element]) == 1 else LEAF for element in order}
