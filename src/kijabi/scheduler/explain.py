"""Why a pod went where it did: the last decision on each pod, in a form to print.

``{pod, node, message, time, attempts, nodesConsidered, nodesFeasible, nodes: [{name, filtered_by, message, scores:
{rule: {raw, normalized, weighted}}, total}]}``: the chosen node first, then the others by total, then those that were
refused.

What is kept of a decision is a few numbers; names and sentences are made when somebody asks. Only ``reasons`` of
refused rows are found at once: what a row holds changes with the next placement.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kijabi.scheduler import cycle
from kijabi.scheduler.columns import Ints
from kijabi.scheduler.plugins import contract

REMEMBERED = 10_000
# Nodes told of in full: in a large cluster the best and a sample of the refused say enough.
SHOWN, REFUSED_SHOWN = 10, 40

Explanation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Noted:
    """A decision with the numbers of the best rows. ``scores`` are (rule, its numbers, the same normalized, weight)."""

    pod: str
    node: str | None
    message: str
    time: float
    attempts: int
    considered: int
    feasible: int
    names: tuple[str, ...]
    totals: Ints
    scores: tuple[tuple[str, Ints, Ints, int], ...]
    refused: tuple[tuple[str, str, str], ...]


def note(decision: cycle.Decision, now: float, attempts: int, *, message: str = "") -> Noted:
    view = decision.view
    columns = view.columns
    shown = _best(decision)
    rows = view.rows[shown]
    return Noted(
        pod=view.pod.key,
        node=columns.name(decision.row) if decision.row is not None else None,
        message=message,
        time=now,
        attempts=attempts,
        considered=columns.count,
        feasible=len(view.rows),
        names=tuple(columns.names[row] for row in rows.tolist()),
        totals=decision.total[shown],
        scores=tuple(_numbers(decision, shown)),
        refused=tuple(_refused(decision)) if decision.refused or view.crowded else (),
    )


def _numbers(decision: cycle.Decision, shown: Ints) -> Iterator[tuple[str, Ints, Ints, int]]:
    for name, (raw, normal, weight) in decision.scores.items():
        few = _shown(raw, shown)
        yield name, few, few if normal is raw else _shown(normal, shown), weight


def _best(decision: cycle.Decision) -> Ints:
    """Positions of the chosen row and of the best others."""
    count = len(decision.total)
    if decision.row is None or not count:
        return np.zeros(0, np.intp)
    if len(decision.best) >= SHOWN:
        others = decision.best[:SHOWN]
    elif count <= SHOWN:
        others = np.arange(count)
    else:
        others = np.argpartition(decision.total, count - SHOWN)[count - SHOWN :]
    chosen = decision.position
    return np.array([chosen, *(position for position in others.tolist() if position != chosen)])


def _shown(scores: Ints, positions: Ints) -> Ints:
    return scores[positions] if scores.ndim else scores


def _refused(decision: cycle.Decision) -> list[tuple[str, str, str]]:
    """(node, rule, reasons) of a sample of the refused rows."""
    columns = decision.view.columns
    told: list[tuple[str, str, str]] = []
    for rule, rows in decision.refused.items():
        sample = rows[: REFUSED_SHOWN - len(told)]
        if not len(sample):
            break
        told += _reasons(columns.names, rule.name, rule.refusals(decision.view, sample))
    for rule, refusal in decision.view.crowded:
        told += _reasons(columns.names, rule.name, [refusal])
    return told[:REFUSED_SHOWN]


def _reasons(names: Sequence[str], rule: str, refusals: Iterable[contract.Refusal]) -> Iterator[tuple[str, str, str]]:
    found: dict[int, list[str]] = {}
    for refusal in refusals:
        for row in refusal.rows.tolist():
            found.setdefault(row, []).append(refusal.reason)
    for row, reasons in found.items():
        yield names[row], rule, ", ".join(reasons)


def told(noted: Noted) -> Explanation:
    nodes = [_of_node(noted, position) for position in range(len(noted.names))]
    refused: list[Explanation] = [
        {"name": name, "filtered_by": rule, "message": reasons, "scores": {}, "total": None}
        for name, rule, reasons in noted.refused
    ]
    return {
        "pod": noted.pod,
        "node": noted.node,
        "message": noted.message,
        "time": noted.time,
        "attempts": noted.attempts,
        "nodesConsidered": noted.considered,
        "nodesFeasible": noted.feasible,
        "nodes": nodes[:1] + sorted(nodes[1:], key=lambda node: -node["total"]) + refused,
    }


def _of_node(noted: Noted, position: int) -> Explanation:
    scores = {}
    for rule, raw, normal, weight in noted.scores:
        share = int(normal[position] if normal.ndim else normal)
        scores[rule] = {
            "raw": int(raw[position] if raw.ndim else raw),
            "normalized": share,
            "weighted": share * weight,
        }
    return {
        "name": noted.names[position],
        "filtered_by": None,
        "message": "",
        "scores": scores,
        "total": int(noted.totals[position]),
    }


class History:
    """The last decision on each of the last pods, by ``namespace/name``."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._decisions: OrderedDict[str, Noted] = OrderedDict()

    def note(self, noted: Noted) -> None:
        self._decisions[noted.pod] = noted
        self._decisions.move_to_end(noted.pod)
        if len(self._decisions) > self._remembered:
            self._decisions.popitem(last=False)

    def of(self, key: str) -> Explanation | None:
        noted = self._decisions.get(key)
        return told(noted) if noted is not None else None
