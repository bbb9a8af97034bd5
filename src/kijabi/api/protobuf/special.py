"""Messages whose JSON is not an object of their fields: quantities, times, integers or strings, raw JSON.

Each has a reader (message → JSON value; None where Go writes ``null``) and a writer (JSON value → message; None gives
the zero message).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson

from kijabi.api import timestamps
from kijabi.api.protobuf import wire
from kijabi.kit import jsons

Reader = Callable[[bytes], Any]
Writer = Callable[[Any], bytes]

# The times that RFC 3339, and so Go's JSON, can say; the first is Go's zero time, which is no time at all.
_ZERO_TIME, _LAST_TIME = -62135596800, 253402300799


def _texts(data: bytes, number: int) -> bytes | None:
    """The last value of a field of bytes or text."""
    found = None
    for given, kind, value in wire.fields(data):
        if given == number:
            if not isinstance(value, bytes) or kind != wire.LENGTH:
                raise wire.Malformed(f"proto: wrong wireType = {kind}")
            found = value
    return found


def _numbers(data: bytes) -> dict[int, int]:
    return {
        number: value for number, kind, value in wire.fields(data) if kind == wire.VARINT and isinstance(value, int)
    }


def read_quantity(data: bytes) -> str:
    text = _texts(data, 1)
    return "0" if text is None else text.decode(errors="replace")


def write_quantity(value: Any) -> bytes:
    return wire.bytes_field(1, str(value).encode()) if value is not None else wire.bytes_field(1, b"0")


def read_int_or_string(data: bytes) -> int | str:
    numbers = _numbers(data)
    if numbers.get(1):
        return (_texts(data, 3) or b"").decode(errors="replace")
    return wire.signed(numbers.get(2, 0), 32)


def write_int_or_string(value: Any) -> bytes:
    is_text = isinstance(value, str)
    number, text = (0, value) if is_text else (value or 0, "")
    return wire.number_field(1, int(is_text)) + wire.number_field(2, number) + wire.bytes_field(3, text.encode())


def _timestamp(data: bytes) -> tuple[int, int] | None:
    """Seconds since the epoch and nanoseconds; None for Go's zero time."""
    if not data:
        return None
    numbers = _numbers(data)
    seconds, nanos = wire.signed(numbers.get(1, 0)), wire.signed(numbers.get(2, 0), 32)
    if seconds == _ZERO_TIME and not nanos:
        return None
    if not _ZERO_TIME <= seconds <= _LAST_TIME or not 0 <= nanos < 1_000_000_000:
        raise wire.Malformed("Time.MarshalJSON: year outside of range [0,9999]")
    return seconds, nanos


def _rfc3339(seconds: int) -> str:
    # strftime does not fill years up to four digits everywhere.
    moment = time.gmtime(seconds)
    return f"{moment.tm_year:04d}-{time.strftime('%m-%dT%H:%M:%S', moment)}"


def read_time(data: bytes) -> str | None:
    """Fractions are dropped: JSON clients could not keep them either."""
    moment = _timestamp(data)
    return f"{_rfc3339(moment[0])}Z" if moment is not None else None


def write_time(value: Any) -> bytes:
    if not value:
        return b""
    return _write_timestamp(timestamps.parse_micros(value) // 1_000_000, 0)


def read_micro_time(data: bytes) -> str | None:
    moment = _timestamp(data)
    return f"{_rfc3339(moment[0])}.{moment[1] // 1000:06d}Z" if moment is not None else None


def write_micro_time(value: Any) -> bytes:
    if not value:
        return b""
    seconds, micros = divmod(timestamps.parse_micros(value), 1_000_000)
    return _write_timestamp(seconds, micros * 1000)


def _write_timestamp(seconds: int, nanos: int) -> bytes:
    if seconds == _ZERO_TIME and not nanos:
        return b""
    return wire.number_field(1, seconds) + wire.number_field(2, nanos)


def read_json(data: bytes) -> Any:
    """The JSON in FieldsV1, or in a RawExtension. ``null`` where there is none."""
    raw = _texts(data, 1)
    if not raw:
        return None
    try:
        return jsons.loads(raw)
    except jsons.Malformed as error:
        raise wire.Malformed(str(error)) from error


def write_json(value: Any) -> bytes:
    return wire.bytes_field(1, orjson.dumps(value)) if value is not None else b""


_META = "k8s.io/apimachinery/pkg/apis/meta/v1."
RAW_EXTENSION = "k8s.io/apimachinery/pkg/runtime.RawExtension"

FORMS: dict[str, tuple[Reader, Writer]] = {
    "k8s.io/apimachinery/pkg/api/resource.Quantity": (read_quantity, write_quantity),
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": (read_int_or_string, write_int_or_string),
    _META + "Time": (read_time, write_time),
    _META + "MicroTime": (read_micro_time, write_micro_time),
    _META + "FieldsV1": (read_json, write_json),
    RAW_EXTENSION: (read_json, write_json),
}
