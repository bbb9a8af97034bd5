"""CEL's values in Python: JSON's own, and a class where Python has no equal.

int, float, str, bytes, bool, None, list and dict stand for themselves (an integer is never a bool here: ``kind_of``
looks at bool first); unsigned numbers, instants, spans, optionals and types are wrapped. A failed operation raises
``Failure``, which ``&&`` and ``||`` may absorb; what must end an evaluation whatever is around it is a ``Stop``.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

from kijabi.api.cel import types

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
NANOS = 1_000_000_000
# Year 1 to 9999, as the protocol buffer type has it.
TIME_MIN, TIME_MAX = -62135596800 * NANOS, 253402300800 * NANOS - 1


class Failure(Exception):
    """An error value of CEL. ``str()`` is upstream's message (``no such key: x``)."""


class Stop(BaseException):
    """Ends an evaluation. Not an Exception, so that no operator absorbs it by mistake."""


class CostExceeded(Stop):
    """One evaluation cost more than it may."""


OVERLOAD = "no such overload"


class Uint(int):
    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """Nanoseconds since 1970 in UTC."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    nanos: int


@dataclass(frozen=True, slots=True)
class Optional:
    value: Any = None
    present: bool = False


NONE = Optional()


@dataclass(frozen=True, slots=True)
class TypeValue:
    name: str


class Opaque:
    """A value of a library. Subclasses define ``TYPE`` and ``__eq__``."""

    __slots__ = ()
    TYPE: types.Type = types.DYN


class Record(abc.ABC):
    """A value with fields that is no plain dictionary: seen through a schema, or built by an expression."""

    __slots__ = ()
    TYPE: types.Type = types.DYN

    @abc.abstractmethod
    def has(self, name: str) -> bool: ...

    @abc.abstractmethod
    def get(self, name: str) -> Any:
        """Raises Failure where there is no such field."""


_KINDS: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    dict: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Optional: "optional_type",
    TypeValue: "type",
}


def kind_of(value: Any) -> str:
    """The name ``type(value)`` gives."""
    found = _KINDS.get(type(value))
    if found is not None:
        return found
    if isinstance(value, (Opaque, Record)):
        return str(value.TYPE)
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "map"
    return type(value).__name__


_NUMBERS = (int, float)


def equal(left: Any, right: Any) -> bool:
    """CEL's ``==``: numbers by value across their types, nothing else across types, containers by their parts."""
    kind, other = type(left), type(right)
    if kind is other and kind not in (list, dict, Optional):
        return bool(left == right)
    if kind is bool or other is bool:
        return False
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        if hasattr(left, "equals"):
            return bool(left.equals(right))
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(key in right and equal(left[key], right[key]) for key in left)
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.present == right.present and (not left.present or equal(left.value, right.value))
    if isinstance(left, (Opaque, Record)):
        return bool(left == right)
    return False


def size_of(value: Any) -> int:
    """What cost reckons with: the length of what has one, 1 otherwise."""
    if isinstance(value, (str, bytes, list, dict)):
        return len(value)
    if isinstance(value, Optional) and value.present:
        return size_of(value.value)
    return 1


def hashable(key: Any) -> Any:
    """A dictionary key for ``key``, or Failure: CEL allows bool, int, uint and string."""
    if isinstance(key, (str, int)):
        return key
    raise Failure(f"unsupported key type: {kind_of(key)}")
