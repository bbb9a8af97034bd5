"""NodeResourcesBalancedAllocation: cpu and memory of a node should fill up evenly.

The score is by how much the pod makes a node more even: 75 where it changes nothing, more where it helps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kijabi.scheduler.columns import CPU, MEMORY, Ints
from kijabi.scheduler.plugins import contract


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def score(self, view: contract.View) -> Ints | None:
        asked = np.array([view.pod.requests.get(CPU, 0), view.pod.requests.get(MEMORY, 0)], np.int64)
        if not asked.any():
            return None
        capacity = view.columns.allocatable[view.rows, :2]
        used = view.columns.used[view.rows, :2]
        gain = _evenness(used + asked, capacity) - _evenness(used, capacity)
        half = contract.BEST // 2
        # Go divides towards zero, numpy towards minus infinity; the sum is never negative, so they agree.
        scores: Ints = half + (half + gain) // 2
        return scores

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return scores


def _evenness(used: Ints, capacity: Ints) -> Ints:
    fractions: npt.NDArray[np.float64] = np.minimum(used / np.maximum(capacity, 1), 1.0)
    both = (capacity > 0).all(axis=1)
    deviation = np.where(both, np.abs(fractions[:, 0] - fractions[:, 1]) / 2, 0.0)
    even: Ints = ((1.0 - deviation) * contract.BEST).astype(np.int64)
    return even
