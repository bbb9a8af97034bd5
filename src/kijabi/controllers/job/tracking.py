"""Counting each pod once: pure. The package says in what order the results must be written."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass

from kijabi.api import conditions, timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers.job import indexes, plan
from kijabi.controllers.job.view import View

# So that the list of uids in the status stays small and large Jobs leave room for others.
MOST_UNCOUNTED = 500


@dataclass(frozen=True, slots=True)
class Pods:
    """How many pods there are once the plan is carried out."""

    active: int
    ready: int
    terminating: int


@dataclass(slots=True)
class Count:
    """``status`` is to be written before the finalizers of ``release`` go.

    ``outcome`` is the condition that may end the Job afterwards; ``whole``: no pod had to wait for another round.
    """

    status: Object
    release: list[Object]
    outcome: Object | None
    whole: bool


def begin(view: View, pods: Pods) -> Object:
    """The status with what is seen of the pods."""
    status: Object = copy.deepcopy(view.status)
    if not status.get("startTime") and not view.suspended:
        status["startTime"] = timestamps.format_time(view.now)
    uncounted = status.get("uncountedTerminatedPods") or {}
    status["uncountedTerminatedPods"] = {key: list(uids) for key, uids in uncounted.items() if uids}
    _number(status, "active", pods.active)
    status["ready"], status["terminating"] = pods.ready, pods.terminating
    return status


def _number(status: Object, key: str, value: int) -> None:
    if value:
        status[key] = value
    else:
        status.pop(key, None)


def suspend(view: View, status: Object) -> str:
    """Say whether the Job is suspended; gives what is new: ``Suspended``, ``Resumed`` or nothing."""
    if view.suspended:
        wanted = plan.condition("Suspended", "JobSuspended", "Job suspended", view.now)
        if not put(status, wanted):
            return ""
        # The time of the pause must not count towards the deadline.
        status.pop("startTime", None)
        return "Suspended"
    if not put(status, plan.condition("Suspended", "JobResumed", "Job resumed", view.now, "False")):
        return ""
    status["startTime"] = timestamps.format_time(view.now)
    return "Resumed"


def put(status: Object, wanted: Object) -> bool:
    """Set a condition; one that is False is not begun with. Whether anything changed."""
    listed = status.setdefault("conditions", [])
    there = conditions.find(listed, wanted["type"])
    said = ("status", "reason", "message")
    if there is None:
        if wanted["status"] == "False":
            return False
        listed.append(wanted)
        return True
    if all(there.get(name) == wanted.get(name) for name in said):
        return False
    listed[listed.index(there)] = wanted
    return True


def count(view: View, status: Object, outcome: Object | None) -> Count:
    """Add the pods that have ended to ``status``."""
    tracked = [pod for pod in view.pods if view.is_tracked(pod)]
    settle(status, {pod["metadata"]["uid"] for pod in tracked})
    noted = {key: set(view.uncounted(key)) for key in ("succeeded", "failed")}
    uncounted: dict[str, list[str]] = status["uncountedTerminatedPods"]
    made = Count(status, [], outcome, whole=True)
    new_indexes = 0
    for pod in sorted(tracked, key=lambda item: -1 if (index := indexes.of(item)) is None else index):
        if not _may_go(view, pod, outcome):
            continue
        made.release.append(pod)
        uid = pod["metadata"]["uid"]
        if pods_.phase(pod) == "Succeeded" and uid not in noted["failed"]:
            if view.indexed:
                new_indexes += 1
            elif uid not in noted["succeeded"]:
                uncounted.setdefault("succeeded", []).append(uid)
        elif _counts_as_failed(view, pod, outcome) and uid not in noted["failed"]:
            uncounted.setdefault("failed", []).append(uid)
        if new_indexes + sum(map(len, uncounted.values())) >= MOST_UNCOUNTED:
            made.whole = False
            break
    if view.indexed:
        _put_indexes(view, status)
    _announce(view, made)
    return made


def _may_go(view: View, pod: Object, outcome: Object | None) -> bool:
    if view.job["metadata"].get("deletionTimestamp") or outcome is not None or pods_.phase(pod) == "Succeeded":
        return True
    if not view.has_failed(pod):
        return False
    index = indexes.of(pod)
    kept = view.delayed.get(index) if index is not None else None
    return kept is None or kept["metadata"]["uid"] != pod["metadata"]["uid"]


def _counts_as_failed(view: View, pod: Object, outcome: Object | None) -> bool:
    # When a Job fails, whatever has not ended has failed.
    failing = outcome is not None and outcome["type"] != "SuccessCriteriaMet"
    return (view.has_failed(pod) or failing) and view.has_place(pod) and view.judge(pod).counts


def _put_indexes(view: View, status: Object) -> None:
    completed = indexes.text(view.succeeded_indexes)
    _number(status, "succeeded", len(view.succeeded_indexes))
    if completed:
        status["completedIndexes"] = completed
    else:
        status.pop("completedIndexes", None)
    if view.per_index:
        status["failedIndexes"] = indexes.text(view.failed_indexes)


def _announce(view: View, made: Count) -> None:
    """Say that the Job is about to end, before its pods lose their finalizers; the end itself comes when they have."""
    outcome = made.outcome
    if outcome is None:
        return
    final = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}.get(outcome["type"])
    if final is None:
        return
    if conditions.find(made.status.get("conditions"), outcome["type"]) is None:
        made.status.setdefault("conditions", []).append(outcome)
    made.outcome = plan.condition(final, outcome["reason"], outcome["message"], view.now)


def settle(status: Object, tracked: Collection[str]) -> None:
    """Turn uids of pods that are not ``tracked`` any more into numbers."""
    uncounted = status["uncountedTerminatedPods"]
    for key in ("succeeded", "failed"):
        listed = uncounted.get(key) or []
        left = [uid for uid in listed if uid in tracked]
        _number(status, key, int(status.get(key) or 0) + len(listed) - len(left))
        if left:
            uncounted[key] = left
        else:
            uncounted.pop(key, None)


def finish(made: Count, now: float) -> bool:
    """End the Job in its status, if all its pods have ended and are counted."""
    status, outcome = made.status, made.outcome
    if outcome is None or not made.whole or any(status["uncountedTerminatedPods"].values()) or status["terminating"]:
        return False
    final = plan.condition(outcome["type"], outcome["reason"], outcome["message"], now)
    put(status, final)
    if final["type"] == "Complete":
        status["completionTime"] = final["lastTransitionTime"]
    return True
