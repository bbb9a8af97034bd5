"""One pod, all nodes: which are feasible, which is best, and why."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract


@dataclass(frozen=True, slots=True)
class PluginScore:
    """What one rule gave to one node: its own number, the same from 0 to 100, and that times the rule's weight."""

    raw: int
    normalized: int
    weighted: int


@dataclass(slots=True)
class Decision:
    """``row`` is the chosen one (None: nowhere). ``refusals`` has, per rule, the rows that it was first to refuse."""

    row: int | None
    view: contract.View
    total: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: dict[str, tuple[Ints, Ints, int]] = field(default_factory=dict)
    refusals: dict[contract.Filter, Ints] = field(default_factory=dict)

    @property
    def refused_by(self) -> frozenset[str]:
        return frozenset(rule.name for rule in self.refusals)

    def of_row(self, position: int) -> Mapping[str, PluginScore]:
        """The scores of the ``position``-th feasible row."""
        return {
            name: PluginScore(int(raw[position]), int(shared[position]), int(shared[position]) * weight)
            for name, (raw, shared, weight) in self.scores.items()
        }


def decide(
    view: contract.View,
    filters: Sequence[contract.Filter],
    scores: Sequence[tuple[contract.Score, int]],
    chance: random.Random,
) -> Decision:
    """Among the best rows one is chosen by chance, as upstream does."""
    feasible, refusals = run_filters(view, filters)
    view.rows = np.nonzero(feasible)[0]
    decision = Decision(None, view, refusals=refusals)
    if not len(view.rows):
        return decision
    decision.total = np.zeros(len(view.rows), np.int64)
    for rule, weight in scores:
        raw = rule.score(view)
        if raw is None:
            continue
        shared = rule.normalize(view, raw)
        decision.scores[rule.name] = (raw, shared, weight)
        decision.total += shared * weight
    best = np.nonzero(decision.total == decision.total.max())[0]
    decision.row = int(view.rows[best[chance.randrange(len(best))]])
    return decision


def run_filters(view: contract.View, filters: Sequence[contract.Filter]) -> tuple[Mask, dict[contract.Filter, Ints]]:
    feasible = view.columns.alive.copy()
    refusals: dict[contract.Filter, Ints] = {}
    for rule in filters:
        mask = rule.filter(view)
        if mask is None:
            continue
        refused = np.nonzero(feasible & ~mask)[0]
        if len(refused):
            refusals[rule] = refused
            feasible &= mask
    return feasible, refusals


def message(decision: Decision) -> str:
    """``0/3 nodes are available: 1 Insufficient cpu, 2 node(s) …``: why a pod fits nowhere."""
    view = decision.view
    count = view.columns.count
    if not count:
        return "no nodes available to schedule pods"
    reasons: Counter[str] = Counter()
    for rule, rows in decision.refusals.items():
        for row in rows.tolist():
            reasons.update(rule.reasons(view, row))
    told = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return f"0/{count} nodes are available: {told}." if told else f"0/{count} nodes are available"
