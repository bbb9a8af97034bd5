"""Which start of a schedule is due: pure. Times are seconds since the epoch."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, tzinfo

from kijabi.api import timestamps
from kijabi.api.batch import schedules
from kijabi.api.resource import Object

# More missed starts than this and somebody's clock is wrong.
MANY = 100
# Looked at this much late, so that a clock which is a little early does not miss the start.
DELTA = 0.1


class Impossible(ValueError):
    """A schedule that can be read but never comes."""


class UnknownZone(ValueError):
    """A time zone that this machine does not know."""


@dataclass(frozen=True, slots=True)
class Recent:
    """``since`` is where the search began, ``due`` the latest start that has come (None: none), ``missed`` how many."""

    since: float
    due: float | None
    missed: int


def zone(cron_job: Object) -> tzinfo:
    """The time zone of the schedule; UTC where none is said. Raises UnknownZone."""
    name = cron_job["spec"].get("timeZone")
    schedule = cron_job["spec"]["schedule"]
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        name = schedule.partition(" ")[0].partition("=")[2]
    if not name:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"unknown time zone {name}") from error


def recent(
    cron_job: Object, schedule: schedules.Schedule, where: tzinfo, now: float, *, deadline: bool = True
) -> Recent:
    """The latest start until ``now`` since the last one that was made.

    ``deadline``: starts that are later than ``startingDeadlineSeconds`` are not looked for. Raises Impossible.
    """
    status = cron_job.get("status") or {}
    since = timestamps.parse(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
    limit = cron_job["spec"].get("startingDeadlineSeconds")
    if deadline and limit is not None:
        since = max(since, now - limit)
    first = schedule.next_after(since, where)
    second = schedule.next_after(first, where) if first is not None else None
    if first is None or second is None or round(second - first) < 1:
        raise Impossible("time difference between two schedules is less than 1 second")
    if now < first:
        return Recent(since, None, 0)
    if now < second:
        return Recent(since, first, 0)
    # Starts need not be evenly spread, so the count is rough; the last one is then found by walking.
    step = round(second - first)
    missed = int(now - first) // step + 1
    due: float | None = None
    at = schedule.next_after(first + (missed - 2) * step, where)
    while at is not None and at <= now:
        due, at = at, schedule.next_after(at, where)
    return Recent(since, due, missed)


def until_next(cron_job: Object, schedule: schedules.Schedule, where: tzinfo, now: float) -> float:
    """Seconds until the schedule deserves another look."""
    try:
        found = recent(cron_job, schedule, where, now, deadline=False)
    except Impossible:
        after = now
    else:
        after = found.due if found.due is not None else (now if found.missed else found.since)
    following = schedule.next_after(after, where)
    return max(0.0, (following if following is not None else now + 3600.0) + DELTA - now)
