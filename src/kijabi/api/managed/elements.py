"""Path elements in the form they have as keys of FieldsV1.

``f:NAME`` is a field, ``k:{...}`` an element of a list by its keys, ``v:VALUE`` one of a set, ``i:N`` one by position.
The text is the identity, so it must be the one and only spelling: keys sorted, JSON without blanks, and ``<``, ``>``
and ``&`` escaped as Go's encoder does.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

# Marks a node that is owned itself, beside what is owned below it.
SELF = "."

_ESCAPED = re.compile("[<>&\u2028\u2029]")


class Malformed(ValueError):
    """A path element or a field set that cannot be read."""


def encode(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if _ESCAPED.search(text):
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text


def of_field(name: str) -> str:
    return f"f:{name}"


def of_key(pairs: dict[str, Any]) -> str:
    return f"k:{encode(pairs)}"


def of_value(value: Any) -> str:
    return f"v:{encode(value)}"


@functools.lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The one spelling of an element that a client wrote; empty for unknown kinds. Raises Malformed."""
    if text == SELF:
        return text
    if len(text) < 2:
        raise Malformed("key must be 2 characters long:")
    if text[1] != ":":
        raise Malformed(f"missing colon: {text}")
    kind, rest = text[0], text[2:]
    try:
        if kind == "f":
            return text
        if kind == "v":
            return of_value(orjson.loads(rest))
        if kind == "k":
            pairs = orjson.loads(rest)
            if isinstance(pairs, dict):
                return of_key(pairs)
        if kind == "i":
            return f"i:{int(rest)}"
    except ValueError as error:
        raise Malformed(f"parsing key as path element: {error}") from error
    if kind == "k":
        raise Malformed("parsing key as path element: expect { or n")
    return ""


@functools.lru_cache(maxsize=4096)
def order(text: str) -> tuple[Any, ...]:
    """Sort key: the node itself, fields by name, keys, values, positions."""
    kind = text[0]
    if kind == SELF:
        return (0,)
    if kind == "f":
        return (1, text)
    if kind == "k":
        return (2, tuple((name, _rank(value)) for name, value in orjson.loads(text[2:]).items()))
    if kind == "v":
        return (3, _rank(orjson.loads(text[2:])))
    return (4, int(text[2:]))


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, str):
        return 1, value
    if value is None:
        return 5, ""
    return (3 if isinstance(value, list) else 4), encode(value)


def show(text: str) -> str:
    """As errors print it: ``.spec``, ``[name="x"]``, ``[="x"]``, ``[0]``."""
    kind, rest = text[0], text[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = orjson.loads(rest)
        return f"[{','.join(f'{name}={plain(pairs[name])}' for name in sorted(pairs))}]"
    if kind == "v":
        return f"[={plain(orjson.loads(rest))}]"
    return f"[{rest}]"


def plain(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(map(plain, value))}]"
    if isinstance(value, dict):
        return f"{{{';'.join(f'{key}={plain(item)}' for key, item in value.items())}}}"
    return str(value)


def show_path(path: Sequence[str]) -> str:
    return "".join(map(show, path))
