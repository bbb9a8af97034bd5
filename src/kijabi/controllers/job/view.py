"""A Job with its pods, and the numbers that follow: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from kijabi.api import conditions
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers.job import backoff, indexes, policies

FINALIZER = "batch.kubernetes.io/job-tracking"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
OURS = "kubernetes.io/job-controller"


@dataclass(frozen=True)
class View:
    """``released`` are uids of pods whose finalizer is gone, though ``pods`` may not show it yet."""

    job: Object
    pods: Sequence[Object]
    released: frozenset[str]
    record: backoff.Record
    now: float

    @cached_property
    def spec(self) -> Object:
        found: Object = self.job["spec"]
        return found

    @cached_property
    def status(self) -> Object:
        found: Object = self.job.get("status") or {}
        return found

    @property
    def suspended(self) -> bool:
        return bool(self.spec.get("suspend"))

    @property
    def completions(self) -> int | None:
        """None for a work queue, whose first success ends it."""
        wanted = self.spec.get("completions")
        return None if wanted is None else int(wanted)

    @property
    def parallelism(self) -> int:
        wanted = self.spec.get("parallelism")
        return 1 if wanted is None else int(wanted)

    @property
    def indexed(self) -> bool:
        return self.spec.get("completionMode") == "Indexed"

    @property
    def per_index(self) -> bool:
        return self.indexed and self.spec.get("backoffLimitPerIndex") is not None

    @property
    def replaces_failed_only(self) -> bool:
        return self.spec.get("podReplacementPolicy") == "Failed" or self.spec.get("podFailurePolicy") is not None

    def condition(self, kind: str) -> Object | None:
        """The condition, if it is True."""
        found = conditions.get(self.job, kind)
        return found if found is not None and found["status"] == "True" else None

    def has_failed(self, pod: Object) -> bool:
        if pods_.phase(pod) == "Failed":
            return True
        if self.replaces_failed_only:
            return False
        # A pod that is deleted may never get to say that it failed.
        return pods_.is_terminating(pod) and pods_.phase(pod) != "Succeeded"

    def judge(self, pod: Object) -> policies.Verdict:
        return policies.judge(self.spec.get("podFailurePolicy"), pod)

    def is_tracked(self, pod: Object) -> bool:
        """Whether it is still to be counted."""
        return FINALIZER in (pod["metadata"].get("finalizers") or ()) and pod["metadata"]["uid"] not in self.released

    def has_place(self, pod: Object) -> bool:
        """Whether its index, where Jobs have indexes, is one of this Job's."""
        if not self.indexed:
            return True
        index = indexes.of(pod)
        return index is not None and index < (self.completions or 0)

    @cached_property
    def active(self) -> list[Object]:
        return [pod for pod in self.pods if pods_.is_active(pod)]

    @cached_property
    def terminating(self) -> list[Object]:
        return [pod for pod in self.pods if pods_.is_terminating(pod) and not pods_.is_terminal(pod)]

    def uncounted(self, key: str) -> list[str]:
        """uids in ``status.uncountedTerminatedPods``; ``key`` is ``succeeded`` or ``failed``."""
        return list((self.status.get("uncountedTerminatedPods") or {}).get(key) or ())

    def _fresh(self, key: str, is_one: Callable[[Object], bool]) -> list[Object]:
        noted = set(self.uncounted(key))
        return [
            pod
            for pod in self.pods
            if self.is_tracked(pod) and pod["metadata"]["uid"] not in noted and self.has_place(pod) and is_one(pod)
        ]

    @cached_property
    def new_succeeded(self) -> list[Object]:
        return self._fresh("succeeded", lambda pod: pods_.phase(pod) == "Succeeded")

    @cached_property
    def new_failed(self) -> list[Object]:
        return self._fresh("failed", self.has_failed)

    @cached_property
    def new_record(self) -> backoff.Record:
        return self.record.after(self.new_succeeded, self.new_failed)

    @cached_property
    def failed(self) -> int:
        """All failures that count, those not yet counted included."""
        counting = sum(self.judge(pod).counts for pod in self.new_failed)
        return int(self.status.get("failed") or 0) + counting + len(self.uncounted("failed"))

    @cached_property
    def succeeded(self) -> int:
        if self.indexed:
            return len(self.succeeded_indexes)
        counted = int(self.status.get("succeeded") or 0)
        return counted + len(self.new_succeeded) + len(self.uncounted("succeeded"))

    @cached_property
    def succeeded_before(self) -> frozenset[int]:
        return indexes.parse(self.status.get("completedIndexes") or "", self.completions or 0)

    @cached_property
    def succeeded_indexes(self) -> frozenset[int]:
        return self.succeeded_before | self._indexes(
            pod for pod in self.pods if pods_.phase(pod) == "Succeeded" and FINALIZER in _finalizers(pod)
        )

    @cached_property
    def failed_indexes(self) -> frozenset[int]:
        before = indexes.parse(self.status.get("failedIndexes") or "", self.completions or 0)
        return before | self._indexes(
            pod for pod in self.pods if FINALIZER in _finalizers(pod) and self._fails_index(pod)
        )

    def _indexes(self, pods: Iterable[Object]) -> frozenset[int]:
        return frozenset(
            index for pod in pods if self.has_place(pod) for index in [indexes.of(pod)] if index is not None
        )

    def _fails_index(self, pod: Object) -> bool:
        if not self.has_failed(pod):
            return False
        verdict = self.judge(pod)
        if verdict.action == "FailIndex":
            return True
        return verdict.counts and failures(pod)[0] >= int(self.spec["backoffLimitPerIndex"])

    @cached_property
    def delayed(self) -> dict[int, Object]:
        """By index, the failed pod that is kept until its replacement is made, which takes its count over."""
        if not self.per_index:
            return {}
        settled = self.succeeded_indexes | self.failed_indexes | self._indexes(self.active)
        kept: dict[int, Object] = {}
        for pod in self.pods:
            index = indexes.of(pod)
            if not (self.is_tracked(pod) and self.has_place(pod) and self.has_failed(pod)):
                continue
            if index is None or index in settled:
                continue
            last = kept.get(index)
            if last is None or (
                sum(failures(last)) <= sum(failures(pod)) and backoff.finished(last) <= backoff.finished(pod)
            ):
                kept[index] = pod
        return kept


def _finalizers(obj: Object) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def failures(pod: Object) -> tuple[int, int]:
    """How many pods of its index failed before it: those that counted, and those that a policy ignored."""
    notes = pod["metadata"].get("annotations") or {}

    def count(name: str) -> int:
        text = notes.get(name, "")
        return int(text) if text.isdecimal() and int(text) < 2**31 else 0

    return count(FAILURES), count(IGNORED_FAILURES)


def is_finished(job: Object) -> bool:
    return conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed")


def is_ours(job: Object) -> bool:
    """Not managed by another controller."""
    return job["spec"].get("managedBy") in (None, OURS)
