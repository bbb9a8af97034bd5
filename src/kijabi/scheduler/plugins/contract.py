"""What a rule is, and what it sees.

A filter gives a mask over all rows, a score gives numbers for the feasible rows; both may give None: the rule has
nothing to say of this pod. Numbers are normalized to 0–100, 100 being the best. A score that is the same for every row
may be given as one number (an array without dimensions).

Rules look at a pod's shape, never at the pod: what they found out about one is remembered for all of its shape.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from kijabi.api import labels
from kijabi.scheduler.columns import Columns, Ints, Mask
from kijabi.scheduler.podinfo import NamespaceLabels, PodInfo, Shape
from kijabi.scheduler.tallies import Tallies

BEST = 100
# The same nothing, and the same best, for every row.
ZERO: Ints = np.zeros((), np.int64)
MOST: Ints = np.full((), BEST)

DefaultSelector = Callable[[PodInfo], labels.Selector | None]


@dataclass(slots=True)
class View:
    """One pod before all rows. ``rows`` are the feasible ones, once the filters have run.

    ``span`` picks the same rows out of an array (a slice where they lie side by side: that copies nothing), ``common``
    stands for the set of rows where it depends on the nodes and the place alone, and is None otherwise.
    """

    pod: PodInfo
    columns: Columns
    tallies: Tallies
    namespace_labels: NamespaceLabels
    default_selector: DefaultSelector
    rows: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    span: slice | Ints = field(default_factory=lambda: slice(0, 0))
    common: Hashable | None = None
    # Refusals for the sake of pods that room is being made for, with the reasons that their coming would give.
    crowded: list[tuple[Filter, Refusal]] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        return self.pod.shape

    def take(self, values: Ints) -> Ints:
        """Of values for all rows those of the feasible ones."""
        return values[self.span]


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """Why rows were refused, in upstream's words. ``hopeless``: no pod's leaving would change it."""

    reason: str
    rows: Ints
    hopeless: bool = False


class Filter(Protocol):
    """``retry_on`` names the cluster events after which a pod refused by this rule may fit. A ``lasting`` rule looks
    at nothing but a node and the pod's place (node name, selector, affinity, tolerations)."""

    name: str
    retry_on: frozenset[str]
    lasting: bool

    def filter(self, view: View) -> Mask | None: ...

    def refusals(self, view: View, rows: Ints) -> Iterable[Refusal]:
        """Why each of ``rows`` was refused; a row may be in several."""
        ...


class Score(Protocol):
    name: str

    def score(self, view: View) -> Ints | None:
        """A number for each of ``view.rows``."""
        ...

    def normalize(self, view: View, scores: Ints) -> Ints: ...


# Cluster events, as queueing hints name them.
NODE_ADDED, NODE_CHANGED, POD_GONE, POD_PLACED, POD_CHANGED = (
    "NodeAdd", "NodeUpdate", "AssignedPodDelete", "AssignedPodAdd", "PodUpdate",
)  # fmt: skip


def share(scores: Ints, *, reverse: bool = False) -> Ints:
    """The default normalization: each number's share of the largest, times 100; reversed where less is better."""
    largest = int(scores.max(initial=0))
    if largest == 0:
        return np.full_like(scores, BEST) if reverse else scores
    shares: Ints = scores * BEST // largest
    return BEST - shares if reverse else shares
