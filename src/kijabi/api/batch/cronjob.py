"""CronJobs."""

from __future__ import annotations

import re
from typing import Any

from kijabi.api import checks, field, labels, printing, served, timestamps, zeros
from kijabi.api.apps import workload
from kijabi.api.batch import job, policies, schedules
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
_JOB_SPEC = "spec.jobTemplate.spec"
_ZONE = re.compile(r"[A-Za-z.\-_0-9+]{1,14}", re.ASCII)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    zeros.show(spec, {"schedule": ""})
    outer = spec.setdefault("jobTemplate", {})
    outer.setdefault("metadata", {})
    template = outer.setdefault("spec", {})
    # Only the pod template: a Job gets the rest of its defaults when it is made.
    inner = template.setdefault("template", {})
    inner.setdefault("metadata", {})
    defaults.default_template(inner)
    policies.default(template)


def validate_create(obj: Object) -> Errors:
    found = _spec(obj["spec"], None)
    name = obj["metadata"].get("name", "")
    if len(name) > _LONGEST_NAME:
        text = f"must be no more than {_LONGEST_NAME} characters"
        found.append(field.invalid("metadata.name", name, text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return _spec(new["spec"], old["spec"])


def warn_create(obj: Object) -> list[str]:
    return workload.name_warnings(obj) + job.warn_spec(obj["spec"]["jobTemplate"]["spec"], _JOB_SPEC)


def warn_update(new: Object, old: Object) -> list[str]:
    found = []
    if new["metadata"].get("generation") != old["metadata"].get("generation"):
        found += job.warn_spec(new["spec"]["jobTemplate"]["spec"], _JOB_SPEC)
    if "TZ" in new["spec"].get("schedule", ""):
        # Upstream doubles "spec" here.
        found.append(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )
    return found


def _spec(spec: Object, before: Object | None) -> Errors:
    schedule = spec.get("schedule", "")
    found = _schedule(spec, before) if schedule else [field.required("spec.schedule")]
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
        found.append(field.not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"), ordered=True))
    return found + checks.not_negative(spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")


def _schedule(spec: Object, before: Object | None) -> Errors:
    schedule = spec["schedule"]
    found: Errors = []
    try:
        schedules.parse(schedule)
    except schedules.Malformed as error:
        found.append(field.invalid("spec.schedule", schedule, str(error)))
    had_zone = before is not None and "TZ" in before.get("schedule", "")
    if "TZ" in schedule and had_zone and spec.get("timeZone") is not None:
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        found.append(field.invalid("spec.schedule", schedule, text))
    elif "TZ" in schedule and not had_zone:
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
    if zone != "Local" and not schedules.is_zone(zone):
        found.append(field.invalid(path, zone, f"unknown time zone {zone}"))
    return found


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
