"""What a CronJob does now: pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from email import utils

from kijabi.api import conditions, timestamps
from kijabi.api.batch import schedules
from kijabi.api.resource import Object
from kijabi.client import events
from kijabi.controllers import contract
from kijabi.controllers.cronjob import times

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


@dataclass(frozen=True, slots=True)
class Note:
    """An event to record."""

    type: str
    reason: str
    message: str


@dataclass(slots=True)
class Plan:
    """``status`` is what it should be but for what is made or deleted now.

    ``start`` is a Job to make, ``at`` its time; ``replace`` Jobs to delete before; ``clean`` Jobs beyond the history
    limits; ``again`` seconds after which to look again.
    """

    status: Object
    notes: list[Note] = field(default_factory=list)
    start: Object | None = None
    at: float = 0.0
    replace: list[Object] = field(default_factory=list)
    clean: list[Object] = field(default_factory=list)
    again: float | None = None

    def tell(self, kind: str, reason: str, message: str) -> None:
        self.notes.append(Note(kind, reason, message))


def plan(cron_job: Object, jobs: Sequence[Object], now: float) -> Plan:
    """``jobs`` are the CronJob's own."""
    made = Plan(copy.deepcopy(cron_job.get("status") or {}))
    made.clean = superfluous(cron_job, jobs)
    _follow(made, jobs)
    spec = cron_job["spec"]
    if cron_job["metadata"].get("deletionTimestamp"):
        return made
    try:
        where = times.zone(cron_job)
    except times.UnknownZone as error:
        made.tell(events.WARNING, "UnknownTimeZone", f'invalid timeZone: "{spec.get("timeZone")}": {error}')
        return made
    if spec.get("suspend"):
        return made
    try:
        schedule = schedules.parse(spec["schedule"])
    except schedules.Malformed as error:
        message = f'unparseable schedule: "{spec["schedule"]}" : {error}'
        made.tell(events.WARNING, "UnparseableSchedule", message)
        return made
    _schedule(made, {**cron_job, "status": made.status}, schedule, where, now)
    return made


def _follow(made: Plan, jobs: Iterable[Object]) -> None:
    """Bring the list of active Jobs and the time of the last success up to date."""
    listed = {reference["uid"]: reference for reference in made.status.get("active") or ()}
    there = set()
    for job in jobs:
        meta = job["metadata"]
        there.add(meta["uid"])
        ended = finished(job)
        if not ended and meta["uid"] not in listed:
            message = f"Saw a job that the controller did not create or forgot: {meta['name']}"
            made.tell(events.WARNING, "UnexpectedJob", message)
        if ended and meta["uid"] in listed:
            del listed[meta["uid"]]
            made.tell(events.NORMAL, "SawCompletedJob", f"Saw completed job: {meta['name']}, condition: {ended}")
        completed = (job.get("status") or {}).get("completionTime")
        if ended == "Complete" and completed:
            before = made.status.get("lastSuccessfulTime")
            if not before or timestamps.parse(completed) > timestamps.parse(before):
                made.status["lastSuccessfulTime"] = completed
    for uid in [uid for uid in listed if uid not in there]:
        made.tell(events.NORMAL, "MissingJob", f"Active job went missing: {listed.pop(uid)['name']}")
    set_active(made.status, listed.values())


def set_active(status: Object, references: Iterable[Object]) -> None:
    listed = list(references)
    if listed:
        status["active"] = listed
    else:
        status.pop("active", None)


def finished(job: Object) -> str:
    """``Complete``, ``Failed`` or empty."""
    return next((kind for kind in ("Complete", "Failed") if conditions.is_true(job, kind)), "")


def _schedule(made: Plan, cron_job: Object, schedule: schedules.Schedule, where: tzinfo, now: float) -> None:
    spec, status = cron_job["spec"], made.status
    try:
        found = times.recent(cron_job, schedule, where, now)
    except times.Impossible as error:
        made.tell(events.WARNING, "InvalidSchedule", f"invalid schedule: {spec['schedule']} : {error}")
        return
    made.again = times.until_next(cron_job, schedule, where, now)
    if found.due is None:
        return
    if found.missed > times.MANY:
        message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        made.tell(events.WARNING, "TooManyMissedTimes", message)
    limit = spec.get("startingDeadlineSeconds")
    if limit is not None and found.due + limit < now:
        when = utils.format_datetime(datetime.fromtimestamp(found.due, UTC))
        made.tell(events.WARNING, "MissSchedule", f"Missed scheduled time to start a job: {when}")
        return
    name = job_name(cron_job, found.due)
    active = status.get("active") or []
    last = status.get("lastScheduleTime")
    if any(reference["name"] == name for reference in active) or (last and timestamps.parse(last) == found.due):
        return
    if spec.get("concurrencyPolicy") == "Forbid" and active:
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        made.tell(events.NORMAL, "JobAlreadyActive", message)
        return
    if spec.get("concurrencyPolicy") == "Replace":
        made.replace = list(active)
    made.start, made.at = job(cron_job, found.due, where), found.due
    after = {**cron_job, "status": {**status, "lastScheduleTime": timestamps.format_time(found.due)}}
    made.again = times.until_next(after, schedule, where, now)


def job_name(cron_job: Object, at: float) -> str:
    return f"{cron_job['metadata']['name']}-{int(at) // 60}"


def job(cron_job: Object, at: float, where: tzinfo) -> Object:
    template = copy.deepcopy(cron_job["spec"]["jobTemplate"])
    meta = template.get("metadata") or {}
    stamp = datetime.fromtimestamp(at, where).isoformat(timespec="seconds").replace("+00:00", "Z")
    made_meta: Object = {
        "name": job_name(cron_job, at),
        "namespace": cron_job["metadata"]["namespace"],
        "annotations": {**(meta.get("annotations") or {}), SCHEDULED_AT: stamp},
        "ownerReferences": [contract.owner_reference(cron_job)],
    }
    if meta.get("labels"):
        made_meta["labels"] = meta["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made_meta, "spec": template["spec"]}


def superfluous(cron_job: Object, jobs: Iterable[Object]) -> list[Object]:
    """Finished Jobs beyond the history limits, the oldest ones."""
    by_end: dict[str, list[Object]] = {"Complete": [], "Failed": []}
    for item in jobs:
        if finished(item):
            by_end[finished(item)].append(item)
    gone: list[Object] = []
    for end, key in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = cron_job["spec"].get(key)
        ordered = sorted(by_end[end], key=_started)
        if limit is not None:
            gone += ordered[: max(0, len(ordered) - limit)]
    return gone


def _started(job: Object) -> tuple[bool, str, str]:
    at = (job.get("status") or {}).get("startTime") or ""
    return not at, at, job["metadata"]["name"]
