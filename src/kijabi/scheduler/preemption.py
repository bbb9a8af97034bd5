"""Preemption: which pods of lower priority would have to go so that a pod fits, and where that hurts the least.

The decision only: it tries nodes out by taking pods off the columns and putting them back, and leaves everything as it
was. ``scheduler`` carries it out.
Source: "Pod Priority and Preemption"; the behaviour of DefaultPreemption. Departure: upstream tries a sample of the
nodes that begins at a random one; here it is a sample in the order of rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kijabi.api import conditions, labels
from kijabi.api.resource import Object
from kijabi.scheduler import cycle
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER = "not eligible due to preemptionPolicy=Never."
ALREADY = "not eligible due to a terminating pod on the nominated node."
BY_SCHEDULER = "PreemptionByScheduler"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many nodes are tried out: a percentage, but not fewer than ``least``."""

    percentage: int = 10
    least: int = 100

    def of(self, nodes: int) -> int:
        return min(max(nodes * self.percentage // 100, self.least), nodes)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and the pods that would have to leave it, the most important first."""

    row: int
    victims: tuple[PodInfo, ...]
    violations: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """``chosen`` or, where there is none, the message. ``keep`` leaves an earlier nomination as it is."""

    chosen: Candidate | None
    message: str = ""
    keep: bool = False


def decide(
    decision: cycle.Decision,
    filters: Sequence[contract.Filter],
    budgets: Sequence[Object],
    now: float,
    nominated: Sequence[tuple[int, PodInfo]] = (),
    limits: Limits | None = None,
) -> Outcome:
    """For a pod that fits nowhere. ``budgets`` are PodDisruptionBudgets, ``now`` stands for the start of pods that
    have not started, ``nominated`` are pods that room is being made for and that count as placed."""
    view = decision.view
    hopeless = _hopeless(decision)
    refused = _ineligible(view, hopeless)
    if refused:
        return Outcome(None, refused, keep=True)
    columns = view.columns
    if not columns.count:
        return Outcome(None, keep=True)
    potential = np.nonzero(columns.alive & ~hopeless)[0]
    changing = [rule for rule in filters if not rule.lasting]
    wanted = (limits or Limits()).of(len(potential))
    found: list[Candidate] = []
    reasons: Counter[str] = Counter({NOT_HELPFUL: columns.count - len(potential)})
    for row in potential.tolist():
        trial = _Trial(view, changing, row, [pod for where, pod in nominated if where == row], now)
        candidate = trial.victims(budgets)
        if isinstance(candidate, Candidate):
            if not candidate.victims:
                # It would fit as it is: what refused it has changed since. The next attempt will tell.
                continue
            found.append(candidate)
            # One that violates nothing is good enough once enough have been looked at.
            if len(found) >= wanted and any(not each.violations for each in found):
                break
        else:
            reasons.update(candidate)
    if not found:
        return Outcome(None, cycle.told(columns.count, reasons))
    return Outcome(best(found, now))


def _hopeless(decision: cycle.Decision) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(decision.view.columns.size, np.bool_)
    for _, refusal in decision.refusals():
        if refusal.hopeless:
            mask[refusal.rows] = True
    return mask


def _ineligible(view: contract.View, hopeless: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    """Why the pod may not preempt at all; empty if it may."""
    if view.pod.spec.get("preemptionPolicy") == "Never":
        return NEVER
    row = view.columns.row_of.get(view.pod.nominated) if view.pod.nominated else None
    if row is None or hopeless[row]:
        return ""
    leaving = (
        other for other in view.columns.pods[row].values() if other.terminating and other.priority < view.pod.priority
    )
    return ALREADY if any(_preempted(other.object) for other in leaving) else ""


def _preempted(pod: Object) -> bool:
    target = conditions.get(pod, "DisruptionTarget")
    return target is not None and target.get("status") == "True" and target.get("reason") == BY_SCHEDULER


class _Trial:
    """One node, tried out. Whatever is taken off is put back."""

    def __init__(
        self,
        view: contract.View,
        filters: Sequence[contract.Filter],
        row: int,
        nominated: Sequence[PodInfo],
        now: float,
    ) -> None:
        self._view = view
        self._filters = filters
        self._row = row
        self._nominated = nominated
        self._now = now

    def victims(self, budgets: Sequence[Object]) -> Candidate | list[str]:
        """The fewest pods that must go, or why their going would not help."""
        there = self._view.columns.pods[self._row]
        lower = [pod for pod in there.values() if pod.priority < self._view.pod.priority]
        if not lower:
            return [NO_VICTIMS]
        lower.sort(key=lambda pod: importance(pod, self._now))
        # The order in which a row holds its pods does not matter; the tallies move with every change.
        removed = dict.fromkeys(pod.uid for pod in lower)
        for pod in lower:
            self._take(pod)
        for pod in self._nominated:
            self._put(pod)
        try:
            refused = self._refused()
            if refused:
                return refused
            return self._reprieve(lower, budgets, removed)
        finally:
            for pod in self._nominated:
                self._take(pod)
            for pod in lower:
                if pod.uid in removed:
                    self._put(pod)

    def _reprieve(self, lower: Sequence[PodInfo], budgets: Sequence[Object], removed: dict[str, None]) -> Candidate:
        """Put back who may stay: first those whose budget would be violated, always the important first."""
        violating = _violating(lower, budgets)
        violations = 0
        for protected in (True, False):
            for pod in lower:
                if (pod.uid in violating) != protected:
                    continue
                self._put(pod)
                del removed[pod.uid]
                if self._refused():
                    self._take(pod)
                    removed[pod.uid] = None
                    violations += protected
        return Candidate(self._row, tuple(pod for pod in lower if pod.uid in removed), violations)

    def _refused(self) -> list[str]:
        row = np.array([self._row])
        for rule in self._filters:
            mask = rule.filter(self._view)
            if mask is not None and not mask[self._row]:
                return [refusal.reason for refusal in rule.refusals(self._view, row) if len(refusal.rows)]
        return []

    def _take(self, pod: PodInfo) -> None:
        columns = self._view.columns
        columns.remove_pod(columns.names[self._row], pod.uid)
        self._view.tallies.remove(self._row, pod)

    def _put(self, pod: PodInfo) -> None:
        columns = self._view.columns
        columns.add_pod(columns.names[self._row], pod)
        self._view.tallies.place(self._row, pod)


def _started(pod: PodInfo, now: float) -> float:
    text = (pod.object.get("status") or {}).get("startTime")
    return conditions.seconds(text) if text else now


def importance(pod: PodInfo, now: float) -> tuple[int, float]:
    """Sorts the most important first: by priority, then who has run for longer."""
    return (-pod.priority, _started(pod, now))


def _violating(pods: Sequence[PodInfo], budgets: Sequence[Object]) -> frozenset[str]:
    """The uids of those whose going, in this order, some budget does not allow."""
    allowed = [(budget.get("status") or {}).get("disruptionsAllowed", 0) for budget in budgets]
    selectors = [labels.from_label_selector((budget.get("spec") or {}).get("selector")) for budget in budgets]
    found = set()
    for pod in pods:
        if not pod.shape.labels:
            continue
        for number, budget in enumerate(budgets):
            if budget["metadata"]["namespace"] != pod.namespace or selectors[number].everything:
                continue
            disrupted = (budget.get("status") or {}).get("disruptedPods") or {}
            if not selectors[number].matches(pod.shape.labels) or pod.object["metadata"]["name"] in disrupted:
                continue
            allowed[number] -= 1
            if allowed[number] < 0:
                found.add(pod.uid)
    return frozenset(found)


def best(candidates: Sequence[Candidate], now: float) -> Candidate:
    """Where it hurts the least: the fewest violated budgets, the lowest highest priority, the smallest sum of
    priorities, the fewest pods, and then where the most important victims have run for the shortest time."""

    def hurt(candidate: Candidate) -> tuple[float, ...]:
        priorities = [victim.priority for victim in candidate.victims]
        highest = max(priorities)
        # Shifted above zero, so that a few pods of negative priority are not worse than many.
        total = sum(priority + 2**31 for priority in priorities)
        earliest = min(
            (_started(victim, now) for victim in candidate.victims if victim.priority == highest), default=-math.inf
        )
        return (candidate.violations, highest, total, len(priorities), -earliest)

    return min(candidates, key=hurt)
