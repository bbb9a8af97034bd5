"""Operators, conversions, and the functions every CEL has.

Source: the CEL specification, "List of Standard Definitions". Integers are 64 bits wide: what does not fit is an error.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from kijabi.api.cel import functions, instants, types, values
from kijabi.api.cel import patterns as patterns_
from kijabi.api.cel.types import BOOL, BYTES, DOUBLE, DURATION, DYN, INT, STRING, TIMESTAMP, UINT, A, B
from kijabi.api.cel.values import Duration, Failure, Timestamp, Uint

STANDARD = functions.Functions()
_LIST, _MAP = types.list_of(A), types.map_of(A, B)


def fit(value: int, low: int, high: int, name: str) -> int:
    if low <= value <= high:
        return value
    raise Failure(name)


def _int(value: int) -> int:
    return fit(value, values.INT_MIN, values.INT_MAX, "integer overflow")


def _uint(value: int) -> Uint:
    return Uint(fit(value, 0, values.UINT_MAX, "unsigned integer overflow"))


def time(nanos: int) -> Timestamp:
    return Timestamp(fit(nanos, values.TIME_MIN, values.TIME_MAX, "timestamp overflow"))


def span(nanos: int) -> Duration:
    return Duration(fit(nanos, values.INT_MIN, values.INT_MAX, "duration overflow"))


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise Failure("division by zero")
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise Failure("modulus by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _shorter(args: Sequence[Any], result: Any) -> int:
    return math.ceil(min(values.size_of(args[0]), values.size_of(args[1])) * functions.STRING_COST)


def _equality(args: Sequence[Any], result: Any) -> int:
    return 1 if isinstance(args[0], values.Opaque) else _shorter(args, result)


def _both(args: Sequence[Any], result: Any) -> int:
    return math.ceil((len(args[0]) + len(args[1])) * functions.STRING_COST)


def _product(args: Sequence[Any], result: Any) -> int:
    return math.ceil(len(args[0]) * functions.STRING_COST) * math.ceil(len(args[1]) * functions.STRING_COST)


def concat(left: list[Any], right: list[Any]) -> list[Any]:
    """``+`` of lists; one seen through a schema that says set or map joins by element or key."""
    join = getattr(left, "joined", None)
    return join(right) if join is not None else [*left, *right]


def _arithmetic() -> None:
    for symbol, apply in (("+", operator.add), ("-", operator.sub), ("*", operator.mul)):
        word = {"+": "add", "-": "subtract", "*": "multiply"}[symbol]
        name = f"_{symbol}_"
        STANDARD.add(name, f"{word}_int64", (INT, INT), INT, _on(_int, apply))
        STANDARD.add(name, f"{word}_uint64", (UINT, UINT), UINT, _on(_uint, lambda x, y, f=apply: f(int(x), int(y))))
        STANDARD.add(name, f"{word}_double", (DOUBLE, DOUBLE), DOUBLE, apply)
    STANDARD.add("_+_", "add_string", (STRING, STRING), STRING, operator.add, _both)
    STANDARD.add("_+_", "add_bytes", (BYTES, BYTES), BYTES, operator.add, _both)
    STANDARD.add("_+_", "add_list", (_LIST, _LIST), _LIST, concat)
    instant_sum = _nanos(time, operator.add)
    STANDARD.add("_+_", "add_timestamp_duration", (TIMESTAMP, DURATION), TIMESTAMP, instant_sum)
    STANDARD.add("_+_", "add_duration_timestamp", (DURATION, TIMESTAMP), TIMESTAMP, instant_sum)
    STANDARD.add("_+_", "add_duration_duration", (DURATION, DURATION), DURATION, _nanos(span, operator.add))
    difference = _nanos(span, operator.sub)
    STANDARD.add("_-_", "subtract_timestamp_timestamp", (TIMESTAMP, TIMESTAMP), DURATION, difference)
    earlier = _nanos(time, operator.sub)
    STANDARD.add("_-_", "subtract_timestamp_duration", (TIMESTAMP, DURATION), TIMESTAMP, earlier)
    STANDARD.add("_-_", "subtract_duration_duration", (DURATION, DURATION), DURATION, difference)
    STANDARD.add("_/_", "divide_int64", (INT, INT), INT, _on(_int, _quotient))
    STANDARD.add("_/_", "divide_uint64", (UINT, UINT), UINT, _on(_uint, _quotient))
    STANDARD.add("_/_", "divide_double", (DOUBLE, DOUBLE), DOUBLE, _divide)
    STANDARD.add("_%_", "modulo_int64", (INT, INT), INT, _remainder)
    STANDARD.add("_%_", "modulo_uint64", (UINT, UINT), UINT, _on(_uint, _remainder))
    STANDARD.add("-_", "negate_int64", (INT,), INT, lambda value: _int(-value))
    STANDARD.add("-_", "negate_double", (DOUBLE,), DOUBLE, operator.neg)
    STANDARD.add("!_", "logical_not", (BOOL,), BOOL, operator.not_)


def _on(wrap: Callable[[int], Any], apply: Callable[..., Any]) -> Callable[..., Any]:
    return lambda left, right: wrap(apply(left, right))


def _nanos(wrap: Callable[[int], Any], apply: Callable[..., Any]) -> Callable[..., Any]:
    return lambda left, right: wrap(apply(left.nanos, right.nanos))


def _relations() -> None:
    numbers = {"int64": INT, "uint64": UINT, "double": DOUBLE}
    words = {"<": "less", "<=": "less_equals", ">": "greater", ">=": "greater_equals"}
    for symbol, apply in (("<", operator.lt), ("<=", operator.le), (">", operator.gt), (">=", operator.ge)):
        name, word = f"_{symbol}_", words[symbol]
        STANDARD.add(name, f"{word}_bool", (BOOL, BOOL), BOOL, apply)
        for label, kind in numbers.items():
            for other_label, other in numbers.items():
                suffix = label if label == other_label else f"{label}_{other_label}"
                STANDARD.add(name, f"{word}_{suffix}", (kind, other), BOOL, apply)
        STANDARD.add(name, f"{word}_string", (STRING, STRING), BOOL, apply, _shorter)
        STANDARD.add(name, f"{word}_bytes", (BYTES, BYTES), BOOL, apply, _shorter)
        STANDARD.add(name, f"{word}_timestamp", (TIMESTAMP, TIMESTAMP), BOOL, apply)
        STANDARD.add(name, f"{word}_duration", (DURATION, DURATION), BOOL, apply)
    STANDARD.add("_==_", "equals", (A, A), BOOL, values.equal, _equality)
    STANDARD.add("_!=_", "not_equals", (A, A), BOOL, lambda left, right: not values.equal(left, right), _equality)
    length = functions.traverse(1.0, 1)
    STANDARD.add("@in", "in_list", (A, _LIST), BOOL, _in_list, length)
    STANDARD.add("@in", "in_map", (A, _MAP), BOOL, lambda key, table: _in_map(key, table))
    STANDARD.add("_[_]", "index_list", (_LIST, INT), A, element)
    STANDARD.add("_[_]", "index_map", (_MAP, A), B, entry)


def _in_list(value: Any, items: list[Any]) -> bool:
    kind = type(value)
    if kind is str:
        return value in items
    return any(values.equal(value, item) for item in items)


def _in_map(key: Any, table: dict[Any, Any]) -> bool:
    return isinstance(key, (str, int, float)) and key in table


def element(items: list[Any], index: Any) -> Any:
    if type(index) is float and index.is_integer():
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool):
        raise Failure(values.OVERLOAD)
    if 0 <= index < len(items):
        return items[index]
    raise Failure(f"index out of bounds: {index}")


def entry(table: dict[Any, Any], key: Any) -> Any:
    try:
        return table[key]
    except (KeyError, TypeError):
        raise Failure(f"no such key: {shown(key)}") from None


def shown(value: Any) -> str:
    """A value inside an error message."""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)


def _functions() -> None:
    whole = functions.traverse()
    for kind, label in ((STRING, "string"), (BYTES, "bytes"), (_LIST, "list"), (_MAP, "map")):
        STANDARD.add("size", f"size_{label}", (kind,), INT, len)
        STANDARD.member("size", f"{label}_size", (kind,), INT, len)
    needle = functions.traverse(position=0)
    STANDARD.member("contains", "contains_string", (STRING, STRING), BOOL, operator.contains, _product)
    STANDARD.member("startsWith", "starts_with_string", (STRING, STRING), BOOL, str.startswith, needle)
    STANDARD.member("endsWith", "ends_with_string", (STRING, STRING), BOOL, str.endswith, needle)
    STANDARD.add("matches", "matches", (STRING, STRING), BOOL, patterns_.matches, functions.regex)
    STANDARD.member("matches", "matches_string", (STRING, STRING), BOOL, patterns_.matches, functions.regex)
    STANDARD.add("dyn", "to_dyn", (A,), DYN, lambda value: value)
    STANDARD.add("type", "type", (A,), types.type_of(A), lambda value: values.TypeValue(values.kind_of(value)))
    conversions: list[tuple[str, types.Type, Callable[..., Any], types.Type]] = [
        ("bool", BOOL, lambda value: value, BOOL),
        ("bool", STRING, _to_bool, BOOL),
        ("bytes", BYTES, lambda value: value, BYTES),
        ("double", DOUBLE, lambda value: value, DOUBLE),
        ("double", INT, float, DOUBLE),
        ("double", UINT, float, DOUBLE),
        ("double", STRING, _to_double, DOUBLE),
        ("int", INT, lambda value: value, INT),
        ("int", UINT, lambda value: _int(int(value)), INT),
        ("int", DOUBLE, _truncate, INT),
        ("int", STRING, lambda text: _to_int(text), INT),
        ("int", TIMESTAMP, lambda value: value.nanos // values.NANOS, INT),
        ("int", DURATION, lambda value: value.nanos, INT),
        ("uint", UINT, lambda value: value, UINT),
        ("uint", INT, _uint, UINT),
        ("uint", DOUBLE, lambda value: _uint(_truncate(value)), UINT),
        ("uint", STRING, lambda text: _uint(_to_int(text, "uint")), UINT),
        ("string", STRING, lambda value: value, STRING),
        ("string", BOOL, lambda value: "true" if value else "false", STRING),
        ("string", INT, str, STRING),
        ("string", UINT, str, STRING),
        ("string", DOUBLE, number_text, STRING),
        ("string", TIMESTAMP, instants.time_text, STRING),
        ("string", DURATION, instants.span_text, STRING),
        ("timestamp", TIMESTAMP, lambda value: value, TIMESTAMP),
        ("timestamp", STRING, instants.parse_time, TIMESTAMP),
        ("timestamp", INT, lambda seconds: time(seconds * values.NANOS), TIMESTAMP),
        ("duration", DURATION, lambda value: value, DURATION),
        ("duration", STRING, instants.parse_span, DURATION),
        ("duration", INT, span, DURATION),
    ]
    for name, source, run, result in conversions:
        STANDARD.add(name, f"{source.kind}_to_{name}", (source,), result, run)
    STANDARD.add("bytes", "string_to_bytes", (STRING,), BYTES, str.encode, whole)
    STANDARD.add("string", "bytes_to_string", (BYTES,), STRING, _decode, whole)
    for name, (run, on_span) in instants.PARTS.items():
        STANDARD.member(name, f"timestamp_{name}", (TIMESTAMP,), INT, run)
        STANDARD.member(name, f"timestamp_{name}_with_tz", (TIMESTAMP, STRING), INT, run)
        if on_span is not None:
            STANDARD.member(name, f"duration_{name}", (DURATION,), INT, on_span)


def _to_bool(text: str) -> bool:
    if text in ("true", "True", "TRUE", "t", "1"):
        return True
    if text in ("false", "False", "FALSE", "f", "0"):
        return False
    raise Failure("type conversion error from 'string' to 'bool'")


def _to_double(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Failure("type conversion error from 'string' to 'double'") from None


def _to_int(text: str, name: str = "int") -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not digits.isascii() or not digits.isdigit():
        raise Failure(f"type conversion error from 'string' to '{name}'")
    return _int(int(text)) if name == "int" else int(text)


def _truncate(value: float) -> int:
    if math.isnan(value) or math.isinf(value):
        raise Failure("integer overflow")
    return _int(int(value))


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Failure("invalid UTF-8 in bytes, cannot convert to string") from None


def number_text(value: float) -> str:
    """A double as Go's ``%g`` with the fewest digits that read back the same."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    mantissa, _, exponent = f"{value!r}".partition("e")
    if exponent:
        return f"{mantissa.removesuffix('.0')}e{'-' if exponent[0] == '-' else '+'}{int(exponent.lstrip('+-')):02d}"
    return mantissa.removesuffix(".0")


_arithmetic()
_relations()
_functions()
