"""Sets of fields as trees: the plain data of FieldsV1, and the algebra on it.

A node maps path elements to nodes. An empty node is a field that is owned and has nothing owned below it; a node with
``"."`` is owned and has something below; any other node is not owned itself. The root is never owned, so the empty set
is ``{}``. No function changes its arguments, and where nothing changes the argument itself is the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kijabi.api.managed import elements

Set = dict[str, Any]

SELF = elements.SELF
# The same object for every owned leaf: nothing ever writes into a set.
LEAF: Set = {}
_ONLY: Set = {SELF: LEAF}


def is_member(node: Set) -> bool:
    return not node or SELF in node


def _node(children: Set) -> Set:
    """``children`` as a node below the root: with nothing but itself it is a leaf."""
    return LEAF if len(children) == 1 and SELF in children else children


def union(left: Set, right: Set) -> Set:
    if not right or left is right:
        return left
    if not left:
        return right
    return _union(left, right)


def _union(left: Set, right: Set) -> Set:
    out = dict(left)
    for key, node in right.items():
        mine = out.get(key)
        if mine is None:
            out[key] = node
        elif key != SELF and (mine or node) and mine != node:
            out[key] = _union(mine or _ONLY, node or _ONLY)
    return out


def difference(left: Set, right: Set) -> Set:
    """The fields of ``left`` that are not in ``right``. What is below a field of ``right`` stays."""
    out: Set | None = None
    for key, node in right.items():
        mine = left.get(key)
        if mine is None:
            continue
        rest: Set | None = None
        if key != SELF:
            mine = mine or _ONLY
            rest = difference(mine, node or _ONLY)
            if rest is mine:
                continue
        if out is None:
            out = dict(left)
        if rest:
            out[key] = _node(rest)
        else:
            del out[key]
    return left if out is None else out


def recursive_difference(left: Set, right: Set) -> Set:
    """The fields of ``left`` that are not in ``right`` nor below a field of it."""
    out: Set | None = None
    for key, node in right.items():
        mine = left.get(key)
        if mine is None or key == SELF:
            continue
        rest: Set | None = None
        if not is_member(node):
            mine = mine or _ONLY
            rest = recursive_difference(mine, node)
            if rest is mine:
                continue
        if out is None:
            out = dict(left)
        if rest:
            out[key] = _node(rest)
        else:
            del out[key]
    return left if out is None else out


def intersection(left: Set, right: Set) -> Set:
    out: Set = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            continue
        if key == SELF:
            out[key] = LEAF
            continue
        both = intersection(node or _ONLY, other or _ONLY)
        if both:
            out[key] = _node(both)
    return out


def has(fields: Set, path: tuple[str, ...]) -> bool:
    node: Set | None = fields
    for element in path:
        node = (node or {}).get(element)
        if node is None:
            return False
    return bool(path) and is_member(node or {})


def single(path: tuple[str, ...]) -> Set:
    """The set of one path."""
    node: Set = LEAF
    for element in reversed(path):
        node = {element: node}
    return node


def paths(fields: Set, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of the set: those of a level in order, and then what is below each."""
    keys = sorted((key for key in fields if key != SELF), key=elements.order)
    for key in keys:
        if is_member(fields[key]):
            yield (*prefix, key)
    for key in keys:
        if fields[key]:
            yield from paths(fields[key], (*prefix, key))


def ordered(fields: Set) -> Set:
    """The same set with its keys in the order in which they are written."""
    keys = sorted(fields)
    # Fields sort as plain text, after the node itself; only keys and values have another order.
    if len(keys) > 1 and keys[-1][0] in "kv" and (keys[-2][0] in "kv"):
        keys.sort(key=elements.order)
    return {key: ordered(fields[key]) if fields[key] else LEAF for key in keys}


def read(data: Any) -> Set:
    """A set out of what a client sent: elements in their one spelling, unknown ones left out. Raises Malformed."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise elements.Malformed("ReadMapCB: expect { or n")
    out = _read(data)
    out.pop(SELF, None)
    return out


def _read(data: dict[str, Any]) -> Set:
    out: Set = {}
    for key, node in data.items():
        element = elements.canonical(key)
        if element == SELF:
            out[SELF] = LEAF
        elif element:
            if not isinstance(node, dict):
                raise elements.Malformed("ReadMapCB: expect { or n")
            below = _node(_read(node))
            out[element] = _union(out[element] or _ONLY, below or _ONLY) if element in out else below
    return out
