"""Walks an object against its type, as Go's decoder would.

Two passes. The first only answers "is this already exactly as it will be stored?" with closures compiled once per
type; that is the common case and costs some microseconds. Only where it says no does the second pass walk with paths,
collect problems, drop unknown fields, nulls and empty optional lists and maps, and write quantities and times in their
canonical form.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kijabi.api import quantity, timestamps
from kijabi.api.schema import types

FATAL, UNKNOWN = "fatal", "unknown"


@dataclass(frozen=True, slots=True)
class Problem:
    """``fatal`` ones are 400 whatever fieldValidation says; unknown fields are an error, a warning or nothing.

    ``str()`` is upstream's text: ``unknown field "spec.foo"``, or Go's decode error.
    """

    text: str
    fatal: bool
    path: str = ""

    def __str__(self) -> str:
        return self.text


Test = Callable[[Any], bool]

_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)


def _is_int32(value: Any) -> bool:
    return type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF


def _is_int64(value: Any) -> bool:
    return type(value) is int and -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF


def _is_double(value: Any) -> bool:
    return type(value) is float or type(value) is int


def _is_bytes(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError):
        return not value
    return True


def _is_time(value: Any) -> bool:
    return type(value) is str and _TIME.fullmatch(value) is not None


def _is_micro_time(value: Any) -> bool:
    return type(value) is str and len(value) == 27 and _canonical(timestamps.canonical_micro, value)


def _canonical(rule: Callable[[str], str], value: str) -> bool:
    try:
        return rule(value) == value
    except ValueError:
        return False


def _is_quantity(value: Any) -> bool:
    return type(value) is str and _canonical(quantity.canonical, value)


def _is_int_or_string(value: Any) -> bool:
    return type(value) is str or _is_int32(value)


def _is_any(value: Any) -> bool:
    return value is not None


_TESTS: dict[str, Test] = {
    types.INT32: _is_int32,
    types.INT64: _is_int64,
    types.DOUBLE: _is_double,
    types.BYTES: _is_bytes,
    types.TIME: _is_time,
    types.MICRO_TIME: _is_micro_time,
    types.QUANTITY: _is_quantity,
    types.INT_OR_STRING: _is_int_or_string,
    types.ANY: _is_any,
}
# These two need no call: the loops compare the type directly.
_DIRECT: dict[str, type] = {types.STRING: str, types.BOOL: bool}


def is_omitted(declared: types.Field) -> bool:
    """Whether a field is left out when it is empty, as Go's encoder does: optional lists and maps.

    Strings and numbers are not told apart from pointers to them by what is known here, and stay as they were sent. An
    empty list of managed fields asks to forget them.
    """
    omitted = not declared.required and declared.type.kind in (types.LIST, types.MAP)
    return omitted and declared.name != "managedFields"


class Tests:
    """The compiled first pass, one closure per type."""

    def __init__(self) -> None:
        self._made: dict[types.Type, Test] = {}

    def of(self, kind: types.Type) -> Test:
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = self._make(kind)
        return made

    def _make(self, kind: types.Type) -> Test:
        if kind.kind == types.STRUCT:
            return self._struct(kind)
        if kind.kind == types.LIST:
            return self._list(kind)
        if kind.kind == types.MAP:
            return self._map(kind)
        direct = _DIRECT.get(kind.kind)
        if direct is not None:
            return lambda value: type(value) is direct
        return _TESTS[kind.kind]

    def _struct(self, kind: types.Type) -> Test:
        direct = {name: _DIRECT[f.type.kind] for name, f in kind.fields.items() if f.type.kind in _DIRECT}
        tests: dict[str, Test] = {}

        def test(value: Any) -> bool:
            if type(value) is not dict:
                return False
            for key, item in value.items():
                expected = direct.get(key)
                if expected is not None:
                    if type(item) is not expected:
                        return False
                else:
                    inner = tests.get(key)
                    if inner is None or not inner(item):
                        return False
            return True

        # Known before its fields are made, for types that contain themselves.
        self._made[kind] = test
        for name, declared in kind.fields.items():
            if name not in direct:
                tests[name] = self._filled(declared.type) if is_omitted(declared) else self.of(declared.type)
        return test

    def _filled(self, kind: types.Type) -> Test:
        """Of a list or map that is not stored when it is empty."""
        assert kind.item is not None
        wanted = list if kind.kind == types.LIST else dict
        inner = self.of(kind.item)
        if wanted is list:
            return lambda value: type(value) is list and bool(value) and all(map(inner, value))
        return lambda value: type(value) is dict and bool(value) and all(map(inner, value.values()))

    def _list(self, kind: types.Type) -> Test:
        assert kind.item is not None
        inner = self.of(kind.item)
        return lambda value: type(value) is list and all(map(inner, value))

    def _map(self, kind: types.Type) -> Test:
        assert kind.item is not None
        if kind.item.kind == types.STRING:
            return lambda value: type(value) is dict and all(type(item) is str for item in value.values())
        inner = self.of(kind.item)
        return lambda value: type(value) is dict and all(map(inner, value.values()))


class _Fatal(Exception):
    """Go's decoder stops at an error of a type's own decoding (times, quantities)."""


@dataclass(slots=True)
class _Place:
    """Where the walk is: the struct and dotted Go path for decode errors, the bracketed path for unknown fields."""

    struct: str
    dotted: str
    path: str


_NONE = object()


class Walk:
    """The second pass over one object. ``run`` changes the object and gives the problems in document order."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._complained = False

    def run(self, kind: types.Type, obj: dict[str, Any]) -> list[Problem]:
        try:
            self._struct(kind, obj, _Place("", "", ""))
        except _Fatal as error:
            return [Problem(str(error), True)]
        return sorted(self.problems, key=lambda problem: not problem.fatal)

    def _walk(self, kind: types.Type, value: Any, place: _Place) -> Any:
        """The value as it is to be stored; ``_NONE`` where the decoder would leave the field unset."""
        match kind.kind:
            case types.STRUCT:
                return self._struct(kind, value, place)
            case types.LIST:
                return self._list(kind, value, place)
            case types.MAP:
                return self._map(kind, value, place)
            case types.ANY:
                return value
        return self._scalar(kind, value, place)

    def _struct(self, kind: types.Type, value: Any, place: _Place) -> Any:
        if type(value) is not dict:
            return self._wrong(kind, value, place)
        struct = kind.go.rpartition(".")[2]
        for key in list(value):
            path = f"{place.path}.{key}" if place.path else key
            declared = kind.fields.get(key)
            if declared is None:
                self.problems.append(Problem(f'unknown field "{path}"', False, path))
                del value[key]
                continue
            item = value[key]
            if item is not None:
                dotted = f"{place.dotted}.{key}" if place.dotted else key
                item = self._walk(declared.type, item, _Place(struct, dotted, path))
            if item is None or item is _NONE or (not item and is_omitted(declared)):
                del value[key]
            else:
                value[key] = item
        return value

    def _list(self, kind: types.Type, value: Any, place: _Place) -> Any:
        assert kind.item is not None
        if type(value) is not list:
            return self._wrong(kind, value, place)
        for position, item in enumerate(value):
            inner = _Place(place.struct, place.dotted, f"{place.path}[{position}]")
            made = _zero(kind.item) if item is None else self._walk(kind.item, item, inner)
            value[position] = _zero(kind.item) if made is _NONE else made
        return value

    def _map(self, kind: types.Type, value: Any, place: _Place) -> Any:
        assert kind.item is not None
        if type(value) is not dict:
            return self._wrong(kind, value, place)
        for key, item in value.items():
            inner = _Place(place.struct, place.dotted, f"{place.path}.{key}")
            made = _zero(kind.item) if item is None else self._walk(kind.item, item, inner)
            value[key] = _zero(kind.item) if made is _NONE else made
        return value

    def _scalar(self, kind: types.Type, value: Any, place: _Place) -> Any:
        match kind.kind:
            case types.QUANTITY:
                return _quantity(value)
            case types.TIME | types.MICRO_TIME:
                return self._time(kind, value, place)
            case types.BYTES if type(value) is str:
                return self._bytes(value)
            case types.INT_OR_STRING if type(value) is not str and not _is_int32(value):
                return self._wrong(types.Type(types.INT32, "int32"), value, place)
        test = _DIRECT.get(kind.kind)
        fits = type(value) is test if test is not None else _TESTS[kind.kind](value)
        return value if fits else self._wrong(kind, value, place)

    def _time(self, kind: types.Type, value: Any, place: _Place) -> Any:
        if type(value) is not str:
            return self._wrong(types.Type(types.STRING, "string"), value, place)
        rule = timestamps.canonical if kind.kind == types.TIME else timestamps.canonical_micro
        try:
            return rule(value)
        except timestamps.Malformed as error:
            raise _Fatal(str(error)) from error

    def _bytes(self, value: str) -> Any:
        # Go's decoder skips line breaks, and nothing else that is not of the alphabet.
        joined = value.replace("\n", "").replace("\r", "")
        try:
            return base64.b64encode(binascii.a2b_base64(joined, strict_mode=True)).decode() if joined else joined
        except (binascii.Error, ValueError):
            self._fatal(f"illegal base64 data at input byte {_first_illegal(value)}")
            return _NONE

    def _wrong(self, kind: types.Type, value: Any, place: _Place) -> Any:
        name = f"field {place.struct}.{place.dotted}" if place.struct else "value"
        into = f"Go struct {name}" if place.struct else "Go value"
        self._fatal(f"json: cannot unmarshal {_shown(value, kind)} into {into} of type {kind.go}")
        return _NONE

    def _fatal(self, text: str) -> None:
        # The decoder remembers the first error and goes on.
        if not self._complained:
            self._complained = True
            self.problems.append(Problem(text, True))


def _quantity(value: Any) -> Any:
    try:
        return str(quantity.of(value))
    except quantity.Malformed as error:
        raise _Fatal(str(error)) from error


def _shown(value: Any, wanted: types.Type) -> str:
    """What a decode error calls a JSON value."""
    if type(value) is bool:
        return "bool"
    if type(value) is str:
        return "string"
    if type(value) is list:
        return "array"
    if type(value) is dict:
        return "object"
    # A number that a numeric type cannot hold is shown; for other types just named.
    return f"number {value}" if wanted.kind in (types.INT32, types.INT64, types.DOUBLE) else "number"


def _zero(kind: types.Type) -> Any:
    """What a null element of a list or map becomes."""
    match kind.kind:
        case types.STRING | types.BYTES:
            return ""
        case types.INT32 | types.INT64 | types.INT_OR_STRING:
            return 0
        case types.DOUBLE:
            return 0.0
        case types.BOOL:
            return False
        case types.QUANTITY:
            return "0"
        case types.STRUCT:
            return {}
    return None


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _first_illegal(text: str) -> int:
    """The position Go's base64 decoder complains of."""
    for position, character in enumerate(text):
        if character not in _ALPHABET and character not in "\r\n":
            return position
    return len(text) - len(text) % 4
