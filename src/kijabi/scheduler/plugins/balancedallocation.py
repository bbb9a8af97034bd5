"""NodeResourcesBalancedAllocation: the resources of a node should fill up evenly.

The score is by how much the pod makes a node more even: 75 where it changes nothing, more where it helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kijabi.scheduler.columns import CPU, MEMORY, Arithmetic, Columns, Ints
from kijabi.scheduler.plugins import contract, noderesourcesfit


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def __init__(self, resources: tuple[str, ...] = (CPU, MEMORY)) -> None:
        self._resources = resources

    def score(self, view: contract.View) -> Ints | None:
        columns = view.columns
        asked = tuple(noderesourcesfit.amount_of(view.shape, name, reckoned=False) for name in self._resources)
        if not any(asked):
            # Pods that ask for nothing would all go to the one node that is the least even.
            return None
        counted = [
            (columns.resources[name], amount)
            for name, amount in zip(self._resources, asked, strict=True)
            if name in columns.resources and (amount or not noderesourcesfit.is_scalar(name))
        ]

        def scores(rows: Any, arithmetic: Arithmetic) -> Any:
            after = _evenness(columns, counted, rows, arithmetic)
            before = _evenness(columns, [(column, 0) for column, _ in counted], rows, arithmetic)
            # Go divides towards zero, Python towards minus infinity; the sum is never negative, so they agree.
            return contract.BEST // 2 + (contract.BEST // 2 + after - before) // 2

        return view.take(columns.loaded(("balanced", self._resources, asked), scores))

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return scores


def _evenness(columns: Columns, counted: Sequence[tuple[int, int]], rows: Any, arithmetic: Arithmetic) -> Any:
    """100 less the standard deviation of the fractions in use, over the resources that a node has."""
    fractions, having = [], []
    for column, amount in counted:
        capacity = arithmetic.pick(columns.allocatable, column, rows)
        has = capacity > 0
        taken = (arithmetic.pick(columns.used, column, rows) + amount) / arithmetic.maximum(capacity, 1)
        having.append(has)
        fractions.append(arithmetic.minimum(taken, 1.0) * has)
    if len(fractions) == 2:
        deviation = abs(fractions[0] - fractions[1]) / 2 * (having[0] & having[1])
    else:
        number = arithmetic.maximum(sum(has * 1 for has in having), 1)
        mean = sum(fractions) / number
        squares = [(fraction - mean) ** 2 * has for fraction, has in zip(fractions, having, strict=True)]
        deviation = (sum(squares) / number) ** 0.5
    return arithmetic.whole((1.0 - deviation) * contract.BEST)
