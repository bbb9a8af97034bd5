"""NodeResourcesFit: what a pod asks for must be free; and the less of a node is taken, the better (LeastAllocated)."""

from __future__ import annotations

import numpy as np

from kijabi.scheduler.columns import PODS, Ints, Mask
from kijabi.scheduler.plugins import contract


class NodeResourcesFit:
    name = "NodeResourcesFit"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED, contract.POD_GONE, contract.POD_CHANGED})

    def filter(self, view: contract.View) -> Mask | None:
        columns = view.columns
        used, allocatable = columns.used, columns.allocatable
        pods = columns.resources[PODS]
        mask: Mask = used[:, pods] + 1 <= allocatable[:, pods]
        for _, column, amount in columns.wanted(view.pod.requests):
            # ``columns.wanted`` may have made a column, so the arrays are read anew.
            mask &= columns.used[:, column] + amount <= columns.allocatable[:, column]
        return mask

    def reasons(self, view: contract.View, row: int) -> list[str]:
        columns = view.columns
        pods = columns.resources[PODS]
        found = ["Too many pods"] if columns.used[row, pods] + 1 > columns.allocatable[row, pods] else []
        for resource, column, amount in columns.wanted(view.pod.requests):
            if columns.used[row, column] + amount > columns.allocatable[row, column]:
                found.append(f"Insufficient {resource}")
        return found

    def score(self, view: contract.View) -> Ints | None:
        """The mean, over cpu and memory, of the percentage that stays free. Containers count with their defaults."""
        capacity = view.columns.allocatable[view.rows, :2]
        taken = view.columns.reckoned[view.rows] + np.array(view.pod.reckoned, np.int64)
        free = np.maximum(capacity - taken, 0) * contract.BEST // np.maximum(capacity, 1)
        counted = (capacity > 0).sum(axis=1)
        mean: Ints = free.sum(axis=1) // np.maximum(counted, 1)
        return mean

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return scores
