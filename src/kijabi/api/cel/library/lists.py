"""List functions: Kubernetes' own, CEL's list extension of version 3, and sets.

Source: kubernetes.io "Kubernetes list library"; cel-go ext "Lists" and "Sets".
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

from kijabi.api.cel import functions, operators, types, values
from kijabi.api.cel.types import BOOL, BYTES, DOUBLE, DURATION, DYN, INT, STRING, TIMESTAMP, UINT, A
from kijabi.api.cel.values import Failure

FUNCTIONS = functions.Functions()
_LIST = types.list_of(A)
_SUMMABLE: dict[str, tuple[types.Type, Any]] = {
    "int": (INT, 0),
    "uint": (UINT, values.Uint(0)),
    "double": (DOUBLE, 0.0),
    "duration": (DURATION, values.Duration(0)),
}
# Numbers first: the elements of an empty literal are taken for what the first overload asks for.
_COMPARABLE = {name: kind for name, (kind, _) in _SUMMABLE.items()} | {
    "string": STRING,
    "bool": BOOL,
    "bytes": BYTES,
    "timestamp": TIMESTAMP,
}
_MAX_RANGE = 1_000_000


def _compare(left: Any, right: Any, apply: Callable[[Any, Any], bool]) -> bool:
    number = (int, float)
    if type(left) is not type(right) and not (
        isinstance(left, number) and isinstance(right, number) and not isinstance(left, bool) | isinstance(right, bool)
    ):
        raise Failure(values.OVERLOAD)
    if isinstance(left, (list, dict)) or left is None:
        raise Failure(values.OVERLOAD)
    return bool(apply(left, right))


def _is_sorted(items: list[Any]) -> bool:
    return all(_compare(left, right, operator.le) for left, right in itertools.pairwise(items))


def _extreme(name: str, apply: Callable[[Any, Any], bool]) -> Callable[[list[Any]], Any]:
    def pick(items: list[Any]) -> Any:
        if not items:
            raise Failure(f"{name} called on empty list")
        best = items[0]
        for item in items[1:]:
            if _compare(item, best, apply):
                best = item
        return best

    return pick


_ADD = {overload.params: overload.run for overload in operators.STANDARD["_+_"]}


def _summer(kind: types.Type, zero: Any) -> Callable[[list[Any]], Any]:
    plus = _ADD[(kind, kind)]

    def total(items: list[Any]) -> Any:
        result = zero
        for item in items:
            if values.kind_of(item) != values.kind_of(zero):
                raise Failure(values.OVERLOAD)
            result = plus(result, item)
        return result

    return total


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at, item in enumerate(items) if values.equal(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at in range(len(items) - 1, -1, -1) if values.equal(items[at], wanted)), -1)


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise Failure(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise Failure(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if end > len(items):
        raise Failure(f"cannot slice({start}, {end}), list is length {len(items)}")
    return list(items[start:end])


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise Failure("level must be non-negative")
    found: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth > 0:
            found += _flatten(item, depth - 1)
        else:
            found.append(item)
    return found


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(values.equal(item, other) for other in found):
            found.append(item)
    return found


def _range(count: int) -> list[int]:
    if count > _MAX_RANGE:
        raise Failure(f"lists.range({count}): too large")
    return list(range(max(count, 0)))


def sort_by(items: list[Any], keys: list[Any]) -> list[Any]:
    """``items`` in the order of their ``keys``, all of one comparable type. Raises Failure."""
    kinds = {values.kind_of(key) for key in keys}
    if len(kinds) > 1:
        raise Failure("list elements must have the same type")
    if kinds and not kinds & {
        "int", "uint", "double", "bool", "string", "bytes", "google.protobuf.Timestamp", "google.protobuf.Duration",
    }:  # fmt: skip
        raise Failure("list elements must be comparable")
    order = sorted(range(len(items)), key=keys.__getitem__)
    return [items[at] for at in order]


def _contains(items: list[Any], others: list[Any]) -> bool:
    return all(any(values.equal(item, other) for item in items) for other in others)


def _quadratic(args: Any, result: Any) -> int:
    return len(args[0]) * len(args[0]) + 10


def _sets_cost(factor: int) -> functions.Cost:
    return lambda args, result: max(1, len(args[0]) * len(args[1]) * factor)


def _per_element(args: Any, result: Any) -> int:
    return 1 + len(args[0])


def _declare() -> None:
    for name, kind in _COMPARABLE.items():
        items = types.list_of(kind)
        FUNCTIONS.member("isSorted", f"list_{name}_is_sorted_bool", (items,), BOOL, _is_sorted, functions.deep)
        FUNCTIONS.member("max", f"list_{name}_max_{name}", (items,), kind, _extreme("max", operator.gt), functions.deep)
        FUNCTIONS.member("min", f"list_{name}_min_{name}", (items,), kind, _extreme("min", operator.lt), functions.deep)
    for name, (kind, zero) in _SUMMABLE.items():
        total = _summer(kind, zero)
        FUNCTIONS.member("sum", f"list_{name}_sum_{name}", (types.list_of(kind),), kind, total, functions.deep)
    add = FUNCTIONS.member
    add("indexOf", "list_a_index_of_int", (_LIST, A), INT, _index_of, functions.deep)
    add("lastIndexOf", "list_a_last_index_of_int", (_LIST, A), INT, _last_index_of, functions.deep)
    add("slice", "list_slice", (_LIST, INT, INT), _LIST, _slice, _per_element)
    nested = types.list_of(types.list_of(A))
    add("flatten", "list_flatten", (nested,), _LIST, _flatten, _per_element)
    add("flatten", "list_flatten_int", (types.list_of(DYN), INT), types.list_of(DYN), _flatten, _per_element)
    add("distinct", "list_distinct", (_LIST,), _LIST, _distinct, _quadratic)
    add("reverse", "list_reverse", (_LIST,), _LIST, lambda items: list(reversed(items)), _per_element)
    add("sort", "list_sort", (_LIST,), _LIST, lambda items: sort_by(items, items), _quadratic)
    FUNCTIONS.add("lists.range", "lists_range", (INT,), types.list_of(INT), _range, lambda _, made: 10 + len(made))
    first = types.optional(A)
    some = values.Optional
    add("first", "list_first", (_LIST,), first, lambda items: some(items[0], True) if items else values.NONE)
    add("last", "list_last", (_LIST,), first, lambda items: some(items[-1], True) if items else values.NONE)
    pair = (_LIST, _LIST)
    FUNCTIONS.add("sets.contains", "list_sets_contains_list", pair, BOOL, _contains, _sets_cost(1))
    equivalent = "list_sets_equivalent_list"
    FUNCTIONS.add(
        "sets.equivalent", equivalent, pair, BOOL, lambda x, y: _contains(x, y) and _contains(y, x), _sets_cost(2)
    )
    intersects = "list_sets_intersects_list"
    FUNCTIONS.add(
        "sets.intersects", intersects, pair, BOOL, lambda x, y: any(_index_of(x, v) >= 0 for v in y), _sets_cost(1)
    )


_declare()
