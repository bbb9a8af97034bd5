"""The table of functions: what may be called with what, what it gives, what it does and what it costs.

A library module fills a ``Functions`` and ``library`` puts them together once at import. Of the overloads the checker
left possible, the evaluator calls the first whose parameters fit the values at hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.api.cel import types, values

Cost = Callable[[Sequence[Any], Any], int]

STRING_COST, REGEX_COST = 0.1, 0.25


@dataclass(frozen=True, slots=True)
class Overload:
    """``params`` of a member function begin with the receiver. ``cost`` None is 1 a call."""

    id: str
    params: tuple[types.Type, ...]
    result: types.Type
    run: Callable[..., Any]
    member: bool = False
    cost: Cost | None = None

    def fits(self, args: Sequence[Any]) -> bool:
        return all(_GUARDS.get(kind.kind, _any)(value, kind) for value, kind in zip(args, self.params, strict=True))


def _any(value: Any, kind: types.Type) -> bool:
    return True


def _opaque(value: Any, kind: types.Type) -> bool:
    if kind.is_optional:
        return type(value) is values.Optional
    return isinstance(value, values.Opaque) and kind == value.TYPE


_GUARDS: dict[str, Callable[[Any, types.Type], bool]] = {
    "bool": lambda value, _: value is True or value is False,
    "int": lambda value, _: type(value) is int,
    "uint": lambda value, _: type(value) is values.Uint,
    "double": lambda value, _: type(value) is float,
    "string": lambda value, _: isinstance(value, str),
    "bytes": lambda value, _: type(value) is bytes,
    "null": lambda value, _: value is None,
    "timestamp": lambda value, _: type(value) is values.Timestamp,
    "duration": lambda value, _: type(value) is values.Duration,
    "list": lambda value, _: isinstance(value, list),
    "map": lambda value, _: isinstance(value, dict),
    "struct": _opaque,
    "opaque": _opaque,
    "type": lambda value, _: type(value) is values.TypeValue,
}


class Functions(dict[str, list[Overload]]):
    """By name, in the order of declaration."""

    def add(
        self,
        name: str,
        identity: str,
        params: Sequence[types.Type],
        result: types.Type,
        run: Callable[..., Any],
        cost: Cost | None = None,
    ) -> None:
        self.setdefault(name, []).append(Overload(identity, tuple(params), result, run, False, cost))

    def member(
        self,
        name: str,
        identity: str,
        params: Sequence[types.Type],
        result: types.Type,
        run: Callable[..., Any],
        cost: Cost | None = None,
    ) -> None:
        self.setdefault(name, []).append(Overload(identity, tuple(params), result, run, True, cost))

    def join(self, other: Functions) -> None:
        for name, overloads in other.items():
            self.setdefault(name, []).extend(overloads)


def traverse(factor: float = STRING_COST, position: int = 0) -> Cost:
    """What reading one argument from end to end costs."""
    return lambda args, result: math.ceil(values.size_of(args[position]) * factor)


def traverse_result(factor: float) -> Cost:
    return lambda args, result: math.ceil(values.size_of(result) * factor)


def regex(args: Sequence[Any], result: Any) -> int:
    """The string times the pattern."""
    text = math.ceil((1.0 + len(args[0])) * STRING_COST)
    return text * math.ceil(len(args[1]) * REGEX_COST)


def deep(args: Sequence[Any], result: Any) -> int:
    """One visit of every leaf of the receiver."""
    return _leaves(args[0])


def _leaves(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return int(len(value) * STRING_COST)
    if isinstance(value, list):
        return sum(map(_leaves, value))
    if isinstance(value, dict):
        return sum(_leaves(key) + _leaves(item) for key, item in value.items())
    return 1
