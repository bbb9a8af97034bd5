"""What a rule is, and what it sees.

A filter gives a mask over all rows, a score gives numbers for the feasible rows; both may give None: the rule has
nothing to say of this pod. Numbers are normalized to 0–100, 100 being the best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from kijabi.api import labels
from kijabi.api.resource import Object
from kijabi.scheduler.columns import Columns, Ints, Mask
from kijabi.scheduler.podinfo import PodInfo
from kijabi.scheduler.tallies import Tallies

BEST = 100


@dataclass(slots=True)
class View:
    """One pod before all rows. ``rows`` are the feasible ones, once the filters have run.

    ``place_key`` stands for the pod's node selector, affinity and tolerations, so that rules that look at nothing else
    share what they computed between pods.
    """

    pod: PodInfo
    columns: Columns
    tallies: Tallies
    place_key: bytes
    namespace_labels: Callable[[str], Mapping[str, str]]
    default_selector: Callable[[Object], labels.Selector | None]
    rows: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


class Filter(Protocol):
    """``retry_on`` names the cluster events after which a pod refused by this rule may fit."""

    name: str
    retry_on: frozenset[str]

    def filter(self, view: View) -> Mask | None: ...

    def reasons(self, view: View, row: int) -> list[str]:
        """Why the row was refused, in upstream's words."""
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


def unchanged(view: View, scores: Ints) -> Ints:
    return scores
