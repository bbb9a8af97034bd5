"""Why a pod went where it did: the last decision on each pod, in a form to print.

``{pod, node, message, time, attempts, nodes: [{name, filtered_by, message, scores: {rule: {raw, normalized, weighted}},
total}]}``: the chosen node first, then the others by total, then those that were refused.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from kijabi.scheduler import cycle

REMEMBERED = 10_000
# Nodes told of in full: in a large cluster the best and a sample of the refused say enough.
SHOWN = 50

Explanation = dict[str, Any]


def explain(decision: cycle.Decision, now: float, attempts: int) -> Explanation:
    view = decision.view
    columns = view.columns
    made: Explanation = {
        "pod": view.pod.key,
        "node": columns.name(decision.row) if decision.row is not None else None,
        "message": "" if decision.row is not None else cycle.message(decision),
        "time": now,
        "attempts": attempts,
        "nodesConsidered": columns.count,
        "nodesFeasible": len(view.rows),
        "nodes": [],
    }
    order = np.argsort(-decision.total, kind="stable")[:SHOWN].tolist() if len(view.rows) else []
    order.sort(key=lambda position: view.rows[position] != decision.row)
    for position in order:
        scores = decision.of_row(position)
        made["nodes"].append(
            {
                "name": columns.name(int(view.rows[position])),
                "filtered_by": None,
                "message": "",
                "scores": {
                    name: {"raw": score.raw, "normalized": score.normalized, "weighted": score.weighted}
                    for name, score in scores.items()
                },
                "total": int(decision.total[position]),
            }
        )
    made["nodes"] += _refused(decision, SHOWN)
    return made


def _refused(decision: cycle.Decision, limit: int) -> list[Explanation]:
    columns = decision.view.columns
    told: list[Explanation] = []
    for rule, rows in decision.refusals.items():
        for row in rows[: limit - len(told)].tolist():
            reasons = rule.reasons(decision.view, row)
            told.append(
                {
                    "name": columns.name(row),
                    "filtered_by": rule.name,
                    "message": ", ".join(reasons),
                    "scores": {},
                    "total": None,
                }
            )
    return told


class History:
    """The last decision on each of the last pods, by ``namespace/name``."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._decisions: OrderedDict[str, Explanation] = OrderedDict()

    def note(self, explanation: Explanation) -> None:
        key = explanation["pod"]
        self._decisions[key] = explanation
        self._decisions.move_to_end(key)
        if len(self._decisions) > self._remembered:
            self._decisions.popitem(last=False)

    def of(self, key: str) -> Explanation | None:
        return self._decisions.get(key)
