"""A component's ``Options`` dataclass as click options, under upstream's flag names.

A field ``secure_port: int`` becomes ``--secure-port``. Field metadata may say ``help``, ``flag`` (another name) and
``parse`` (text → value, raising ValueError, for what is none of the types below).
Types: text, int, bool (``--flag``, ``--flag=false``), float (seconds: a number or Go's ``1m30s``), lists and tuples of
text (comma-separated or repeated, as upstream's), and mappings (``a=b,c=d``).
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

import click

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(text: str) -> float:
    """``90``, ``90s``, ``1m30s`` → 90.0. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text.lstrip("+"):
            raise ValueError(f"{text!r} is not a duration: write 30, 30s or 1m30s") from None
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


class Seconds(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Boolean(click.ParamType[bool]):
    name = "true|false"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if isinstance(value, bool):
            return value
        known = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
        if str(value).lower() not in known:
            self.fail(f"{value!r} is not true or false", param, ctx)
        return known[str(value).lower()]


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


def options(options_type: type[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds an option per field. Only those that were given reach the command."""
    hints = typing.get_type_hints(options_type)

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(dataclasses.fields(options_type)):
            if field.init:
                function = _option(field, hints[field.name])(function)
        return function

    return add


def given(options_type: type[Any], values: dict[str, Any]) -> Any:
    """An ``Options`` of what was given; the rest are its own defaults."""
    hints = typing.get_type_hints(options_type)
    fields = dataclasses.fields(options_type)
    parsers = {field.name: field.metadata["parse"] for field in fields if "parse" in field.metadata}
    chosen = {}
    for name, value in values.items():
        if value is None or value == ():
            continue
        try:
            chosen[name] = parsers[name](value) if name in parsers else _collected(_plain(hints[name]), value)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=f"--{name.replace('_', '-')}") from error
    return options_type(**chosen)


def _option(field: dataclasses.Field[Any], hint: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = field.metadata.get("flag") or f"--{field.name.replace('_', '-')}"
    plain = _plain(hint)
    settings: dict[str, Any] = {"help": _help(field), "default": None}
    if "parse" in field.metadata:
        pass
    elif plain is bool:
        # `--flag` alone is true, and `--flag=false` works, as with Go's flags.
        settings |= {"type": Boolean(), "is_flag": False, "flag_value": "true"}
    elif plain is float:
        settings |= {"type": Seconds()}
    elif plain is int:
        settings |= {"type": int}
    elif _origin(plain) in (list, tuple, dict, set, frozenset):
        settings |= {"multiple": True, "metavar": "A,B,..." if _origin(plain) is not dict else "K=V,..."}
    return click.option(flag, field.name, **settings)


def _help(field: dataclasses.Field[Any]) -> str:
    text: str = field.metadata.get("help", "")
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if default in ("", None, (), [], {}, dataclasses.MISSING):
        return text
    shown = ",".join(map(str, default)) if isinstance(default, (list, tuple, set, frozenset)) else default
    if isinstance(default, bool):
        shown = str(default).lower()
    return f"{text} [default: {shown}]".strip()


def _collected(plain: Any, value: Any) -> Any:
    origin = _origin(plain)
    if origin is dict:
        return pairs(value)
    return origin(split(value)) if origin in (list, tuple, set, frozenset) else value


def _origin(plain: Any) -> Any:
    return typing.get_origin(plain) or plain


def _plain(hint: Any) -> Any:
    """``int | None`` → int; the abstract collections → tuple and dict."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        hint = rest[0] if len(rest) == 1 else str
    origin = typing.get_origin(hint)
    if origin is not None and origin.__module__ == "collections.abc":
        return dict if "Mapping" in origin.__name__ else tuple
    return hint
