"""When pods ended, and how long the next one waits after failures: pure.

10 s after the first failure since the last success, doubled with each further one, ten minutes at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api import conditions, timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.kit import backoff

POLICY = backoff.Policy(base=10.0, ceiling=600.0)


@dataclass(frozen=True, slots=True)
class Record:
    """Failures since the last success, and when the last one was."""

    failures: int = 0
    last: float = 0.0

    def after(self, succeeded: Iterable[Object], failed: Iterable[Object]) -> Record:
        """With pods that ended since."""
        succeeded_at = [finished(pod) for pod in succeeded]
        failed_at = [finished(pod) for pod in failed]
        if succeeded_at:
            failed_at = [at for at in failed_at if at > max(succeeded_at)]
            return Record(len(failed_at), max(failed_at, default=0.0))
        return Record(self.failures + len(failed_at), max(failed_at)) if failed_at else self

    def wait(self, now: float) -> float:
        """Seconds until the next pod may be made."""
        return max(0.0, self.last + POLICY.delay(self.failures) - now) if self.failures else 0.0


def finished(pod: Object) -> float:
    """When the pod ended: its containers' word, else its readiness's end, its deletion, or its beginning."""
    meta, at = pod["metadata"], _containers(pod)
    if at is not None:
        return at
    ready = conditions.get(pod, "Ready")
    if ready is not None and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return timestamps.parse(ready["lastTransitionTime"])
    if meta.get("deletionTimestamp"):
        # The timestamp is when the grace period ends.
        return timestamps.parse(meta["deletionTimestamp"]) - float(meta.get("deletionGracePeriodSeconds") or 0)
    return timestamps.parse(meta["creationTimestamp"]) if meta.get("creationTimestamp") else 0.0


def _containers(pod: Object) -> float | None:
    status = pod.get("status") or {}
    sidecars = {container["name"] for container in pods_.sidecars(pod)}
    ran = list(status.get("containerStatuses") or ())
    ran += [item for item in status.get("initContainerStatuses") or () if item["name"] in sidecars]
    ends = [((item.get("state") or {}).get("terminated") or {}).get("finishedAt") or "" for item in ran]
    if not ends or not all(ends):
        return None
    return max(timestamps.parse(end) for end in ends)
