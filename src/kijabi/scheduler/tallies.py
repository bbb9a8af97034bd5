"""How many pods of each kind are on each row, for the rules that look at other pods.

A tally is a column that counts the placed pods for which a test holds. It is filled once, when first asked for, and
from then on each placement or removal moves one number in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from kijabi.scheduler.columns import Columns, Ints
from kijabi.scheduler.podinfo import PodInfo, Term

KEPT = 1024


@dataclass(slots=True)
class _Tally:
    counts: Ints
    holds: Callable[[PodInfo], bool]


@dataclass(slots=True)
class Carriers:
    """Placed pods that carry one affinity term: how many on each row."""

    term: Term
    weight: int
    counts: Ints
    total: int = 0


class Tallies:
    """All tallies over one set of columns. ``place`` and ``remove`` must be told of every pod."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._tallies: OrderedDict[Hashable, _Tally] = OrderedDict()
        # Kind of term ("anti", "affinity", "preferred") -> term and weight -> where its carriers are.
        self.carriers: dict[str, dict[Hashable, Carriers]] = {"anti": {}, "affinity": {}, "preferred": {}}

    def of(self, key: Hashable, holds: Callable[[PodInfo], bool]) -> Ints:
        """The pods for which ``holds``, per row. ``key`` must stand for exactly that test. Not to be written to."""
        tally = self._tallies.get(key)
        if tally is None:
            tally = _Tally(np.zeros(self._columns.size, np.int64), holds)
            for row, pods in enumerate(self._columns.pods):
                tally.counts[row] = sum(map(holds, pods.values()))
            self._tallies[key] = tally
            if len(self._tallies) > KEPT:
                self._tallies.popitem(last=False)
        else:
            self._tallies.move_to_end(key)
            tally.counts = _lengthened(tally.counts, self._columns.size)
        return tally.counts

    def place(self, row: int, pod: PodInfo) -> None:
        self._move(row, pod, 1)

    def remove(self, row: int, pod: PodInfo) -> None:
        self._move(row, pod, -1)

    def forget(self) -> None:
        """What the tests depend on beside pods (namespace labels) has changed: count anew when next asked."""
        self._tallies.clear()

    def _move(self, row: int, pod: PodInfo, sign: int) -> None:
        for tally in self._tallies.values():
            if tally.holds(pod):
                tally.counts = _lengthened(tally.counts, self._columns.size)
                tally.counts[row] += sign
        for term in pod.anti_affinity:
            self._carry("anti", term, 1, row, sign)
        for term in pod.affinity:
            self._carry("affinity", term, 1, row, sign)
        for weighted in pod.preferred:
            self._carry("preferred", weighted.term, weighted.weight, row, sign)

    def _carry(self, kind: str, term: Term, weight: int, row: int, sign: int) -> None:
        known = self.carriers[kind]
        carriers = known.get((term, weight))
        if carriers is None:
            carriers = known[term, weight] = Carriers(term, weight, np.zeros(self._columns.size, np.int64))
        carriers.counts = _lengthened(carriers.counts, self._columns.size)
        carriers.counts[row] += sign
        carriers.total += sign
        if not carriers.total:
            del known[term, weight]


def _lengthened(counts: Ints, size: int) -> Ints:
    missing = size - len(counts)
    return np.concatenate([counts, np.zeros(missing, np.int64)]) if missing else counts
