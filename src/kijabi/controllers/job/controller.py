"""Carries out what ``plan`` and ``tracking`` decide for each Job."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence

from kijabi.api import kinds, labels
from kijabi.api.resource import Object
from kijabi.client import events, informer
from kijabi.controllers import contract, freshness, podset, slowstart
from kijabi.controllers.job import backoff, orphans, tracking
from kijabi.controllers.job import plan as plans
from kijabi.controllers.job import view as views
from kijabi.controllers.job.view import View
from kijabi.kit import tasks


class Jobs(contract.KeyedController):
    name = "job-controller"
    account = "job-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._jobs = context.informers.of(kinds.JOBS)
        self._pods = context.informers.of(kinds.PODS, indexes={podset.CONTROLLER: podset.by_controller})
        self._seen_jobs = freshness.Freshness(self._jobs)
        self._seen_pods = freshness.Freshness(self._pods)
        self._ownership = podset.Ownership(self.client, kinds.PODS, kinds.JOBS)
        self._control = podset.PodControl(self.client, self.recorder, self._seen_pods, self.clock)
        self._orphans = orphans.Orphans(context, self.client, self._jobs)
        self._records: dict[str, backoff.Record] = {}
        # By job: uid and key of pods whose finalizer went and that the informer still shows with it.
        self._released: dict[str, dict[str, str]] = {}

    def watch(self) -> list[informer.Informer]:
        self._jobs.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._pods.subscribe(podset.wake_owners(self, self._jobs, _selects))
        self._orphans.watch()
        return [self._jobs, self._pods]

    async def run(self) -> None:
        async with tasks.nursery("jobs", self.clock) as nursery:
            nursery.keep(self._orphans.run, "orphans")
            await super().run()

    async def reconcile(self, key: str) -> float | None:
        job = self._jobs.by_key(key)
        if job is None:
            self._forget(key)
            return None
        if not self._seen_jobs.caught_up(key) or not self._seen_pods.caught_up(key):
            return freshness.LOOK_AGAIN
        if not views.is_ours(job):
            return None
        if views.is_finished(job):
            self._records.pop(key, None)
            self._released.pop(key, None)
            return None
        if job["spec"].get("completionMode", "NonIndexed") not in ("NonIndexed", "Indexed"):
            message = "Skipped Job sync because completion mode is unknown"
            self.recorder.record(job, events.WARNING, "UnknownCompletionMode", message)
            return None
        selector = labels.from_label_selector(job["spec"]["selector"])
        owned = await self._ownership.claim(job, selector, podset.candidates(self._pods, job))
        record = self._records.get(key, backoff.Record())
        view = View(job, owned, self._still_shown(key), record, self.clock.time())
        return await self._sync(key, view)

    def _forget(self, key: str) -> None:
        self._seen_jobs.forget(key)
        self._seen_pods.forget(key)
        self._records.pop(key, None)
        self._released.pop(key, None)

    def _still_shown(self, key: str) -> frozenset[str]:
        """uids of pods that the informer shows with a finalizer that we know to be gone."""
        released = self._released.get(key, {})
        for uid, name in list(released.items()):
            pod = self._pods.by_key(name)
            if (
                pod is None
                or pod["metadata"]["uid"] != uid
                or views.FINALIZER not in (pod["metadata"].get("finalizers") or ())
            ):
                del released[uid]
        return frozenset(released)

    async def _sync(self, key: str, view: View) -> float | None:
        made = plans.plan(view)
        deleted, created, failure = await self._act(view, made)
        active = len(view.active) - len(deleted) + created
        pods = tracking.Pods(
            active, plans.ready(view.active) - plans.ready(deleted), len(view.terminating) + len(deleted)
        )
        status = tracking.begin(view, pods)
        outcome = made.outcome
        if outcome is not None:
            # Not over before all are told to go.
            outcome = outcome if active == 0 else None
        elif plans.complete(view, active):
            message = "Reached expected number of succeeded pods"
            outcome = plans.condition("SuccessCriteriaMet", "CompletionsReached", message, view.now)
        elif made.managed:
            news = tracking.suspend(view, status)
            if news:
                self.recorder.record(view.job, events.NORMAL, news, f"Job {news.lower()}")
        await self._track(key, view, tracking.count(view, status, outcome))
        if failure is not None:
            raise failure
        return made.again

    async def _act(self, view: View, made: plans.Plan) -> tuple[list[Object], int, Exception | None]:
        """The pods that were deleted, how many were made, and the first failure."""

        async def make(number: int) -> None:
            await self._control.create(view.job, made.create[number])

        created, failure = await slowstart.batch(len(made.create), make)
        results = await asyncio.gather(
            *(self._control.delete(view.job, pod) for pod in made.delete), return_exceptions=True
        )
        deleted = [pod for pod, result in zip(made.delete, results, strict=True) if result is None]
        failure = failure or next((result for result in results if isinstance(result, Exception)), None)
        return deleted, created, failure

    async def _track(self, key: str, view: View, counted: tracking.Count) -> None:
        """Write, release, write again: the order is what makes the numbers right after any crash."""
        job = view.job
        if counted.status != view.status:
            job = await self._write(key, job, counted.status)
            self._records[key] = view.new_record
        failure = await self._release(key, counted.release)
        written = counted.status
        counted.status = copy.deepcopy(written)
        tracked = {pod["metadata"]["uid"] for pod in view.pods if view.is_tracked(pod)}
        tracking.settle(counted.status, tracked - self._released.get(key, {}).keys())
        over = failure is None and tracking.finish(counted, self.clock.time())
        if counted.status != written:
            await self._write(key, job, counted.status)
        if over and counted.outcome is not None:
            self._tell_finished(view, counted.status, counted.outcome)
        if failure is not None:
            raise failure

    async def _release(self, key: str, pods: Sequence[Object]) -> Exception | None:
        async def one(pod: Object) -> None:
            await orphans.release(self.client, pod)
            self._released.setdefault(key, {})[pod["metadata"]["uid"]] = informer.key_of(pod)

        results = await asyncio.gather(*(one(pod) for pod in pods), return_exceptions=True)
        return next((result for result in results if isinstance(result, Exception)), None)

    async def _write(self, key: str, job: Object, status: Object) -> Object:
        written = await self.client.update(kinds.JOBS, {**job, "status": status}, subresource="status")
        self._seen_jobs.wrote(key, written)
        return written

    def _tell_finished(self, view: View, status: Object, outcome: Object) -> None:
        if outcome["type"] != "Complete":
            self.recorder.record(view.job, events.WARNING, outcome["reason"], outcome["message"])
            return
        if view.completions is not None and int(status.get("succeeded") or 0) > view.completions:
            message = "Too many succeeded pods running after completion count reached"
            self.recorder.record(view.job, events.WARNING, "TooManySucceededPods", message)
        self.recorder.record(view.job, events.NORMAL, "Completed", "Job completed")


def _selects(job: Object, pod: Object) -> bool:
    return labels.from_label_selector(job["spec"]["selector"]).matches(pod["metadata"].get("labels"))
