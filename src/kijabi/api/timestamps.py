"""Times and durations as the API writes them.

``metav1.Time`` is RFC 3339 in UTC with whole seconds, ``MicroTime`` has six decimals, Go durations look like
``1h5m30s``, and ``kubectl get`` shows ages like ``3d4h``.
"""

from __future__ import annotations

import calendar
import functools
import re
import time
from datetime import UTC, datetime

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"


class Malformed(ValueError):
    """Not a time or not a duration; the message is Go's."""


def format_time(seconds: float) -> str:
    """Seconds since the epoch as ``metav1.Time``."""
    return _format_second(int(seconds))


@functools.lru_cache(maxsize=256)
def _format_second(second: int) -> str:
    # Thousands of writes fall into one second, and each names it two or three times.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def format_micro(seconds: float) -> str:
    """Seconds since the epoch as ``metav1.MicroTime``."""
    micros = round(seconds * 1_000_000)
    return f"{format_time(micros // 1_000_000)[:-1]}.{micros % 1_000_000:06d}Z"


def parse_micros(text: str, layout: str = _LAYOUT) -> int:
    """Microseconds since the epoch of an RFC 3339 time. ``Malformed`` with Go's message otherwise."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise Malformed(_complaint(text, layout))
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        whole = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError as error:
        raise Malformed(f'parsing time "{text}": {_out_of_range(match)} out of range') from error
    seconds = calendar.timegm(whole.timetuple())
    if zone != "Z":
        offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        seconds += offset if zone[0] == "-" else -offset
    return seconds * 1_000_000 + int(((fraction or "") + "000000")[:6])


def parse(text: str) -> float:
    """Seconds since the epoch."""
    return parse_micros(text) / 1_000_000


def canonical(text: str) -> str:
    """An RFC 3339 time as ``metav1.Time`` gives it back: UTC, whole seconds."""
    return format_time(parse_micros(text) // 1_000_000)


def canonical_micro(text: str) -> str:
    micros = parse_micros(text, _MICRO_LAYOUT)
    return f"{format_time(micros // 1_000_000)[:-1]}.{micros % 1_000_000:06d}Z"


def _out_of_range(match: re.Match[str]) -> str:
    _, month, day, hour, minute, second, *_ = match.groups()
    if not 1 <= int(month) <= 12:
        return "month"
    for name, text, limit in (("hour", hour, 23), ("minute", minute, 59), ("second", second, 59)):
        if int(text) > limit:
            return name
    return "day" if day else ""


_STEPS = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d?"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d(?:[.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d\d:\d\d"),
)


def _complaint(text: str, layout: str) -> str:
    rest = text
    for element, pattern in _STEPS:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"'
        rest = rest[match.end() :]
    return f'parsing time "{text}": extra text: "{rest}"'


_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d*)(?:\.(\d*))?([^\d.]*)", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as ``1h5m30s`` or ``-1.5s``. ``Malformed`` with Go's message otherwise."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    sign = -1 if text[:1] == "-" else 1
    if rest == "0":
        return 0.0
    if not rest:
        raise Malformed(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        match = _PART.match(rest)
        if match is None or not (match[1] or match[2]):
            raise Malformed(f'time: invalid duration "{text}"')
        whole, fraction, unit = match[1], match[2] or "", match[3]
        if not unit:
            raise Malformed(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS:
            raise Malformed(f'time: unknown unit "{unit}" in duration "{text}"')
        total += int(whole or "0") * _UNITS[unit]
        if fraction:
            total += int(fraction) * _UNITS[unit] // 10 ** len(fraction)
        rest = rest[match.end() :]
    return sign * total / 1_000_000_000


def format_duration(seconds: float) -> str:
    """A Go duration: ``5m30s``, ``1.5s``, ``150ms``, ``0s``."""
    nanos = round(seconds * 1_000_000_000)
    if not nanos:
        return "0s"
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if nanos < _UNITS["s"]:
        unit = next(unit for unit in ("ms", "µs", "ns") if nanos >= _UNITS[unit])
        return f"{sign}{_fraction(nanos, _UNITS[unit])}{unit}"
    minutes, nanos = divmod(nanos, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_fraction(nanos, _UNITS['s'])}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def _fraction(nanos: int, unit: int) -> str:
    whole, rest = divmod(nanos, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0")


def human(seconds: float) -> str:
    """A duration as ``kubectl get`` shows ages: two units while small, one when large."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes = total // 60
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = total // 3600
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(hours // 24, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{hours // 24}d"
    if hours < 24 * 365 * 8:
        return _two(hours // 24 // 365, "y", hours // 24 % 365, "d")
    return f"{hours // 24 // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def age(timestamp: str | None, now: float) -> str:
    """The age of a ``metav1.Time``; upstream's ``<unknown>`` where there is none."""
    return human(now - parse(timestamp)) if timestamp else "<unknown>"
