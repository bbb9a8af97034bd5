"""A component's ``Options`` dataclass as click options, under upstream's flag names.

A field ``secure_port: int`` becomes ``--secure-port``. Field metadata may say ``help``, ``flag`` (another name) and
``parse`` (text → value, raising ValueError, for what is none of the types below).
Types: text, int, bool (``--flag``, ``--flag=false``), float (seconds: a number or Go's ``1m30s``), lists and tuples of
text (comma-separated or repeated, as upstream's), and mappings (``a=b,c=d``).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import click

from kijabi.cluster import flags


class Seconds(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return flags.seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Boolean(click.ParamType[bool]):
    name = "true|false"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if isinstance(value, bool):
            return value
        try:
            return flags.boolean(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
            chosen[name] = parsers[name](value) if name in parsers else _taken(flags.plain(hints[name]), value)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=f"--{name.replace('_', '-')}") from error
    return options_type(**chosen)


def _option(field: dataclasses.Field[Any], hint: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = field.metadata.get("flag") or f"--{field.name.replace('_', '-')}"
    plain = flags.plain(hint)
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
    elif flags.is_collection(plain):
        settings |= {"multiple": True, "metavar": "A,B,..." if flags.origin(plain) is not dict else "K=V,..."}
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


def _taken(plain: Any, value: Any) -> Any:
    return flags.collected(plain, value) if flags.is_collection(plain) else value
