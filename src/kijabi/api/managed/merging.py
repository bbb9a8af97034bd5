"""Merging what is applied into what is there.

Nothing is removed here (see ``removing``): what both have takes the applied value, and lists with identities keep the
applied order for what was applied, with the rest where it was relative to that.
"""

from __future__ import annotations

from typing import Any

from kijabi.api.managed import listing
from kijabi.api.managed.shapes import FREE, Kind, Shape

_STRUCTS = (Kind.STRUCT, Kind.FREE)
_ABSENT = object()


def merge(shape: Shape, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    """A new object that shares what it can with both; neither is changed."""
    return _maps(shape, live, applied)


def _merge(shape: Shape, live: Any, applied: Any) -> Any:
    """``_ABSENT`` where the result is nothing at all."""
    if applied is _ABSENT:
        return live
    if live is _ABSENT:
        return applied
    if shape.leaf or not (live or applied):
        return applied
    if shape.kind in _STRUCTS:
        if isinstance(live, dict | None) and isinstance(applied, dict | None):
            return _maps(shape, live or {}, applied or {}) or _ABSENT
        return applied
    if isinstance(live, list | None) and isinstance(applied, list | None):
        return _lists(shape, live or [], applied or []) or _ABSENT
    return applied


def _maps(shape: Shape, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    out = dict(live)
    for key, value in applied.items():
        merged = _merge(shape.part(key)[1], live.get(key, _ABSENT), value)
        if merged is _ABSENT:
            out.pop(key, None)
        else:
            out[key] = merged
    return out


def _lists(shape: Shape, live: list[Any], applied: list[Any]) -> list[Any]:
    """``applied`` has no duplicates; those of ``live`` are kept where the applied list does not name them."""
    inner = shape.item or FREE
    wanted = {listing.element_of(shape, item): item for item in applied}
    there = [(_element(shape, item), item) for item in live]
    known: dict[str, Any] = {}
    for element, item in there:
        # Nothing is merged with one of several alike: the applied one takes their place.
        known[element] = _ABSENT if element in known else item
    out: list[Any] = []
    shared = [element for element in wanted if element in known]
    done: set[str] = set()
    place = 0
    for element, item in wanted.items():
        place = _take_before(there, place, wanted, done, shared, out)
        done.add(element)
        if shared and shared[0] == element:
            shared.pop(0)
        out.append(_merge(inner, known.get(element, _ABSENT), item))
        if place < len(there) and there[place][0] == element:
            place += 1
    out += [item for element, item in there[place:] if element not in wanted]
    return out


def _take_before(
    there: list[tuple[str, Any]],
    place: int,
    wanted: dict[str, Any],
    done: set[str],
    shared: list[str],
    out: list[Any],
) -> int:
    """Put out what stands only in the live list, up to the next element that both have; where that is."""
    while place < len(there):
        element, item = there[place]
        if element not in wanted:
            out.append(item)
        elif element not in done and shared and shared[0] == element:
            return place
        place += 1
    return place


def _element(shape: Shape, item: Any) -> str:
    try:
        return listing.element_of(shape, item)
    except listing.Unkeyed:
        return f"?{id(item)}"
