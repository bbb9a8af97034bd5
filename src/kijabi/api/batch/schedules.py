"""Cron schedules: what the five fields mean, and when the next time is.

Fields: minute, hour, day of month, month, day of week; ``*``, ``?``, lists, ranges, steps and names, and the shorthands
``@hourly`` and so on, ``@every 1h30m``. If both days are restricted, either matches.
Source: "CronJob" in the documentation; the schedule grammar of upstream's cron library.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from kijabi.api import timestamps


class Malformed(ValueError):
    """Not a schedule; the message is the library's."""


_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: n for n, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_BOUNDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
# Five years cover every leap day; a schedule with no time in them (30 February) never fires.
_HORIZON = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Sets of the numbers that match, or a fixed interval in seconds (``@every``)."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    every: float = 0.0

    def next_after(self, seconds: float, zone: tzinfo) -> float | None:
        """The first time later than ``seconds`` (since the epoch), in the calendar of ``zone``."""
        if self.every:
            return float(int(seconds)) + self.every
        # The wall clock is walked without its zone: twice-told hours of the autumn are told once.
        at = datetime.fromtimestamp(seconds, zone).replace(tzinfo=None, second=0, microsecond=0) + timedelta(minutes=1)
        end = at + _HORIZON
        while at < end:
            step = self._skip(at)
            if step is None:
                found = at.replace(tzinfo=zone).timestamp()
                if found > seconds:
                    return found
                step = at + timedelta(minutes=1)
            at = step
        return None

    def _skip(self, at: datetime) -> datetime | None:
        """``None`` where ``at`` matches, else the next time worth a look."""
        if at.month not in self.months:
            return (at.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
        if not self._day_matches(at):
            return at.replace(hour=0, minute=0) + timedelta(days=1)
        if at.hour not in self.hours:
            return at.replace(minute=0) + timedelta(hours=1)
        return None if at.minute in self.minutes else at + timedelta(minutes=1)

    def _day_matches(self, at: datetime) -> bool:
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day or self.any_weekday else day or weekday


def is_zone(name: str) -> bool:
    """Whether the time zone database has it. Names are told apart by case."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def parse(text: str) -> Schedule:
    """``Malformed`` with the library's message. A leading ``TZ=`` or ``CRON_TZ=`` is for the caller to refuse."""
    spec = text
    if text.startswith(("TZ=", "CRON_TZ=")):
        head, _, spec = text.partition(" ")
        zone, spec = head.partition("=")[2], spec.strip()
        if not is_zone(zone):
            raise Malformed(f"provided bad location {zone}: unknown time zone {zone}")
    if spec.startswith("@every "):
        try:
            every = timestamps.parse_duration(spec[7:])
        except timestamps.Malformed as error:
            raise Malformed(f"failed to parse duration {spec}: {error}") from error
        return Schedule(every=max(float(int(every)), 1.0))
    if spec.startswith("@"):
        if spec not in _SHORTHANDS:
            raise Malformed(f"unrecognized descriptor: {spec}")
        spec = _SHORTHANDS[spec]
    fields = spec.split()
    if len(fields) != 5:
        raise Malformed(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        _field(part, low, high, names) for part, (low, high, names) in zip(fields, _BOUNDS, strict=True)
    )
    stars = [part.startswith(("*", "?")) for part in fields]
    return Schedule(minutes, hours, days, months, weekdays, any_day=stars[2], any_weekday=stars[4])


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found |= _range(part, low, high, names)
    return frozenset(found)


def _range(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    span, slash, steps = text.partition("/")
    if span.count("-") > 1:
        raise Malformed(f"too many hyphens: {text}")
    if "/" in steps:
        raise Malformed(f"too many slashes: {text}")
    if span in ("*", "?"):
        first, last = low, high
    else:
        start, dash, end = span.partition("-")
        first = _number(start, names)
        # "5/15" means from 5 to the end.
        last = _number(end, names) if dash else (high if slash else first)
    step = 1
    if slash:
        step = _number(steps, {})
        if step == 0:
            raise Malformed(f"step of range should be a positive number: {text}")
    if first < low:
        raise Malformed(f"beginning of range ({first}) below minimum ({low}): {text}")
    if last > high:
        raise Malformed(f"end of range ({last}) above maximum ({high}): {text}")
    if first > last:
        raise Malformed(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    return set(range(first, last + 1, step))


def _number(text: str, names: dict[str, int]) -> int:
    known = names.get(text.lower())
    if known is not None:
        return known
    try:
        number = int(text)
    except ValueError as error:
        complaint = f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        raise Malformed(complaint) from error
    if number < 0:
        raise Malformed(f"negative number ({number}) not allowed: {text}")
    return number
