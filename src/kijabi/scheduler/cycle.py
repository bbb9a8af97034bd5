"""One pod, all nodes: which are feasible, which is best, and why."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kijabi.api.predicates import affinity
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo

Filters = tuple[contract.Filter, ...]
Refused = dict[contract.Filter, Ints]


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The rules of one profile: filters in the order they are asked, scores with their weights."""

    filters: tuple[contract.Filter, ...]
    scores: tuple[tuple[contract.Score, int], ...]


@dataclass(frozen=True, slots=True)
class PluginScore:
    """What one rule gave to one node: its own number, the same from 0 to 100, and that times the rule's weight."""

    raw: int
    normalized: int
    weighted: int


@dataclass(slots=True)
class Decision:
    """``row`` is the chosen one (None: nowhere). ``refused`` has, per rule, the rows that it was first to refuse.

    ``total`` and ``scores`` are per feasible row (as ``view.rows``), ``best`` are the positions of the highest totals,
    ``position`` that of the chosen row.
    """

    row: int | None
    view: contract.View
    total: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    position: int = 0
    best: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: dict[str, tuple[Ints, Ints, int]] = field(default_factory=dict)
    refused: Refused = field(default_factory=dict)

    @property
    def refused_by(self) -> frozenset[str]:
        return frozenset(rule.name for rule in (*self.refused, *(rule for rule, _ in self.view.crowded)))

    def refusals(self) -> Iterator[tuple[contract.Filter, contract.Refusal]]:
        for rule, rows in self.refused.items():
            for refusal in rule.refusals(self.view, rows):
                yield rule, refusal
        yield from self.view.crowded

    def of_row(self, position: int) -> Mapping[str, PluginScore]:
        """The scores of the ``position``-th feasible row."""
        return {
            name: PluginScore(_at(raw, position), _at(normalized, position), _at(normalized, position) * weight)
            for name, (raw, normalized, weight) in self.scores.items()
        }


def _at(scores: Ints, position: int) -> int:
    return int(scores[position]) if scores.ndim else int(scores)


def decide(
    view: contract.View, rules: Rules, chance: random.Random, nominated: Sequence[tuple[int, PodInfo]] = ()
) -> Decision:
    """Among the best rows one is chosen by chance, as upstream does.

    ``nominated`` are pods (with their rows) for which room is being made, and which this pod may not take it from. A
    pod that is itself nominated goes to its node if it fits there, whatever the scores.
    """
    refused = feasible_rows(view, rules.filters, nominated)
    decision = Decision(None, view, refused=refused)
    if not len(view.rows):
        return decision
    own = view.columns.row_of.get(view.pod.nominated) if view.pod.nominated else None
    if own is not None and own in view.rows:
        _narrow(view, np.array([own]))
    decision.total = _total(view, rules, decision)
    decision.best = np.nonzero(decision.total == decision.total.max())[0]
    decision.position = int(decision.best[chance.randrange(len(decision.best))])
    decision.row = int(view.rows[decision.position])
    return decision


def _total(view: contract.View, rules: Rules, decision: Decision) -> Ints:
    total = np.zeros(len(view.rows), np.int64)
    for_all = 0
    for rule, weight in rules.scores:
        raw = rule.score(view)
        if raw is None:
            continue
        normalized = rule.normalize(view, raw)
        decision.scores[rule.name] = (raw, normalized, weight)
        if not normalized.ndim:
            for_all += int(normalized) * weight
        else:
            total += normalized * weight if weight != 1 else normalized
    if for_all:
        total += for_all
    return total


@dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    """What the lasting rules said; it holds until a node changes."""

    feasible: Mask
    rows: Ints
    span: slice | Ints
    refused: Refused


def feasible_rows(view: contract.View, filters: Filters, nominated: Sequence[tuple[int, PodInfo]] = ()) -> Refused:
    """Sets the view's rows; gives what each rule was first to refuse."""
    lasting, changing = _split(filters)
    key = ("standing", filters, view.shape.place_key, view.pod.node_name)
    standing = view.columns.whole(key, lambda: _stand(view, lasting))
    feasible, refused = _run(view, changing, standing.feasible)
    if nominated:
        # With the nominated pods in place and without: one may be what an affinity of this pod waits for.
        taken = np.zeros(len(feasible), np.bool_)
        for rule, refusal in _beside(view, changing, standing.feasible, nominated):
            rows = refusal.rows[feasible[refusal.rows]]
            if len(rows):
                view.crowded.append((rule, dataclasses.replace(refusal, rows=rows)))
                taken[rows] = True
        feasible = feasible & ~taken
    if refused or view.crowded:
        _narrow(view, np.nonzero(feasible)[0])
    else:
        view.rows, view.span, view.common = standing.rows, standing.span, standing
    return {**standing.refused, **refused}


@functools.lru_cache(maxsize=64)
def _split(filters: Filters) -> tuple[Filters, Filters]:
    """The lasting filters at the beginning, and the rest: what comes after one that is not is asked in its turn."""
    count = next((number for number, rule in enumerate(filters) if not rule.lasting), len(filters))
    return filters[:count], filters[count:]


def _stand(view: contract.View, filters: Sequence[contract.Filter]) -> _Standing:
    feasible, refused = _run(view, filters, view.columns.alive.copy())
    rows = np.nonzero(feasible)[0]
    return _Standing(feasible, rows, _span(rows), refused)


def _span(rows: Ints) -> slice | Ints:
    side_by_side = len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if side_by_side else rows


def _narrow(view: contract.View, rows: Ints) -> None:
    view.rows, view.span, view.common = rows, _span(rows), None


def _run(view: contract.View, filters: Sequence[contract.Filter], feasible: Mask) -> tuple[Mask, Refused]:
    refused: Refused = {}
    for rule in filters:
        mask = rule.filter(view)
        if mask is None:
            continue
        no = feasible > mask
        if np.count_nonzero(no):
            refused[rule] = np.nonzero(no)[0]
            feasible = feasible & mask
    return feasible, refused


def _beside(
    view: contract.View,
    filters: Sequence[contract.Filter],
    feasible: Mask,
    nominated: Sequence[tuple[int, PodInfo]],
) -> list[tuple[contract.Filter, contract.Refusal]]:
    """What is refused with the nominated pods in place, and why: the reasons are theirs, too."""
    columns, tallies = view.columns, view.tallies
    for row, pod in nominated:
        columns.add_pod(columns.name(row), pod)
        tallies.place(row, pod)
    try:
        refused = _run(view, filters, feasible)[1]
        return [(rule, refusal) for rule, rows in refused.items() for refusal in rule.refusals(view, rows)]
    finally:
        for row, pod in nominated:
            columns.remove_pod(columns.name(row), pod.uid)
            tallies.remove(row, pod)


def message(decision: Decision) -> str:
    """``0/3 nodes are available: 1 Insufficient cpu, 2 node(s) …``: why a pod fits nowhere."""
    count = decision.view.columns.count
    if not count:
        return "no nodes available to schedule pods"
    reasons: Counter[str] = Counter()
    pinned = _pinned(decision)
    if pinned is not None and "NodeAffinity" in decision.refused_by:
        # Upstream asks only the nodes that the affinity names, and has one sentence for all others.
        reasons["node(s) didn't satisfy plugin(s) [NodeAffinity]"] = count - len(pinned)
    for _, refusal in decision.refusals():
        rows = refusal.rows if pinned is None else np.intersect1d(refusal.rows, pinned)
        reasons[refusal.reason] += len(rows)
    return told(count, reasons)


def told(count: int, reasons: Mapping[str, int]) -> str:
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items() if number))
    return f"0/{count} nodes are available: {listed}." if listed else f"0/{count} nodes are available:"


def _pinned(decision: Decision) -> Ints | None:
    """The rows that a required node affinity names (daemons' pods), or None where it names none."""
    view = decision.view
    names = affinity.pinned_nodes(view.shape.example)
    if names is None:
        return None
    found = (view.columns.row_of.get(name) for name in names)
    return np.array(sorted(row for row in found if row is not None), np.int64)
