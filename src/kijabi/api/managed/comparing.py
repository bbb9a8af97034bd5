"""What an object has (``collect``), and what changed from one to the next (``compare``), as sets of fields.

Both say who owns a node itself as upstream does. ``collect`` is of what an applier wrote: leaves, list elements and
entries of maps. ``compare`` is of a change: all that appears with its parent is owned on every level.
"""

from __future__ import annotations

from typing import Any

from kijabi.api.managed import listing
from kijabi.api.managed.sets import LEAF, SELF, Set
from kijabi.api.managed.shapes import FREE, Kind, Shape

_STRUCTS = (Kind.STRUCT, Kind.FREE)
# Changed (added or with another value) and removed fields; None where there are none.
Change = tuple[Set | None, Set | None]


def collect(shape: Shape, obj: dict[str, Any]) -> Set:
    """The fields of an applied object."""
    return _entries(shape, obj)


def _entries(shape: Shape, value: dict[str, Any]) -> Set:
    out: Set = {}
    fields = shape.fields
    for key, item in value.items():
        element, inner = shape.part(key)
        node = _collect(inner, item)
        if item is None or item == {}:
            node = LEAF
        elif key not in fields:
            node = {SELF: LEAF, **node} if node else LEAF
        if node is not None:
            out[element] = node
    return out


def _collect(shape: Shape, value: Any) -> Set | None:
    if shape.leaf:
        return LEAF
    if shape.kind in _STRUCTS:
        if isinstance(value, dict):
            return _entries(shape, value) or None
        return LEAF if shape.kind is Kind.FREE else None
    if not isinstance(value, list) or not value:
        return None
    out: Set = {}
    inner = shape.item or FREE
    for element, items in listing.by_element(shape, value).items():
        node = _collect(inner, items[0]) if len(items) == 1 and not inner.leaf else None
        out[element] = {SELF: LEAF, **node} if node else LEAF
    return out or None


def compare(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> tuple[Set, Set]:
    """(changed, removed) between two objects of a kind."""
    changed, removed = _compare_entries(shape, old, new)
    return changed or {}, removed or {}


def _compare_entries(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> Change:
    changed: Set = {}
    removed: Set = {}
    fields = shape.fields
    for key, value in new.items():
        known = fields.get(key)
        element, inner = (known.element, known.shape) if known is not None else shape.part(key)
        if key in old:
            before = old[key]
            if before == value:
                continue
        elif known is None or known.zero is None:
            changed[element] = whole(inner, value)
            continue
        else:
            before = known.zero
        more, less = _compare(inner, before, value)
        if more is not None:
            changed[element] = more
        if less is not None:
            removed[element] = less
    for key, before in old.items():
        if key in new:
            continue
        known = fields.get(key)
        element, inner = (known.element, known.shape) if known is not None else shape.part(key)
        if known is None or known.zero is None:
            removed[element] = whole(inner, before)
            continue
        more, less = _compare(inner, before, known.zero)
        if more is not None:
            changed[element] = more
        if less is not None:
            removed[element] = less
    return changed or None, removed or None


def _compare(shape: Shape, old: Any, new: Any) -> Change:
    """Of two values that are both there, and perhaps equal."""
    if old == new:
        return None, None
    if shape.leaf or not (old or new):
        return LEAF, None
    if shape.kind in _STRUCTS:
        if isinstance(old, dict | None) and isinstance(new, dict | None):
            return _compare_entries(shape, old or {}, new or {})
        return _unlike(shape, old, new)
    if isinstance(old, list | None) and isinstance(new, list | None):
        return _compare_lists(shape, old or [], new or [])
    return LEAF, None


def _unlike(shape: Shape, old: Any, new: Any) -> Change:
    """A map became a scalar or a list, or the other way round."""
    added = _below(shape, new) if isinstance(new, dict) else {}
    gone = _below(shape, old) if isinstance(old, dict) else {}
    return ({SELF: LEAF, **added} if added else LEAF), gone or None


def _compare_lists(shape: Shape, old: list[Any], new: list[Any]) -> Change:
    changed: Set = {}
    removed: Set = {}
    inner = shape.item or FREE
    before, after = listing.by_element(shape, old), listing.by_element(shape, new)
    for element, items in before.items():
        now = after.get(element, ())
        if len(items) == 1 and len(now) == 1:
            more, less = _compare(inner, items[0], now[0])
            if more is not None:
                changed[element] = more
            if less is not None:
                removed[element] = less
        elif len(items) > 1 and len(now) > 1:
            # Duplicates are like one atomic value.
            if items != now:
                changed[element] = LEAF
        elif len(items) > 1:
            if now:
                changed[element] = whole(inner, now[0])
            removed[element] = LEAF
        elif now:
            removed[element] = whole(inner, items[0])
            changed[element] = LEAF
        else:
            removed[element] = whole(inner, items[0])
    for element, items in after.items():
        if element not in before:
            changed[element] = whole(inner, items[0]) if len(items) == 1 else LEAF
    return changed or None, removed or None


def whole(shape: Shape, value: Any) -> Set:
    """The node of a value that appears or goes with all that is in it: owned on every level."""
    if shape.leaf or not value:
        return LEAF
    below = _below(shape, value)
    return {SELF: LEAF, **below} if below else LEAF


def _below(shape: Shape, value: Any) -> Set:
    out: Set = {}
    if shape.kind in _STRUCTS:
        if not isinstance(value, dict):
            return out
        fields = shape.fields
        for key, item in value.items():
            known = fields.get(key)
            if known is not None:
                inner = known.shape
                out[known.element] = LEAF if inner.leaf else whole(inner, item)
            else:
                element, inner = shape.part(key)
                out[element] = whole(inner, item)
    elif isinstance(value, list):
        inner = shape.item or FREE
        for element, items in listing.by_element(shape, value).items():
            out[element] = whole(inner, items[0]) if len(items) == 1 else LEAF
    return out
