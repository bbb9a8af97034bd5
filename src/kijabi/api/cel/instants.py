"""Instants and spans: reading, writing and taking apart, to the nanosecond."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Callable
from typing import Any

from kijabi.api.cel.values import NANOS, TIME_MAX, TIME_MIN, Duration, Failure, Timestamp

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SPAN = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": NANOS, "m": 60 * NANOS, "h": 3600 * NANOS}
_OFFSET = re.compile(r"([+-]?)(\d\d?):(\d\d)", re.ASCII)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def parse_time(text: str) -> Timestamp:
    """RFC 3339. Raises Failure."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise Failure(f'parsing time {_quoted(text)} as "2006-01-02T15:04:05Z07:00": cannot parse')
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:
        raise Failure(f"parsing time {_quoted(text)}: out of range") from None
    zone = match[8]
    offset = 0
    if zone not in "Zz":
        offset = (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * (-1 if zone[0] == "-" else 1)
    span = moment - _EPOCH
    nanos = (span.days * 86400 + span.seconds - offset) * NANOS + int((match[7] or "0")[:9].ljust(9, "0"))
    if not TIME_MIN <= nanos <= TIME_MAX:
        raise Failure("timestamp overflow")
    return Timestamp(nanos)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def parse_date(text: str) -> Timestamp:
    return parse_time(f"{text}T00:00:00Z")


def parse_span(text: str) -> Duration:
    """Go's notation (``1h30m``, ``-1.5s``). Raises Failure."""
    rest = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    total, at = 0, 0
    if rest == "0":
        return Duration(0)
    for match in _SPAN.finditer(rest):
        if match.start() != at:
            break
        at = match.end()
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        total += int(whole or "0") * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
    if at != len(rest) or not rest:
        raise Failure(f"time: invalid duration {_quoted(text)}")
    return Duration(-total if text.startswith("-") else total)


def time_text(moment: Timestamp) -> str:
    seconds, nanos = divmod(moment.nanos, NANOS)
    whole = _EPOCH + datetime.timedelta(seconds=seconds)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{whole.year:04d}{whole:-%m-%dT%H:%M:%S}{fraction}Z"


def span_text(span: Duration) -> str:
    """Seconds, as the protocol buffer type is written in JSON."""
    seconds, nanos = divmod(abs(span.nanos), NANOS)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{'-' if span.nanos < 0 else ''}{seconds}{fraction}s"


def _zone(name: str) -> datetime.tzinfo:
    match = _OFFSET.fullmatch(name)
    if match is not None:
        minutes = int(match[2]) * 60 + int(match[3])
        return datetime.timezone(datetime.timedelta(minutes=-minutes if match[1] == "-" else minutes))
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Failure(f"unknown time zone {name}") from None


def _local(moment: Timestamp, zone: str) -> datetime.datetime:
    whole = _EPOCH + datetime.timedelta(microseconds=moment.nanos // 1000)
    return whole if zone in ("", "UTC") else whole.astimezone(_zone(zone))


def _part(read: Callable[[datetime.datetime], int]) -> Callable[..., int]:
    return lambda moment, zone="": read(_local(moment, zone))


def _whole(unit: int) -> Callable[[Any], int]:
    def count(span: Duration) -> int:
        units = abs(span.nanos) // unit
        return -units if span.nanos < 0 else units

    return count


# The part of an instant, and of a span where it has one.
PARTS: dict[str, tuple[Callable[..., int], Callable[[Any], int] | None]] = {
    "getFullYear": (_part(lambda when: when.year), None),
    "getMonth": (_part(lambda when: when.month - 1), None),
    "getDate": (_part(lambda when: when.day), None),
    "getDayOfMonth": (_part(lambda when: when.day - 1), None),
    "getDayOfWeek": (_part(lambda when: when.isoweekday() % 7), None),
    "getDayOfYear": (_part(lambda when: when.timetuple().tm_yday - 1), None),
    "getHours": (_part(lambda when: when.hour), _whole(3600 * NANOS)),
    "getMinutes": (_part(lambda when: when.minute), _whole(60 * NANOS)),
    "getSeconds": (_part(lambda when: when.second), _whole(NANOS)),
    "getMilliseconds": (
        _part(lambda when: when.microsecond // 1000),
        lambda span: _whole(10**6)(span) % 1000,
    ),
}
