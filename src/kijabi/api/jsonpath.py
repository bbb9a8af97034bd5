"""JSONPath as printer columns and selectable fields use it: ``.spec.x``, ``[0]``, ``['a.b']``, ``[*]``, ``[1:3]``,
``..name`` and filters ``[?(@.type=="Ready")]``.

Missing keys give nothing, never an error. Source: k8s.io/client-go util/jsonpath; "JSONPath Support".

Left out: templates with text, ``range`` and unions of names, which only kubectl's own output formats use.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from kijabi.kit import jsons


class Malformed(ValueError):
    """The path cannot be read."""


# Gives what a step leads to from each of some values.
Step = Callable[[Iterable[Any]], list[Any]]

_NAME = re.compile(r"((?:[^.\[\]\\\s]|\\.)+)")
_FILTER = re.compile(r"\s*(@[^=!<>\s]*|'[^']*'|\"[^\"]*\"|[^=!<>\s]+)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@functools.lru_cache(maxsize=2048)
def parse(path: str) -> tuple[Step, ...]:
    """Raises Malformed."""
    steps: list[Step] = []
    text = path.strip().removeprefix("$").removeprefix("@")
    at = 0
    while at < len(text):
        if text.startswith("..", at):
            at += 2
            steps.append(_everything)
            continue
        if text[at] == "[":
            inside, at = _bracketed(text, at)
            steps.append(_subscript(inside))
            continue
        at += text[at] == "."
        if at >= len(text):
            break
        if text[at] == "[":
            continue
        if text[at] == "*":
            steps.append(_wildcard)
            at += 1
            continue
        found = _NAME.match(text, at)
        if found is None:
            raise Malformed(f"unrecognized character in action: {text[at:]}")
        steps.append(_member(re.sub(r"\\(.)", r"\1", found.group(1))))
        at = found.end()
    return tuple(steps)


def find(path: str, value: Any) -> list[Any]:
    """All that the path leads to. Raises Malformed."""
    values: list[Any] = [value]
    for step in parse(path):
        values = step(values)
    return values


def text(value: Any) -> str:
    """A value as kubectl prints it: strings bare, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else jsons.dumps(value).decode()


def _bracketed(text: str, at: int) -> tuple[str, int]:
    """What stands between the brackets that open at ``at``, and the place behind them."""
    depth, quote = 0, ""
    for place in range(at, len(text)):
        character = text[place]
        if quote:
            quote = "" if character == quote and text[place - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if not depth:
                return text[at + 1 : place], place + 1
    raise Malformed("unterminated array")


def _subscript(inside: str) -> Step:
    word = inside.strip()
    if word == "*":
        return _wildcard
    if word.startswith("?"):
        return _filter(word[1:].strip().removeprefix("(").removesuffix(")"))
    if word[:1] in ("'", '"'):
        return _member(word[1:-1].replace("\\'", "'"))
    if re.fullmatch(r"-?\d+", word):
        return _item(int(word))
    cut = re.fullmatch(r"(-?\d*):(-?\d*)(?::(-?\d*))?", word)
    if cut is not None:
        start, end, every = (int(part) if part else None for part in cut.groups())
        return _slice(slice(start, end, every))
    raise Malformed(f"invalid array index {word}")


def _member(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _item(position: int) -> Step:
    def step(values: Iterable[Any]) -> list[Any]:
        return [value[position] for value in values if isinstance(value, list) and -len(value) <= position < len(value)]

    return step


def _slice(cut: slice) -> Step:
    return lambda values: [item for value in values if isinstance(value, list) for item in value[cut]]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _wildcard(values: Iterable[Any]) -> list[Any]:
    return [child for value in values for child in _children(value)]


def _everything(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        found.append(value)
        found += _everything(_children(value))
    return found


def _filter(condition: str) -> Step:
    found = _FILTER.fullmatch(condition)
    if found is None:
        raise Malformed(f"invalid filter {condition}")
    left, sign, right = found.groups()
    of_left, of_right = _operand(left), _operand(right) if right else None

    def holds(item: Any) -> bool:
        first = of_left(item)
        if of_right is None:
            return bool(first)
        second = of_right(item)
        if not first or not second:
            return False
        try:
            return _COMPARE[sign](first[0], second[0])
        except TypeError:
            return False

    return lambda values: [item for value in values if isinstance(value, list) for item in value if holds(item)]


def _operand(written: str) -> Callable[[Any], list[Any]]:
    if written.startswith("@"):
        path = written[1:]
        return lambda item: find(path, item)
    if written[:1] in ("'", '"'):
        literal: Any = written[1:-1]
    elif written in ("true", "false"):
        literal = written == "true"
    else:
        try:
            literal = float(written) if "." in written else int(written)
        except ValueError as error:
            raise Malformed(f"invalid literal {written}") from error
    return lambda item: [literal]
