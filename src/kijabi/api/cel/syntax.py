"""What an expression is made of, and how what is wrong with one is told.

A node knows its offset in the source and, once checked, its type and the overloads that may be called. Macros are not
expanded into loops over hidden variables as the specification has it: a ``Fold`` keeps what was written, so that the
evaluator runs it as a Python loop and the estimator applies the closed formula.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kijabi.api.cel import types


@dataclass(slots=True, eq=False)
class Node:
    """``offset`` is where upstream points at: an operator, an opening bracket, a name."""

    offset: int
    type: types.Type = field(default=types.DYN, init=False)


@dataclass(slots=True, eq=False)
class Literal(Node):
    value: Any


@dataclass(slots=True, eq=False)
class Ident(Node):
    name: str


@dataclass(slots=True, eq=False)
class Select(Node):
    """``operand.field``; ``test`` for has(); ``optional`` for ``operand.?field``."""

    operand: Node
    field: str
    test: bool = False
    optional: bool = False


@dataclass(slots=True, eq=False)
class Call(Node):
    function: str
    target: Node | None
    args: list[Node]
    overloads: list[Any] = field(default_factory=list, init=False)


@dataclass(slots=True, eq=False)
class ListLiteral(Node):
    elements: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(slots=True, eq=False)
class MapLiteral(Node):
    entries: list[tuple[Node, Node, bool]]


@dataclass(slots=True, eq=False)
class StructLiteral(Node):
    name: str
    fields: list[tuple[str, Node, bool, int]]


@dataclass(slots=True, eq=False)
class Fold(Node):
    """A macro over ``range``: ``kind`` is all, exists, exists_one, map, filter, transformList, transformMap,
    transformMapEntry, sortBy, optMap, optFlatMap. ``body`` is the predicate or the transformation."""

    kind: str
    range: Node
    variables: list[str]
    body: Node
    guard: Node | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    offset: int
    message: str


def show(source: str, problems: list[Problem]) -> str:
    """All problems as upstream prints them: in the order of the source, the line and a caret below each."""
    starts = [0]
    for position, letter in enumerate(source):
        if letter == "\n":
            starts.append(position + 1)
    lines = source.split("\n")
    shown = []
    for problem in sorted(problems, key=lambda item: item.offset):
        row = sum(1 for start in starts if start <= problem.offset) - 1
        column = problem.offset - starts[row]
        text = f"ERROR: <input>:{row + 1}:{column + 1}: {problem.message}\n | {lines[row]}\n | {'.' * column}^"
        if text not in shown:
            shown.append(text)
    return "\n".join(shown)
