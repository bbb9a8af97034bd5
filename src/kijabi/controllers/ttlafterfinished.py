"""Jobs are deleted ``ttlSecondsAfterFinished`` after they end, with all that is below them.

Source: the documentation of Jobs ("Clean up finished jobs automatically"); KEP-592.
"""

from __future__ import annotations

from kijabi.api import conditions, errors, kinds
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract


def time_left(job: Object, now: float) -> float | None:
    """Seconds until the Job is to be deleted (0 or less: now); None for ever."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or job["metadata"].get("deletionTimestamp"):
        return None
    for kind in ("Complete", "Failed"):
        found = conditions.get(job, kind)
        if found is not None and found["status"] == "True" and found.get("lastTransitionTime"):
            return conditions.seconds(found["lastTransitionTime"]) + float(ttl) - now
    return None


class TtlAfterFinished(contract.KeyedController):
    name = "ttl-after-finished-controller"
    account = "ttl-after-finished-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._jobs = context.informers.of(kinds.JOBS)

    def watch(self) -> list[informer.Informer]:
        self._jobs.subscribe(lambda old, new: self.enqueue(new) if new is not None else None)
        return [self._jobs]

    async def reconcile(self, key: str) -> float | None:
        job = self._jobs.by_key(key)
        left = time_left(job, self.clock.time()) if job is not None else None
        if job is None or left is None or left > 0:
            return left
        meta = job["metadata"]
        try:
            # Asked of the server: the TTL may just have been prolonged.
            fresh = await self.client.get(kinds.JOBS, meta["name"], meta["namespace"])
            left = time_left(fresh, self.clock.time())
            if left is None or left > 0:
                return left
            await self.client.delete(
                kinds.JOBS, meta["name"], meta["namespace"], uid=fresh["metadata"]["uid"], propagation="Foreground"
            )
        except (errors.NotFound, errors.Conflict):
            return None
        return None
