"""CronJobs."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from kijabi.api import checks, field, labels, printing, served, timestamps
from kijabi.api.batch import job, schedules
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import defaults
from kijabi.api.resource import Column, Object

RESOURCE = served.find("batch/v1", "cronjobs")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Schedule", "The schedule in Cron format."),
    printing.text("Timezone", "The time zone of the schedule."),
    Column("Suspend", "boolean", description="Whether further executions are held back."),
    printing.number("Active", "Jobs that run."),
    printing.text("Last Schedule", "When a job was last made."),
    printing.AGE,
    printing.CONTAINERS,
    printing.IMAGES,
    printing.SELECTOR,
)
# A Job's name is the CronJob's, a dash and ten digits or so.
_LONGEST_NAME = 52
_ZONE = re.compile(r"[A-Za-z.\-_0-9+]{1,14}", re.ASCII)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
    # Only the pod template: a Job gets the rest of its defaults when it is made.
    defaults.default_template(template.setdefault("template", {}))
    for rule in (template.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def validate_create(obj: Object) -> Errors:
    found = _spec(obj["spec"], None)
    name = obj["metadata"].get("name", "")
    if len(name) > _LONGEST_NAME:
        text = f"must be no more than {_LONGEST_NAME} characters"
        found.append(field.invalid("metadata.name", name, text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return _spec(new["spec"], old["spec"])


def _spec(spec: Object, before: Object | None) -> Errors:
    schedule = spec.get("schedule", "")
    found = _schedule(schedule, before) if schedule else [field.required("spec.schedule")]
    found += checks.not_negative(spec, "spec", "startingDeadlineSeconds")
    if before is None or before.get("timeZone") != spec.get("timeZone"):
        found += _time_zone(spec.get("timeZone"))
    choices = ("Allow", "Forbid", "Replace")
    found += checks.one_of(spec.get("concurrencyPolicy"), "spec.concurrencyPolicy", choices)
    inner = (spec.get("jobTemplate") or {}).get("spec") or {}
    found += job.validate_spec(inner, "spec.jobTemplate.spec")
    if inner.get("selector") is not None:
        text = "`selector` will be auto-generated"
        found.append(field.invalid("spec.jobTemplate.spec.selector", inner["selector"], text))
    if inner.get("manualSelector"):
        found.append(field.not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    return found + checks.not_negative(spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")


def _schedule(schedule: str, before: Object | None) -> Errors:
    found: Errors = []
    try:
        schedules.parse(schedule)
    except schedules.Malformed as error:
        found.append(field.invalid("spec.schedule", schedule, str(error)))
    if "TZ" in schedule and not (before and "TZ" in before.get("schedule", "")):
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(field.invalid("spec.schedule", schedule, text))
    return found


def _time_zone(zone: str | None) -> Errors:
    path = "spec.timeZone"
    if zone is None:
        return []
    if not zone:
        return [field.invalid(path, zone, "timeZone must be nil or non-empty string")]
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE.fullmatch(part):
            return [field.invalid(path, zone, f"unknown time zone {zone}")]
    found: Errors = []
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        found.append(field.invalid(path, zone, text))
    elif not _is_known(zone):
        found.append(field.invalid(path, zone, f"unknown time zone {zone}"))
    return found


def _is_known(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    inner = (spec.get("jobTemplate") or {}).get("spec") or {}
    last = told.get("lastScheduleTime")
    return [
        printing.name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or printing.NONE,
        printing.truth(spec.get("suspend")),
        len(told.get("active") or ()),
        timestamps.age(last, now) if last else printing.NONE,
        printing.age(obj, now),
        *printing.containers((inner.get("template") or {}).get("spec") or {}),
        labels.format_label_selector(inner.get("selector")),
    ]
