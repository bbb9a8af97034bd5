"""CronJobs decided by tables. NOW is 2023-11-14 22:13:20 UTC."""

from datetime import UTC
from typing import Any

import pytest

import pods as p
from kijabi.api import timestamps
from kijabi.api.batch import schedules
from kijabi.controllers.cronjob import plan, times

MINUTE = int(p.NOW // 60 * 60)


def cron(*, age: float = 30.0, status: p.Object | None = None, schedule: str = "* * * * *", **spec: Any) -> p.Object:
    inner = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
    made = p.owner("CronJob", "tick", version="batch/v1", status=status, schedule=schedule, **spec)
    made["metadata"]["creationTimestamp"] = p.stamp(age)
    made["spec"]["jobTemplate"] = {"metadata": {"labels": {"a": "b"}}, "spec": inner}
    return made


def job(name: str, end: str = "", started: float = 60.0) -> p.Object:
    status: p.Object = {"startTime": p.stamp(started), "conditions": [{"type": end, "status": "True"}] if end else []}
    if end == "Complete":
        status["completionTime"] = p.stamp(started - 5)
    return {"metadata": {"name": name, "uid": f"uid-{name}", "namespace": "ns"}, "status": status}


def reference(name: str) -> p.Object:
    return {"name": name, "uid": f"uid-{name}", "namespace": "ns"}


def reasons(made: plan.Plan) -> list[str]:
    return [note.reason for note in made.notes]


def test_a_due_start_makes_a_job_named_for_its_minute() -> None:
    made = plan.plan(cron(), [], p.NOW)
    assert made.start is not None
    meta = made.start["metadata"]
    assert (meta["name"], made.at) == (f"tick-{MINUTE // 60}", MINUTE)
    assert meta["annotations"][plan.SCHEDULED_AT] == timestamps.format_time(MINUTE)
    assert meta["labels"] == {"a": "b"}
    assert made.again == pytest.approx(MINUTE + 60 + 0.1 - p.NOW)


@pytest.mark.parametrize(
    ("spec", "status", "age", "starts", "reason"),
    [
        ({}, {}, 10.0, False, None),
        ({}, {"lastScheduleTime": timestamps.format_time(MINUTE)}, 600.0, False, None),
        ({}, {"lastScheduleTime": timestamps.format_time(MINUTE - 60)}, 600.0, True, None),
        ({"suspend": True}, {}, 30.0, False, None),
        ({"concurrencyPolicy": "Forbid"}, {"active": [reference("old")]}, 30.0, False, "JobAlreadyActive"),
        ({"concurrencyPolicy": "Allow"}, {"active": [reference("old")]}, 30.0, True, None),
        ({"startingDeadlineSeconds": 10}, {}, 30.0, False, None),
        ({"startingDeadlineSeconds": 25}, {}, 30.0, True, None),
        ({"timeZone": "No/Where"}, {}, 30.0, False, "UnknownTimeZone"),
        ({"schedule": "x"}, {}, 30.0, False, "UnparseableSchedule"),
        ({"schedule": "0 0 30 2 *"}, {}, 30.0, False, "InvalidSchedule"),
        ({}, {}, 7 * 3600.0, True, "TooManyMissedTimes"),
    ],
    ids=[
        "not yet",
        "made already",
        "one missed",
        "suspended",
        "forbidden while one runs",
        "side by side",
        "too late",
        "late but in time",
        "no such zone",
        "no such schedule",
        "never comes",
        "hundreds missed",
    ],
)
def test_when_a_job_is_made(spec: p.Object, status: p.Object, age: float, starts: bool, reason: str | None) -> None:
    running = [job(item["name"]) for item in status.get("active", ())]
    made = plan.plan(cron(age=age, status=status, **spec), running, p.NOW)
    assert (made.start is not None, reasons(made)) == (starts, [reason] if reason else [])
    if starts:
        assert made.at == MINUTE


def test_replacing_deletes_what_runs() -> None:
    old = reference("old")
    made = plan.plan(cron(status={"active": [old]}, concurrencyPolicy="Replace"), [job("old")], p.NOW)
    assert (made.replace, made.start is not None) == ([old], True)


def test_finished_missing_and_unexpected_jobs_are_told_of() -> None:
    status = {"active": [reference("done"), reference("gone")]}
    made = plan.plan(cron(status=status, suspend=True), [job("done", "Complete"), job("stray")], p.NOW)
    assert sorted(reasons(made)) == ["MissingJob", "SawCompletedJob", "UnexpectedJob"]
    assert made.status == {"lastSuccessfulTime": p.stamp(55)}


def test_only_the_newest_finished_jobs_are_kept() -> None:
    jobs = [job(f"c{n}", "Complete", 100.0 - n) for n in range(4)] + [job(f"f{n}", "Failed", 9.0 - n) for n in range(2)]
    limits = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 0}
    gone = plan.superfluous(cron(**limits), jobs)
    assert [item["metadata"]["name"] for item in gone] == ["c0", "f0", "f1"]


@pytest.mark.parametrize(
    ("zone", "schedule", "due"),
    [
        ("Asia/Seoul", "0 7 * * *", "2023-11-14T22:00:00Z"),
        ("America/New_York", "0 17 * * *", "2023-11-14T22:00:00Z"),
        (None, "0 22 * * *", "2023-11-14T22:00:00Z"),
    ],
)
def test_schedules_are_read_in_their_time_zone(zone: str | None, schedule: str, due: str) -> None:
    made = plan.plan(cron(age=3600, schedule=schedule, **({"timeZone": zone} if zone else {})), [], p.NOW)
    assert made.at == timestamps.parse(due)


def test_missed_starts_are_counted_roughly_and_the_last_is_found_exactly() -> None:
    found = times.recent(cron(age=3600), schedules.parse("*/7 * * * *"), UTC, p.NOW)
    assert timestamps.format_time(found.due or 0) == "2023-11-14T22:07:00Z"
    assert found.missed == 9
