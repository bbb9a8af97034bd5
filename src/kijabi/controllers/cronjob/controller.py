"""Carries out what ``plan`` decides for each CronJob."""

from __future__ import annotations

from kijabi.api import errors, kinds, timestamps
from kijabi.api.resource import Object
from kijabi.client import events, informer
from kijabi.controllers import contract, freshness, podset
from kijabi.controllers.cronjob import plan as plans


class CronJobs(contract.KeyedController):
    name = "cronjob-controller"
    account = "cronjob-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._cron_jobs = context.informers.of(kinds.CRON_JOBS)
        self._jobs = context.informers.of(kinds.JOBS, indexes={podset.CONTROLLER: podset.by_controller})
        self._seen = freshness.Freshness(self._cron_jobs)
        self._seen_jobs = freshness.Freshness(self._jobs)

    def watch(self) -> list[informer.Informer]:
        self._cron_jobs.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._jobs.subscribe(podset.wake_owners(self, self._cron_jobs, lambda owner, job: False))
        return [self._cron_jobs, self._jobs]

    async def reconcile(self, key: str) -> float | None:
        cron_job = self._cron_jobs.by_key(key)
        if cron_job is None:
            self._seen.forget(key)
            self._seen_jobs.forget(key)
            return None
        if not self._seen.caught_up(key) or not self._seen_jobs.caught_up(key):
            return freshness.LOOK_AGAIN
        jobs = self._jobs.by_index(podset.CONTROLLER, cron_job["metadata"]["uid"])
        made = plans.plan(cron_job, jobs, self.clock.time())
        for note in made.notes:
            self.recorder.record(cron_job, note.type, note.reason, note.message)
        for reference in made.replace:
            await self._delete(cron_job, made, reference["name"], reference["uid"])
        if made.start is not None:
            await self._start(cron_job, made, made.start)
        for job in made.clean:
            await self._delete(cron_job, made, job["metadata"]["name"], job["metadata"]["uid"])
        await self._write_status(cron_job, made.status)
        return made.again

    async def _start(self, cron_job: Object, made: plans.Plan, wanted: Object) -> None:
        meta = wanted["metadata"]
        try:
            job = await self.client.create(kinds.JOBS, wanted)
        except errors.AlreadyExists:
            # Made before, and the status that should tell of it was lost; or somebody else's, which is left alone.
            job = await self.client.get(kinds.JOBS, meta["name"], meta["namespace"])
            if not contract.owned_by(job, cron_job):
                return
        except errors.ApiError as error:
            if not podset.namespace_terminating(error):
                self.recorder.record(cron_job, events.WARNING, "FailedCreate", f"Error creating job: {error}")
            raise
        else:
            self.recorder.record(cron_job, events.NORMAL, "SuccessfulCreate", f"Created job {meta['name']}")
        self._seen_jobs.wrote(informer.key_of(cron_job), job)
        reference = {"apiVersion": "batch/v1", "kind": "Job", **events.reference(job)}
        listed = [item for item in made.status.get("active") or () if item["uid"] != reference["uid"]]
        plans.set_active(made.status, [*listed, reference])
        made.status["lastScheduleTime"] = timestamps.format_time(made.at)

    async def _delete(self, cron_job: Object, made: plans.Plan, name: str, uid: str) -> None:
        namespace = cron_job["metadata"]["namespace"]
        try:
            await self.client.delete(kinds.JOBS, name, namespace, uid=uid, propagation="Background")
        except (errors.NotFound, errors.Conflict):
            # Gone already, so there is nothing to tell.
            pass
        except errors.ApiError as error:
            self.recorder.record(cron_job, events.WARNING, "FailedDelete", f"Deleted job: {error}")
            raise
        else:
            self.recorder.record(cron_job, events.NORMAL, "SuccessfulDelete", f"Deleted job {name}")
        plans.set_active(made.status, [item for item in made.status.get("active") or () if item["uid"] != uid])

    async def _write_status(self, cron_job: Object, status: Object) -> None:
        if status == (cron_job.get("status") or {}):
            return
        try:
            written = await self.client.update(kinds.CRON_JOBS, {**cron_job, "status": status}, subresource="status")
        except errors.NotFound:
            return
        self._seen.wrote(informer.key_of(cron_job), written)
