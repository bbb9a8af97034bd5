"""How many pods of each kind are on each row, for the rules that look at other pods.

A tally is a column that counts the placed pods for which a test holds, and its sums per domain of a label. It is filled
once, when first asked for, and from then on each placement or removal moves one number in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from kijabi.scheduler.columns import Columns, Domains, Ints
from kijabi.scheduler.podinfo import NamespaceLabels, PodInfo, Shape, Term

KEPT = 1024
# Divisions of the nodes that one tally keeps sums for.
DIVISIONS = 16

ANTI, AFFINITY, PREFERRED = "anti", "affinity", "preferred"


@dataclass(slots=True)
class Tally:
    """``counts`` is per row; not to be written to."""

    counts: Ints
    _sums: OrderedDict[Hashable, tuple[Domains, Ints]] = field(default_factory=OrderedDict)

    def per_domain(self, key: Hashable, domains: Domains) -> Ints:
        """The sums per domain, with a zero at the end for rows without one. ``key`` names the division."""
        known = self._sums.get(key)
        if known is None or known[0] is not domains:
            known = self._sums[key] = (domains, domains.sums(self.counts))
            if len(self._sums) > DIVISIONS:
                self._sums.popitem(last=False)
        return known[1]

    def move(self, row: int, amount: int) -> None:
        self.counts[row] += amount
        for domains, sums in self._sums.values():
            # Sums from before the columns grew or a node came are made anew when next asked for.
            if row < len(domains.numbers):
                number = domains.numbers[row]
                if number >= 0:
                    sums[number] += amount

    def lengthen(self, size: int) -> None:
        missing = size - len(self.counts)
        if missing:
            self.counts = np.concatenate([self.counts, np.zeros(missing, np.int64)])


@dataclass(slots=True)
class Carriers:
    """Placed pods that carry one affinity term: how many on each row."""

    term: Term
    weight: int
    tally: Tally
    total: int = 0


class Tallies:
    """All tallies over one set of columns. ``place`` and ``remove`` must be told of every pod."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._tallies: OrderedDict[Hashable, tuple[Tally, Callable[[PodInfo], bool]]] = OrderedDict()
        # Kind of term -> term and weight -> where its carriers are.
        self._carriers: dict[str, dict[Hashable, Carriers]] = {ANTI: {}, AFFINITY: {}, PREFERRED: {}}
        # Tests look at nothing but a pod's shape and whether it is on its way out: what they said is remembered.
        self._counted_in: OrderedDict[tuple[Shape, bool], list[Tally]] = OrderedDict()
        self._carried_for: OrderedDict[tuple[str, Shape], list[Carriers]] = OrderedDict()

    def of(self, key: Hashable, holds: Callable[[PodInfo], bool]) -> Tally:
        """Counts the pods for which ``holds``. ``key`` must stand for exactly that test, and the test may look at
        nothing but a pod's shape and whether it is terminating."""
        known = self._tallies.get(key)
        if known is not None:
            known[0].lengthen(self._columns.size)
            return known[0]
        tally = Tally(np.zeros(self._columns.size, np.int64))
        for row, pods in enumerate(self._columns.pods):
            if pods:
                tally.counts[row] = sum(map(holds, pods.values()))
        self._tallies[key] = (tally, holds)
        if len(self._tallies) > KEPT:
            self._tallies.popitem(last=False)
        self._counted_in.clear()
        return tally

    def carriers(self, kind: str, pod: PodInfo, namespace_labels: NamespaceLabels) -> list[Carriers]:
        """Where placed pods are that have a term of this kind which takes ``pod``."""
        if not self._carriers[kind]:
            return []
        key = (kind, pod.shape)
        found = self._carried_for.get(key)
        if found is None:
            found = [
                carriers
                for carriers in self._carriers[kind].values()
                if carriers.term.matches(pod.shape, namespace_labels)
            ]
            self._carried_for[key] = found
            if len(self._carried_for) > KEPT:
                self._carried_for.popitem(last=False)
        for carriers in found:
            carriers.tally.lengthen(self._columns.size)
        return found

    def place(self, row: int, pod: PodInfo) -> None:
        self._move(row, pod, 1)

    def remove(self, row: int, pod: PodInfo) -> None:
        self._move(row, pod, -1)

    def forget(self) -> None:
        """What the tests depend on beside pods (namespace labels) has changed: count anew when next asked."""
        self._tallies.clear()
        self._counted_in.clear()
        self._carried_for.clear()

    def _move(self, row: int, pod: PodInfo, sign: int) -> None:
        size = self._columns.size
        for tally in self._counting(pod):
            tally.lengthen(size)
            tally.move(row, sign)
        shape = pod.shape
        for term in shape.anti_affinity:
            self._carry(ANTI, term, 1, row, sign)
        for term in shape.affinity:
            self._carry(AFFINITY, term, 1, row, sign)
        for weighted in shape.preferred:
            self._carry(PREFERRED, weighted.term, weighted.weight, row, sign)

    def _counting(self, pod: PodInfo) -> list[Tally]:
        key = (pod.shape, pod.terminating)
        found = self._counted_in.get(key)
        if found is None:
            found = self._counted_in[key] = [tally for tally, holds in self._tallies.values() if holds(pod)]
            if len(self._counted_in) > KEPT:
                self._counted_in.popitem(last=False)
        return found

    def _carry(self, kind: str, term: Term, weight: int, row: int, sign: int) -> None:
        known = self._carriers[kind]
        carriers = known.get((term, weight))
        if carriers is None:
            carriers = known[term, weight] = Carriers(term, weight, Tally(np.zeros(self._columns.size, np.int64)))
            self._carried_for.clear()
        carriers.tally.lengthen(self._columns.size)
        carriers.tally.move(row, sign)
        carriers.total += sign
        if not carriers.total:
            del known[term, weight]
            self._carried_for.clear()
