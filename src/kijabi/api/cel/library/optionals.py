"""Optional values. Source: cel-go "OptionalTypes". ``or`` and ``orValue`` take a value, not a promise of one."""

from __future__ import annotations

from typing import Any

from kijabi.api.cel import functions, operators, types, values
from kijabi.api.cel.types import BOOL, INT, A, B
from kijabi.api.cel.values import Failure, Optional

FUNCTIONS = functions.Functions()
_OPTIONAL, _LIST, _MAP = types.optional(A), types.list_of(A), types.map_of(A, B)


def is_zero(value: Any) -> bool:
    if isinstance(value, (values.Timestamp, values.Duration)):
        return value.nanos == 0
    return value is None or value in (False, 0, "", b"") or (isinstance(value, (list, dict)) and not value)


def _value(optional: Optional) -> Any:
    if not optional.present:
        raise Failure("optional.none() dereference")
    return optional.value


def index(container: Any, key: Any) -> Optional:
    """``container[?key]``."""
    if isinstance(container, Optional):
        return index(container.value, key) if container.present else values.NONE
    if isinstance(container, list):
        if isinstance(key, int) and 0 <= key < len(container):
            return Optional(container[key], True)
        return values.NONE
    if isinstance(container, dict):
        return Optional(container[key], True) if key in container else values.NONE
    if isinstance(container, values.Record):
        return Optional(container.get(key), True) if container.has(key) else values.NONE
    raise Failure(values.OVERLOAD)


def _through(optional: Optional, key: Any) -> Any:
    if not optional.present:
        return values.NONE
    if isinstance(optional.value, list):
        return Optional(operators.element(optional.value, key), True)
    return Optional(operators.entry(optional.value, key), True)


def _declare() -> None:
    FUNCTIONS.add("optional.of", "optional_of", (A,), _OPTIONAL, lambda value: Optional(value, True))
    FUNCTIONS.add("optional.none", "optional_none", (), _OPTIONAL, lambda: values.NONE)
    FUNCTIONS.add(
        "optional.ofNonZeroValue",
        "optional_ofNonZeroValue",
        (A,),
        _OPTIONAL,
        lambda value: values.NONE if is_zero(value) else Optional(value, True),
    )
    add = FUNCTIONS.member
    add("hasValue", "optional_hasValue", (_OPTIONAL,), BOOL, lambda optional: optional.present)
    add("value", "optional_value", (_OPTIONAL,), A, _value)
    add("or", "optional_or_optional", (_OPTIONAL, _OPTIONAL), _OPTIONAL, lambda x, y: x if x.present else y)
    add("orValue", "optional_orValue_value", (_OPTIONAL, A), A, lambda x, y: x.value if x.present else y)
    FUNCTIONS.add("optional.unwrap", "optional_unwrap", (types.list_of(_OPTIONAL),), _LIST, unwrap)
    add("unwrapOpt", "optional_unwrapOpt", (types.list_of(_OPTIONAL),), _LIST, unwrap)
    FUNCTIONS.add("_[?_]", "list_optindex_optional_int", (_LIST, INT), _OPTIONAL, index)
    FUNCTIONS.add("_[?_]", "map_optindex_optional_value", (_MAP, A), types.optional(B), index)
    FUNCTIONS.add("_[?_]", "optional_list_optindex_optional_int", (types.optional(_LIST), INT), _OPTIONAL, index)
    FUNCTIONS.add("_[?_]", "optional_map_optindex_optional_value", (types.optional(_MAP), A), types.optional(B), index)
    FUNCTIONS.add("_[_]", "optional_list_index_int", (types.optional(_LIST), INT), _OPTIONAL, _through)
    FUNCTIONS.add("_[_]", "optional_map_index_value", (types.optional(_MAP), A), types.optional(B), _through)


def unwrap(items: list[Optional]) -> list[Any]:
    return [item.value for item in items if item.present]


_declare()
