"""Pods that still hold the Jobs' finalizer though no Job will count them: of Jobs that are gone or finished."""

from __future__ import annotations

from kijabi.api import errors, kinds
from kijabi.api.resource import Object
from kijabi.client import informer, rest, workqueue
from kijabi.controllers import contract, podset
from kijabi.controllers.job import view as views


class Orphans:
    """Keys are pods."""

    def __init__(self, context: contract.Context, client: rest.Client, jobs: informer.Informer) -> None:
        self._client = client
        self._jobs = jobs
        self._pods = context.informers.of(kinds.PODS, indexes={podset.CONTROLLER: podset.by_controller})
        self._queue = context.queue("job_orphan_pod")

    def watch(self) -> None:
        self._pods.subscribe(self._pod_changed)
        self._jobs.subscribe(self._job_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and views.FINALIZER in (new["metadata"].get("finalizers") or ()):
            self._queue.add(informer.key_of(new))

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or views.is_finished(new):
            job = new or old or {}
            for pod in self._pods.by_index(podset.CONTROLLER, job["metadata"]["uid"]):
                self._pod_changed(None, pod)

    async def run(self) -> None:
        await self._jobs.wait_synced()
        await workqueue.run(self._queue, self._reconcile, 1)

    def _is_orphan(self, pod: Object) -> bool:
        reference = contract.controller_of(pod)
        if reference is None:
            return True
        if (reference["kind"], reference["apiVersion"]) != (kinds.JOBS.kind, kinds.JOBS.api_version):
            return False
        job = self._jobs.get(reference["name"], pod["metadata"]["namespace"])
        if job is None or job["metadata"]["uid"] != reference["uid"]:
            return True
        return views.is_ours(job) and views.is_finished(job)

    async def _reconcile(self, key: str) -> float | None:
        pod = self._pods.by_key(key)
        if pod is not None and views.FINALIZER in (pod["metadata"].get("finalizers") or ()) and self._is_orphan(pod):
            await release(self._client, pod)
        return None


async def release(client: rest.Client, pod: Object) -> None:
    """Take the finalizer off a pod; one that is gone, or another of its name, needs nothing."""
    meta = pod["metadata"]
    patch = {"metadata": {"uid": meta["uid"], "$deleteFromPrimitiveList/finalizers": [views.FINALIZER]}}
    try:
        await client.patch(kinds.PODS, meta["name"], meta["namespace"], patch, type=rest.STRATEGIC_MERGE_PATCH)
    except errors.NotFound:
        return
    except errors.Conflict:
        # The uid is another's: the pod is gone. Anything else that moves the pod does not conflict with a patch.
        return
