"""The types of CEL and when one may stand where another is asked for.

Source: the CEL specification, "Gradual type checking"; the names in messages are those of upstream's checker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """``kind`` is the name of a scalar, or list, map, struct, opaque, type, param. ``name``: of a struct or param."""

    kind: str
    name: str = ""
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        if self.kind in ("struct", "param"):
            return self.name
        head = self.name if self.kind == "opaque" else self.kind
        return f"{head}({', '.join(map(str, self.params))})" if self.params else head

    @property
    def is_dyn(self) -> bool:
        return self.kind in ("dyn", "error")

    @property
    def is_optional(self) -> bool:
        return self.kind == "opaque" and self.name == "optional_type"


DYN, BOOL, INT, UINT, DOUBLE = Type("dyn"), Type("bool"), Type("int"), Type("uint"), Type("double")
STRING, BYTES, NULL = Type("string"), Type("bytes"), Type("null")
TIMESTAMP, DURATION, ERROR = Type("timestamp"), Type("duration"), Type("error")
A, B = Type("param", "A"), Type("param", "B")
SCALARS = {kind.kind: kind for kind in (BOOL, INT, UINT, DOUBLE, STRING, BYTES)}
_NULLABLE = {"struct", "opaque", "null", "duration", "timestamp"}


def list_of(item: Type) -> Type:
    return Type("list", params=(item,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", params=(key, value))


def optional(item: Type) -> Type:
    return Type("opaque", "optional_type", (item,))


def type_of(item: Type) -> Type:
    return Type("type", params=(item,))


def struct(name: str) -> Type:
    return Type("struct", name)


Bindings = dict[str, Type]


def substitute(kind: Type, bindings: Mapping[str, Type], *, free_is_dyn: bool = False) -> Type:
    """``kind`` with its parameters replaced by what they are bound to."""
    if kind.kind == "param":
        if kind.name in bindings:
            return substitute(bindings[kind.name], bindings, free_is_dyn=free_is_dyn)
        return DYN if free_is_dyn else kind
    if not kind.params:
        return kind
    parts = tuple(substitute(part, bindings, free_is_dyn=free_is_dyn) for part in kind.params)
    return kind if parts == kind.params else Type(kind.kind, kind.name, parts)


def _occurs(name: str, kind: Type, bindings: Mapping[str, Type]) -> bool:
    kind = substitute(kind, bindings)
    return (kind.kind == "param" and kind.name == name) or any(_occurs(name, part, bindings) for part in kind.params)


def assign(bindings: Bindings, given: Type, wanted: Type) -> bool:
    """Whether ``given`` may stand for ``wanted``; binds free parameters on the way (also when the answer is no)."""
    given, wanted = substitute(given, bindings), substitute(wanted, bindings)
    if given == wanted:
        return True
    if wanted.kind == "param":
        return _bind(bindings, wanted.name, given)
    if given.kind == "param":
        return _bind(bindings, given.name, wanted)
    if given.is_dyn or wanted.is_dyn:
        return True
    if given.kind == "null":
        return wanted.kind in _NULLABLE
    if wanted.kind == "null":
        return given.kind in _NULLABLE
    if given.kind == "type" and wanted.kind == "type":
        return True
    if (given.kind, given.name, len(given.params)) != (wanted.kind, wanted.name, len(wanted.params)):
        return False
    return all(assign(bindings, left, right) for left, right in zip(given.params, wanted.params, strict=True))


def _bind(bindings: Bindings, name: str, kind: Type) -> bool:
    if kind.kind == "param" and kind.name == name:
        return True
    if _occurs(name, kind, bindings):
        return False
    bindings[name] = kind
    return True


def most_general(left: Type, right: Type, agree: Callable[[Type, Type], bool]) -> Type:
    """What two branches or elements have in common, or dyn."""
    return left if agree(left, right) else DYN
