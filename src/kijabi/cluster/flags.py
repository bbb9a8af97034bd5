"""Flags of components as text, and the values they stand for: what ``up`` is given for a component's options.

Types: text, int, bool, float (seconds: a number or Go's ``1m30s``), lists and tuples of text (comma-separated), and
mappings (``a=b,c=d``). Field metadata may say ``parse`` (text → value, raising ValueError) for what is none of these.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

# Under this name a component's options hold flags as text.
ARGUMENTS = "arguments"

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def seconds(text: str) -> float:
    """``90``, ``90s``, ``1m30s`` → 90.0. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text.lstrip("+"):
            raise ValueError(f"{text!r} is not a duration: write 30, 30s or 1m30s") from None
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


def boolean(text: str) -> bool:
    """Raises ValueError."""
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"{text!r} is not true or false")
    return _BOOLEANS[text.lower()]


def split(values: Sequence[str]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]


def pairs(values: Sequence[str]) -> dict[str, str]:
    """``("a=b,c=d", "e=f")`` → a mapping. Raises ValueError."""
    found = {}
    for part in split(values):
        key, sign, value = part.partition("=")
        if not sign:
            raise ValueError(f"{part!r} is not KEY=VALUE")
        found[key] = value
    return found


def origin(plain: Any) -> Any:
    return typing.get_origin(plain) or plain


def plain(hint: Any) -> Any:
    """``int | None`` → int; the abstract collections → tuple and dict."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        hint = rest[0] if len(rest) == 1 else str
    source = typing.get_origin(hint)
    if source is not None and source.__module__ == "collections.abc":
        return dict if "Mapping" in source.__name__ else tuple
    return hint


def collected(hint: Any, values: Sequence[str]) -> Any:
    """The value of a flag that may be repeated. Raises ValueError."""
    kind = origin(hint)
    return pairs(values) if kind is dict else kind(split(values))


def is_collection(hint: Any) -> bool:
    return origin(hint) in (list, tuple, dict, set, frozenset)


def read(options_type: type[Any], arguments: Mapping[str, str]) -> dict[str, Any]:
    """Values by field name, of flags by upstream's name (``audit-log-path``). Raises ValueError, which says which."""
    hints = typing.get_type_hints(options_type)
    fields = {
        (field.metadata.get("flag") or f"--{field.name.replace('_', '-')}").removeprefix("--"): field
        for field in dataclasses.fields(options_type)
    }
    found: dict[str, Any] = {}
    for flag, text in arguments.items():
        if flag not in fields:
            raise ValueError(f"there is no flag --{flag}")
        field = fields[flag]
        try:
            found[field.name] = _value(field, plain(hints[field.name]), text)
        except ValueError as error:
            raise ValueError(f"--{flag}: {error}") from error
    return found


def _value(field: dataclasses.Field[Any], hint: Any, text: str) -> Any:
    if "parse" in field.metadata:
        return field.metadata["parse"](text)
    if is_collection(hint):
        return collected(hint, [text])
    if hint is bool:
        return boolean(text)
    if hint is int:
        return int(text)
    return seconds(text) if hint is float else text
