"""What may become of a Job's status. A controller of any make may write it (``managedBy``), so much of it is checked.

Rules that older controllers broke hold only where what they are about changes.
Source: KEP-4368, "Job API managed-by mechanism".
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any

from kijabi.api import checks, conditions, field
from kijabi.api.batch import indexes
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_FINISHED = ("Complete", "Failed")
_TERMINAL = ("Failed", "Complete", "FailureTarget")


@dataclass(slots=True)
class _Change:
    """The two jobs and their statuses; ``found`` gathers what is wrong."""

    new: Object
    old: Object
    told: Object
    before: Object
    found: Errors = attribute(default_factory=list)

    def differs(self, *keys: str) -> bool:
        return any(self.told.get(key) != self.before.get(key) for key in keys)

    def counts_differ(self, key: str) -> bool:
        return (self.told.get(key) or 0) != (self.before.get(key) or 0)

    def turned(self, *kinds: str) -> bool:
        return any(conditions.is_true(self.new, kind) != conditions.is_true(self.old, kind) for kind in kinds)

    def has(self, kind: str) -> bool:
        return conditions.is_true(self.new, kind)

    @property
    def finished(self) -> bool:
        return any(self.has(kind) for kind in _FINISHED)

    @property
    def finishing(self) -> bool:
        return self.finished != any(conditions.is_true(self.old, kind) for kind in _FINISHED)

    def refuse(self, key: str, value: Any, text: str) -> None:
        self.found.append(field.invalid(f"status.{key}", value, text))

    def refuse_conditions(self, text: str) -> None:
        self.refuse("conditions", field.OMITTED, text)


def validate(new: Object, old: Object) -> Errors:
    change = _Change(new, old, new.get("status") or {}, old.get("status") or {})
    change.found += checks.not_negative(change.told, "status", "active", "succeeded", "failed", "ready", "terminating")
    _uncounted(change)
    _completion(change)
    _end(change)
    _indexes(change)
    _pods(change)
    _success(change)
    _transition(change)
    return change.found


def _uncounted(change: _Change) -> None:
    seen: set[str] = set()
    listed = change.told.get("uncountedTerminatedPods") or {}
    for key in ("succeeded", "failed"):
        for position, uid in enumerate(listed.get(key) or ()):
            path = f"status.uncountedTerminatedPods.{key}[{position}]"
            if not uid:
                change.found.append(field.invalid(path, uid, "must not be empty"))
            elif uid in seen:
                change.found.append(field.duplicate(path, uid))
            seen.add(uid)


def _completion(change: _Change) -> None:
    complete, completed = change.has("Complete"), change.told.get("completionTime")
    if complete and change.has("Failed") and change.turned("Complete", "Failed"):
        change.refuse_conditions("cannot set Complete=True and Failed=true conditions")
    if complete and change.has("FailureTarget") and change.turned("Complete", "FailureTarget"):
        change.refuse_conditions("cannot set Complete=True and FailureTarget=true conditions")
    if change.turned("Complete") or change.differs("completionTime"):
        if completed and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            change.refuse("completionTime", completed, text)
        if complete and not completed:
            text = "completionTime is required for Complete jobs"
            change.found.append(field.required("status.completionTime", text))
    started = change.told.get("startTime")
    # Times are canonical texts, which compare as the times do.
    if started and completed and completed < started and change.differs("startTime", "completionTime"):
        change.refuse("completionTime", completed, "must be equal to or after `startTime`")


def _end(change: _Change) -> None:
    if change.has("Failed") and not change.has("FailureTarget") and _fails(change):
        change.refuse_conditions("cannot set Failed=True condition without the FailureTarget=true condition")
    unmet = change.has("Complete") and not change.has("SuccessCriteriaMet")
    if unmet and change.turned("Complete", "SuccessCriteriaMet"):
        change.refuse_conditions("cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
    if not change.finished:
        return
    told, spec = change.told, change.new["spec"]
    if told.get("active", 0) > 0 and (change.finishing or change.counts_differ("active")):
        change.refuse("active", told["active"], "active>0 is invalid for finished job")
    never_ran = spec.get("suspend") and spec.get("completions") == 0
    if not told.get("startTime") and (change.finishing or change.differs("startTime")) and not never_ran:
        change.found.append(field.required("status.startTime", "startTime is required for finished job"))
    uncounted = told.get("uncountedTerminatedPods") or {}
    if (uncounted.get("failed") or uncounted.get("succeeded")) and (
        change.finishing or change.differs("uncountedTerminatedPods")
    ):
        shown = {"Succeeded": uncounted.get("succeeded"), "Failed": uncounted.get("failed")}
        change.refuse("uncountedTerminatedPods", shown, "must be empty for finished job")


def _fails(change: _Change) -> bool:
    return change.turned("Failed") or change.differs("failedIndexes")


def _indexes(change: _Change) -> None:
    spec, told = change.new["spec"], change.told
    completions, per_index = spec.get("completions"), spec.get("backoffLimitPerIndex") is not None
    completed, failed = told.get("completedIndexes", ""), told.get("failedIndexes")
    completed_differ, failed_differ = change.differs("completedIndexes"), change.differs("failedIndexes")
    if completions is not None:
        if completed_differ:
            _parse(change, "completedIndexes", completed, completions)
        if failed_differ and per_index and failed is not None:
            _parse(change, "failedIndexes", failed, completions)
    if completed_differ and completed and spec.get("completionMode") != "Indexed":
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        change.refuse("completedIndexes", completed, text)
    if failed_differ and failed is not None and not per_index:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        change.refuse("failedIndexes", failed, text)
    if (completed_differ or failed_differ) and completions is not None and failed is not None:
        shared = indexes.overlap(completed, failed, completions)
        if shared is not None:
            change.refuse("failedIndexes", failed, f"failedIndexes and completedIndexes overlap at index: {shared}")


def _parse(change: _Change, key: str, text: str, completions: int) -> None:
    try:
        indexes.parse(text, completions)
    except indexes.Malformed as error:
        change.refuse(key, text, f"error parsing {key}: {error}")


def _pods(change: _Change) -> None:
    told = change.told
    terminating, ready = told.get("terminating") or 0, told.get("ready")
    if terminating > 0 and change.finished and (change.finishing or change.differs("terminating")):
        change.refuse("terminating", terminating, "terminating>0 is invalid for finished job")
    too_many = ready is not None and ready > told.get("active", 0)
    if too_many and (change.differs("ready") or change.counts_differ("active")):
        change.refuse("ready", ready, "cannot set more ready pods than active")


def _success(change: _Change) -> None:
    met = change.has("SuccessCriteriaMet")
    if met and change.has("Failed"):
        change.refuse_conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if met and change.has("FailureTarget"):
        change.refuse_conditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if change.new["spec"].get("successPolicy") is not None and not met and change.has("Complete"):
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        change.refuse_conditions(text)


def _transition(change: _Change) -> None:
    told, before, spec = change.told, change.before, change.new["spec"]
    for kind in _TERMINAL:
        if conditions.is_true(change.old, kind) and not change.has(kind):
            change.refuse_conditions(f"cannot disable the terminal {kind}=True condition")
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for key in ("failed", "succeeded"):
        # An elastic job may shrink, and its successes with it.
        if told.get(key, 0) < before.get(key, 0) and not (key == "succeeded" and elastic):
            change.refuse(key, told.get(key, 0), f"cannot decrease the {key} counter")
    if told.get("completionTime") and before.get("completionTime") and change.differs("completionTime"):
        change.refuse("completionTime", told["completionTime"], "field is immutable")
    resuming = conditions.is_true(change.old, "Suspended") and conditions.status(change.new, "Suspended") == "False"
    if before.get("startTime") and change.differs("startTime") and not resuming and not spec.get("suspend"):
        change.refuse("startTime", told.get("startTime"), "field is immutable for unsuspended job once set")
    was_met, met = conditions.is_true(change.old, "SuccessCriteriaMet"), change.has("SuccessCriteriaMet")
    if was_met and not met:
        change.refuse_conditions("cannot disable the SuccessCriteriaMet=True condition")
    if conditions.is_true(change.old, "Complete") and not was_met and met:
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        change.refuse_conditions(text)
