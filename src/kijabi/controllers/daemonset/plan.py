"""What to make and what to delete so that each node has its pod, of the present template: pure.

``manage`` sees to it that every fitting node has a pod and no other has; ``roll`` replaces pods of older templates,
within maxUnavailable (delete first) or maxSurge (make first). Only one of the two acts at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers import amounts, podset, revisions
from kijabi.controllers.daemonset import nodes as nodes_


@dataclass(frozen=True, slots=True)
class View:
    """``fits`` and ``nodes`` by name of node, ``pods`` by the node they are meant for; ``digest`` is the present hash.

    ``held`` are seconds for which a failed pod of a node is left alone.
    """

    daemon_set: Object
    digest: str
    fits: Mapping[str, nodes_.Fit]
    pods: Mapping[str, list[Object]]
    now: float
    held: Mapping[str, float] = field(default_factory=dict)

    @property
    def desired(self) -> int:
        return sum(fit.run for fit in self.fits.values())

    @property
    def surge(self) -> int:
        return amounts.scaled(self._rolling().get("maxSurge", 0), self.desired, up=True)

    @property
    def surges(self) -> bool:
        return amounts.scaled(self._rolling().get("maxSurge", 0), 1, up=True) > 0

    @property
    def unavailable(self) -> int:
        allowed = amounts.scaled(self._rolling().get("maxUnavailable", 1), self.desired, up=True)
        return 1 if self.desired and not allowed and not self.surge else allowed

    def _rolling(self) -> Object:
        update = self.daemon_set["spec"].get("updateStrategy") or {}
        return update.get("rollingUpdate") or {} if update.get("type") != "OnDelete" else {"maxUnavailable": 0}

    def updated(self, pod: Object) -> bool:
        labels = pod["metadata"].get("labels") or {}
        generation = nodes_.template_generation(self.daemon_set)
        if self.digest and labels.get(revisions.HASH_LABEL) == self.digest:
            return True
        return bool(generation) and labels.get(nodes_.GENERATION_LABEL) == generation

    def available(self, pod: Object) -> bool:
        return pods_.is_available(pod, self.daemon_set["spec"].get("minReadySeconds") or 0, self.now)


@dataclass(slots=True)
class Plan:
    """``failed`` and ``succeeded`` are among ``delete``: there is something to tell about them."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)
    again: float | None = None


def plan(view: View) -> Plan:
    made = manage(view)
    update = view.daemon_set["spec"].get("updateStrategy") or {}
    if not made.create and not made.delete and update.get("type") != "OnDelete":
        rolled = roll(view)
        made.create, made.delete = rolled.create, rolled.delete
    made.create = made.create[: podset.BURST]
    made.delete = made.delete[: podset.BURST]
    return made


def manage(view: View) -> Plan:
    made = Plan()
    for name in sorted(view.fits):
        fit, there = view.fits[name], view.pods.get(name, [])
        if fit.run and not there:
            made.create.append(name)
        elif fit.stay:
            _keep_one(view, name, there, made)
        else:
            made.delete += [pod for pod in there if not pods_.is_terminating(pod)]
    for name, there in view.pods.items():
        if name not in view.fits:
            # Pinned to a node that is gone: the scheduler will never place it. What ran there is the pod GC's.
            made.delete += [pod for pod in there if not pods_.node_name(pod) and not pods_.is_terminating(pod)]
    return made


def _keep_one(view: View, name: str, there: list[Object], made: Plan) -> None:
    running = []
    for pod in there:
        if pods_.is_terminating(pod):
            continue
        if pods_.phase(pod) == "Failed":
            if view.held.get(name, 0) > 0:
                # The kubelet may refuse the next one just the same; this keeps the two from a duel.
                made.again = min(made.again or view.held[name], view.held[name])
                continue
            made.failed.append(pod)
            made.delete.append(pod)
        elif pods_.phase(pod) == "Succeeded":
            made.succeeded.append(pod)
            made.delete.append(pod)
        else:
            running.append(pod)
    if not view.surges:
        made.delete += running[1:]
    elif not running and view.fits[name].run:
        made.create.append(name)
    elif len(running) > 1:
        made.delete += _surplus(view, running)


def _surplus(view: View, running: list[Object]) -> Iterator[Object]:
    """One old and one new pod may share a node until the new one is available; the oldest of each counts."""
    new = [pod for pod in running if (pod["metadata"].get("labels") or {}).get(revisions.HASH_LABEL) == view.digest]
    old = [pod for pod in running if pod not in new]
    yield from new[1:]
    yield from old[1:]
    if new and old and (not pods_.is_ready(old[0]) or view.available(new[0])):
        yield old[0]


@dataclass(frozen=True, slots=True)
class _Pair:
    """The pods of a node that are not being deleted; ``excess`` if there is more than one of either kind."""

    new: Object | None
    old: Object | None
    excess: bool


def _pair(view: View, there: list[Object]) -> _Pair:
    alive = [pod for pod in there if not pods_.is_terminating(pod)]
    new = [pod for pod in alive if view.updated(pod)]
    old = [pod for pod in alive if not view.updated(pod)]
    return _Pair(new[0] if new else None, old[0] if old else None, len(new) > 1 or len(old) > 1)


def roll(view: View) -> Plan:
    wanted = {name for name, fit in view.fits.items() if fit.run}
    pairs = {name: _pair(view, view.pods.get(name, [])) for name in sorted(wanted | view.pods.keys())}
    return _surging(view, pairs) if view.surge else _replacing(view, pairs)


def _replacing(view: View, pairs: Mapping[str, _Pair]) -> Plan:
    missing = 0
    broken, candidates = [], []
    for pair in pairs.values():
        if pair.excess or (pair.old is None) == (pair.new is None):
            missing += 1
        elif pair.new is not None:
            missing += not view.available(pair.new)
        elif pair.old is not None and not view.available(pair.old):
            # It serves nobody: replacing it costs nothing.
            broken.append(pair.old)
            missing += 1
        elif pair.old is not None:
            candidates.append(pair.old)
    return Plan(delete=broken + candidates[: max(0, view.unavailable - missing)])


def _surging(view: View, pairs: Mapping[str, _Pair]) -> Plan:
    made = Plan()
    surging = available = 0
    candidates: list[str] = []
    unwanted: list[Object] = []
    for name, pair in pairs.items():
        if pair.excess:
            surging += 1
            continue
        serving = pair.old or pair.new
        available += serving is not None and view.available(serving)
        if pair.old is None:
            continue
        runs = view.fits.get(name, nodes_.NOWHERE).run
        if pair.new is not None:
            if view.available(pair.new):
                made.delete.append(pair.old)
            else:
                surging += 1
        elif not view.available(pair.old):
            if runs:
                made.create.append(name)
            else:
                made.delete.append(pair.old)
        elif runs:
            candidates.append(name)
        else:
            unwanted.append(pair.old)
    # A node that is no longer wanted gives its pod up only when as many as wanted are available elsewhere.
    made.delete += unwanted[: max(0, available - view.desired)]
    made.create += candidates[: max(0, view.surge - surging)]
    return made
