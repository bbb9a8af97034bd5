"""The next steps of a StatefulSet, as a pure function of what there is.

In order: pods that are missing are made and those that have ended are deleted, lowest ordinal first; pods beyond the
range are deleted, highest first; then pods of an older revision are deleted, highest first, for the first part to make
again. With OrderedReady each step waits until all before it are available; with Parallel none waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers import amounts
from kijabi.controllers.statefulset import identity, retention


@dataclass(frozen=True, slots=True)
class View:
    """``claims`` by name; ``current`` and ``update`` are ControllerRevisions."""

    stateful_set: Object
    current: Object
    update: Object
    pods: Sequence[Object]
    claims: Mapping[str, Object]
    now: float

    @property
    def ordered(self) -> bool:
        return bool(self.stateful_set["spec"].get("podManagementPolicy") != "Parallel")

    @property
    def minimum(self) -> int:
        return int(self.stateful_set["spec"].get("minReadySeconds") or 0)

    def available(self, pod: Object | None) -> bool:
        return pod is not None and pods_.is_available(pod, self.minimum, self.now) and not pods_.is_terminating(pod)

    def is_current(self, pod: Object) -> bool:
        return bool(identity.revision(pod) == self.current["metadata"]["name"])

    def is_updated(self, pod: Object) -> bool:
        return bool(identity.revision(pod) == self.update["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Create:
    """A pod, and before it the claims that it lacks."""

    pod: Object
    claims: list[Object]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims that a pending pod lacks."""

    pod: Object
    claims: list[Object]


@dataclass(frozen=True, slots=True)
class Own:
    """A claim with other owners."""

    claim: Object


@dataclass(frozen=True, slots=True)
class Label:
    """A pod that lost the label with its name."""

    pod: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """``for_update``: the pod goes because its revision is old."""

    pod: Object
    for_update: bool = False


Step = Create | Claims | Own | Label | Delete


@dataclass(slots=True)
class _Steps:
    """``blocked``: nothing after this may happen yet."""

    made: list[Step] = field(default_factory=list)
    blocked: bool = False

    def add(self, step: Step, *, block: bool = False) -> None:
        self.made.append(step)
        self.blocked = self.blocked or block


def plan(view: View) -> list[Step]:
    steps = _Steps()
    if view.stateful_set["metadata"].get("deletionTimestamp"):
        return []
    by_ordinal = {identity.ordinal(pod): pod for pod in view.pods}
    wanted = identity.ordinals(view.stateful_set)
    for number in wanted:
        _replica(view, steps, number, by_ordinal.get(number))
        if steps.blocked:
            return steps.made
    condemned = identity.descending(pod for number, pod in by_ordinal.items() if number not in wanted)
    for pod in condemned:
        _own(view, steps, pod)
    _scale_down(view, steps, by_ordinal, condemned)
    if not steps.blocked and (view.stateful_set["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
        _roll(view, steps, [by_ordinal.get(number) for number in wanted])
    return steps.made


def _replica(view: View, steps: _Steps, number: int, pod: Object | None) -> None:
    if pod is None:
        wanted = identity.pod(view.stateful_set, view.current, view.update, number)
        if _stale(view, wanted):
            steps.blocked = steps.blocked or view.ordered
            return
        steps.add(Create(wanted, _missing(view, number)), block=view.ordered)
        return
    if pods_.is_terminal(pod):
        # Succeeded too: how a pod ends says nothing of why (a node that shuts down ends pods well).
        if not pods_.is_terminating(pod):
            steps.add(Delete(pod))
        steps.blocked = steps.blocked or view.ordered
        return
    missing = _missing(view, number) if pods_.phase(pod) == "Pending" else []
    if missing:
        steps.add(Claims(pod, missing))
    if view.ordered and not (pods_.phase(pod) == "Running" and view.available(pod)):
        steps.blocked = True
        return
    if not identity.is_labelled(pod) and not pods_.is_terminating(pod):
        steps.add(Label(pod))
    _own(view, steps, pod)


def _stale(view: View, wanted: Object) -> bool:
    """Whether a claim is still that of an earlier pod of this name, with which it is to go."""
    if retention.policy(view.stateful_set)[0] == "Retain":
        return False
    there = (view.claims.get(claim["metadata"]["name"]) for claim in _claims_of(view, identity.ordinal(wanted)))
    return any(claim is not None and retention.is_stale(claim, wanted) for claim in there)


def _claims_of(view: View, number: int) -> list[Object]:
    return list(identity.claims(view.stateful_set, number).values())


def _missing(view: View, number: int) -> list[Object]:
    lacking = [claim for claim in _claims_of(view, number) if claim["metadata"]["name"] not in view.claims]
    owner = retention.first_owner(view.stateful_set)
    for claim in lacking:
        if owner is not None:
            claim["metadata"]["ownerReferences"] = [owner]
    return lacking


def _own(view: View, steps: _Steps, pod: Object) -> None:
    for wanted in _claims_of(view, identity.ordinal(pod)):
        claim = view.claims.get(wanted["metadata"]["name"])
        owners = retention.owners(view.stateful_set, pod, claim) if claim is not None else None
        if claim is not None and owners is not None:
            meta = {name: value for name, value in claim["metadata"].items() if name != "ownerReferences"}
            steps.add(Own({**claim, "metadata": {**meta, **({"ownerReferences": owners} if owners else {})}}))


def _scale_down(view: View, steps: _Steps, by_ordinal: Mapping[int, Object], condemned: Sequence[Object]) -> None:
    if not condemned:
        return
    wanted = identity.ordinals(view.stateful_set)
    lowest_first = [by_ordinal[number] for number in wanted if number in by_ordinal] + list(reversed(condemned))
    unhealthy = next((pod for pod in lowest_first if not view.available(pod)), None)
    for pod in condemned:
        if pods_.is_terminating(pod):
            if view.ordered:
                steps.blocked = True
                return
            continue
        healthy = pods_.phase(pod) == "Running" and view.available(pod)
        if view.ordered and not healthy and pod is not unhealthy:
            steps.blocked = True
            return
        steps.add(Delete(pod), block=view.ordered)
        if view.ordered:
            return


def _roll(view: View, steps: _Steps, replicas: Sequence[Object | None]) -> None:
    rolling = (view.stateful_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    lowest = int(rolling.get("partition") or 0)
    allowed = rolling.get("maxUnavailable")
    if allowed is not None:
        _roll_many(view, steps, replicas, lowest, max(1, amounts.scaled(allowed, len(replicas), up=False)))
        return
    for pod in reversed(replicas[lowest:]):
        if pod is not None and not view.is_updated(pod) and not pods_.is_terminating(pod):
            steps.add(Delete(pod, for_update=True))
            return
        if not view.available(pod):
            return


def _roll_many(view: View, steps: _Steps, replicas: Sequence[Object | None], lowest: int, allowed: int) -> None:
    left = allowed - sum(not view.available(pod) for pod in replicas)
    for pod in reversed(replicas[lowest:]):
        if left <= 0:
            return
        if pod is not None and not view.is_updated(pod) and not pods_.is_terminating(pod):
            steps.add(Delete(pod, for_update=True))
            left -= 1
