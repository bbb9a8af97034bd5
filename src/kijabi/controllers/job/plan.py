"""Whether a Job is over, and which pods to make and to delete: pure."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

from kijabi.api import timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers import podset, replicaset
from kijabi.controllers.job import backoff, indexes, policies
from kijabi.controllers.job import view as views
from kijabi.controllers.job.view import View

ENVIRONMENT = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58


@dataclass(slots=True)
class Plan:
    """``outcome`` is the condition that ends the Job (FailureTarget, SuccessCriteriaMet, or the final one after it).

    ``create`` are pods; ``again`` seconds after which to look again; ``managed``: the pods were looked at (not so when
    the Job is over or being deleted).
    """

    outcome: Object | None = None
    create: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    again: float | None = None
    managed: bool = False


def plan(view: View) -> Plan:
    made = Plan(outcome=_outcome(view))
    if made.outcome is not None:
        made.delete = list(view.active)
        return made
    made.again = _deadline(view)
    if not view.job["metadata"].get("deletionTimestamp"):
        made.managed = True
        _manage(view, made)
    return made


def condition(kind: str, reason: str, message: str, now: float, status: str = "True") -> Object:
    stamp = timestamps.format_time(now)
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def _outcome(view: View) -> Object | None:
    """In upstream's order: what was decided before, failures by policy, limits and time, then success by policy."""
    met = view.condition("SuccessCriteriaMet")
    if met is not None:
        return met
    target = view.condition("FailureTarget")
    if target is not None:
        return condition("Failed", target["reason"], target["message"], view.now)
    found = _policy_failure(view) or _limit_failure(view) or _index_failure(view)
    if found is not None:
        return condition("FailureTarget", *found, view.now)
    if view.indexed:
        message = policies.satisfied(view.spec.get("successPolicy"), view.completions or 0, view.succeeded_indexes)
        if message:
            return condition("SuccessCriteriaMet", "SuccessPolicy", message, view.now)
    return None


def _policy_failure(view: View) -> tuple[str, str] | None:
    for pod in view.pods if view.spec.get("podFailurePolicy") is not None else ():
        message = view.judge(pod).message if view.has_failed(pod) else ""
        if message:
            return "PodFailurePolicy", message
    return None


def _limit_failure(view: View) -> tuple[str, str] | None:
    if view.failed > int(view.spec.get("backoffLimit", 6)) or _restarted_too_often(view):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    left = _deadline(view)
    if left is not None and left <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _restarted_too_often(view: View) -> bool:
    if view.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        int(container.get("restartCount") or 0)
        for pod in view.pods
        if pods_.phase(pod) in ("Running", "Pending")
        for key in ("initContainerStatuses", "containerStatuses")
        for container in (pod.get("status") or {}).get(key) or ()
    )
    return restarts >= max(1, int(view.spec.get("backoffLimit", 6)))


def _deadline(view: View) -> float | None:
    """Seconds that are left of ``activeDeadlineSeconds``; None where no time runs."""
    limit = view.spec.get("activeDeadlineSeconds")
    if limit is None or view.suspended:
        return None
    started = view.status.get("startTime")
    return float(limit) - (view.now - timestamps.parse(started) if started else 0.0)


def _index_failure(view: View) -> tuple[str, str] | None:
    if not view.per_index:
        return None
    failed, most = len(view.failed_indexes), view.spec.get("maxFailedIndexes")
    if most is not None and failed > int(most):
        return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
    if failed and failed + len(view.succeeded_indexes) >= (view.completions or 0):
        return "FailedIndexes", "Job has failed indexes"
    return None


def _manage(view: View, made: Plan) -> None:
    if view.suspended:
        made.delete = list(view.active)
        return
    wanted = _wanted(view)
    made.delete = _surplus(view, max(0, len(view.active) - wanted))[: podset.BURST]
    if made.delete:
        # Either deletions or creations in one go.
        return
    held = len(view.terminating) if view.replaces_failed_only else 0
    lacking = min(wanted - held - len(view.active), podset.BURST)
    if lacking <= 0:
        return
    wait = 0.0 if view.per_index else view.new_record.wait(view.now)
    if not wait and not view.indexed:
        made.create = [_pod(view, None) for _ in range(lacking)]
    elif not wait:
        pending = _pending(view, lacking)
        waits = {index: _index_wait(view, index) for index in pending}
        due = [index for index in pending if not waits[index]]
        made.create = [_pod(view, index) for index in due]
        wait = min(waits.values(), default=0.0) if not due else 0.0
    if wait:
        made.again = min(wait, made.again) if made.again is not None else wait


def _wanted(view: View) -> int:
    """How many pods should be active."""
    if view.completions is None:
        # A work queue: after the first success nothing is started any more.
        return len(view.active) if view.succeeded else view.parallelism
    return max(0, min(view.parallelism, view.completions - view.succeeded))


def _surplus(view: View, at_least: int) -> list[Object]:
    """Pods without a place, all but one of those that share an index, and then as many more as are too many."""
    gone: list[Object] = []
    left = list(view.active)
    if view.indexed:
        left = []
        by_index: dict[int, list[Object]] = {}
        for pod in view.active:
            index = indexes.of(pod)
            if index is not None and view.has_place(pod):
                by_index.setdefault(index, []).append(pod)
            else:
                gone.append(pod)
        for index in sorted(by_index):
            ranked = replicaset.rank(by_index[index], (), view.now)
            gone += ranked[:-1]
            left.append(ranked[-1])
    return gone + replicaset.rank(left, (), view.now)[: max(0, at_least - len(gone))]


def _pending(view: View, count: int) -> list[int]:
    """The first indexes that no pod is at work on and that are not settled."""
    busy = {indexes.of(pod) for pod in view.active}
    if view.replaces_failed_only:
        busy |= {indexes.of(pod) for pod in view.terminating}
    settled = view.succeeded_indexes | (view.failed_indexes if view.per_index else frozenset())
    found: list[int] = []
    for index in range(view.completions or 0):
        if len(found) == count:
            break
        if index not in settled and index not in busy:
            found.append(index)
    return found


def _index_wait(view: View, index: int) -> float:
    failed = view.delayed.get(index)
    if failed is None:
        return 0.0
    return backoff.Record(sum(views.failures(failed)) + 1, backoff.finished(failed)).wait(view.now)


def _pod(view: View, index: int | None) -> Object:
    job = view.job
    template = copy.deepcopy(view.spec["template"])
    meta, spec = template.setdefault("metadata", {}), template["spec"]
    meta["finalizers"] = [*(name for name in meta.get("finalizers") or () if name != views.FINALIZER), views.FINALIZER]
    if index is None:
        return podset.from_template(template, job, job["metadata"]["namespace"])
    name = job["metadata"]["name"]
    notes = {**(meta.get("annotations") or {}), indexes.ANNOTATION: str(index)}
    if view.per_index:
        notes |= _inherited(view, index)
    meta["annotations"] = notes
    meta["labels"] = {**(meta.get("labels") or {}), indexes.ANNOTATION: str(index)}
    spec["hostname"] = f"{name}-{index}"
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        if not any(variable["name"] == ENVIRONMENT for variable in container.get("env") or ()):
            source = {"fieldRef": {"fieldPath": f"metadata.labels['{indexes.ANNOTATION}']"}}
            container["env"] = [*(container.get("env") or ()), {"name": ENVIRONMENT, "valueFrom": source}]
    made = podset.from_template(template, job, job["metadata"]["namespace"])
    ending = f"-{index}-"
    made["metadata"]["generateName"] = name[: _LONGEST_PREFIX - len(ending)] + ending
    return made


def _inherited(view: View, index: int) -> dict[str, str]:
    """The failures of the index so far, for the pod that replaces the last one."""
    failed = view.delayed.get(index)
    if failed is None:
        return {views.FAILURES: "0"}
    counted, ignored = views.failures(failed)
    if view.judge(failed).counts:
        counted += 1
    else:
        ignored += 1
    return {views.FAILURES: str(counted), **({views.IGNORED_FAILURES: str(ignored)} if ignored else {})}


def complete(view: View, active: int) -> bool:
    """Whether enough has succeeded and nothing runs any more."""
    if view.completions is None:
        return view.succeeded > 0 and active == 0
    return view.succeeded >= view.completions and active == 0


def ready(pods: Sequence[Object]) -> int:
    return sum(pods_.is_ready(pod) for pod in pods)
