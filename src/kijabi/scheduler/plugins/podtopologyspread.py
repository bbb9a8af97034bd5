"""PodTopologySpread: pods of a kind are spread over zones, nodes or whatever a label divides nodes into.

Hard constraints refuse rows whose domain would have more than ``maxSkew`` pods above the emptiest; soft ones score.
A pod without constraints of its own gets the profile's; upstream's system default spreads it softly with those of its
Services and owner.
Source: "Pod Topology Spread Constraints"; KEP-895, KEP-3094 (node inclusion policies).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kijabi.api import labels
from kijabi.scheduler.columns import Domains, Ints, Mask
from kijabi.scheduler.plugins import contract, nodeaffinity, tainttoleration
from kijabi.scheduler.podinfo import PodInfo, Spread
from kijabi.scheduler.tallies import Tally

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
SYSTEM_DEFAULTS = tuple(
    Spread(key, skew, labels.NOTHING, 1, hard=False, honor_affinity=True, honor_taints=False)
    for key, skew in ((HOSTNAME, 3), (ZONE, 5))
)

NO_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"
TOO_SKEWED = "node(s) didn't match pod topology spread constraints"


class PodTopologySpread:
    """``defaults`` are for pods without constraints; their selector is found per pod. ``lenient``: a node that lacks
    a label of a default constraint is scored by the others (so with the system's defaults alone)."""

    name = "PodTopologySpread"
    retry_on = frozenset(
        {contract.NODE_ADDED, contract.NODE_CHANGED, contract.POD_GONE, contract.POD_PLACED, contract.POD_CHANGED}
    )
    lasting = False

    def __init__(self, defaults: tuple[Spread, ...] = SYSTEM_DEFAULTS, *, lenient: bool = True) -> None:
        self._defaults = defaults
        self._lenient = lenient
        self._default_kinds = {default.hard for default in defaults}
        self._with_selector = functools.lru_cache(maxsize=1024)(self._defaults_with)

    def _constraints(self, view: contract.View, *, hard: bool) -> Sequence[Spread]:
        own = view.shape.spreads
        if own:
            return [spread for spread in own if spread.hard == hard]
        if hard not in self._default_kinds:
            return ()
        selector = view.default_selector(view.pod)
        if selector is None or selector.everything:
            return ()
        return self._with_selector(selector, hard)

    def _defaults_with(self, selector: labels.Selector, hard: bool) -> tuple[Spread, ...]:
        return tuple(dataclasses.replace(each, selector=selector) for each in self._defaults if each.hard == hard)

    def filter(self, view: contract.View) -> Mask | None:
        hard = self._constraints(view, hard=True)
        if not hard:
            return None
        return np.asarray(np.logical_and.reduce([_within_skew(view, spread, hard) for spread in hard]))

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        hard = self._constraints(view, hard=True)
        for spread in hard:
            # The first constraint that a row does not meet is the one that is told.
            lacking = view.columns.domains(spread.topology_key)[rows] < 0
            yield contract.Refusal(NO_LABEL, rows[lacking], hopeless=True)
            rows = rows[~lacking]
            skewed = ~_within_skew(view, spread, hard)[rows]
            yield contract.Refusal(TOO_SKEWED, rows[skewed])
            rows = rows[~skewed]

    def score(self, view: contract.View) -> Ints | None:
        soft = self._constraints(view, hard=False)
        if not soft:
            return None
        strict = bool(view.shape.spreads) or not self._lenient
        counted = _counted(view, soft) if strict else None
        needed = soft if strict else ()
        tally = matching_pods(view, soft[0].selector)
        total = _weighed(view, soft[0], tally, needed, counted)
        for before, spread in itertools.pairwise(soft):
            # Default constraints share one selector.
            if spread.selector is not before.selector:
                tally = matching_pods(view, spread.selector)
            total += _weighed(view, spread, tally, needed, counted)
        scores: Ints = np.rint(total, out=total).astype(np.int64)
        if counted is not None:
            scores[~counted] = -1
        return scores

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        largest, least = int(scores.max()), int(scores.min())
        if least >= 0:
            if largest == 0:
                return np.full_like(scores, contract.BEST)
            shares: Ints = contract.BEST * (largest + least - scores) // largest
            return shares
        # Rows below zero lack a label: they are left out and get nothing.
        valid = scores >= 0
        if not valid.any():
            return np.zeros_like(scores)
        least = int(scores[valid].min())
        if largest == 0:
            return np.where(valid, contract.BEST, 0)
        return np.where(valid, contract.BEST * (largest + least - scores) // largest, 0)


def _within_skew(view: contract.View, spread: Spread, hard: Sequence[Spread]) -> Mask:
    """Rows that have the label, and where one more pod would not be too many."""
    key, domains = _division(view, spread, hard)
    sums = matching_pods(view, spread.selector).per_domain(key, domains)
    present = view.columns.whole((*key, "present"), lambda: np.unique(domains.numbers[domains.numbers >= 0]))
    emptiest = int(sums[present].min()) if len(present) >= spread.min_domains else 0
    itself = int(spread.selector.matches(view.shape.labels))
    allowed = sums + itself - emptiest <= spread.max_skew
    everywhere = view.columns.topology(spread.topology_key)
    # Nodes that do not count may be in domains that nobody counts in: those are empty.
    numbers = everywhere.numbers
    within: Mask = allowed[numbers]
    within &= numbers >= 0
    return within


def _counted(view: contract.View, soft: Sequence[Spread]) -> Mask | None:
    """Of the feasible rows those that have all labels; None where all do."""
    mask = np.logical_and.reduce([view.columns.domains(spread.topology_key) >= 0 for spread in soft])
    taken: Mask = mask[view.rows]
    return None if taken.all() else taken


def _weighed(
    view: contract.View, spread: Spread, tally: Tally, needed: Sequence[Spread], counted: Mask | None
) -> npt.NDArray[np.floating[Any]]:
    """For each feasible row the pods of its domain, weighed by how many domains there are. 0 without the label."""
    topology = view.columns.topology(spread.topology_key)
    here = view.take(topology.numbers)
    extra = float(spread.max_skew - 1)
    if spread.topology_key == HOSTNAME:
        number = len(view.rows) if counted is None else int(np.count_nonzero(counted))
        weighed: npt.NDArray[np.floating[Any]] = view.take(tally.counts) * math.log(number + 2)
        weighed += extra
        if _some_lack(view, spread.topology_key):
            weighed[here < 0] = 0.0
        return weighed
    key, division = _division(view, spread, needed)
    number = _domains_among(view, spread.topology_key, here, needed, counted)
    per_domain: npt.NDArray[np.floating[Any]] = tally.per_domain(key, division) * math.log(number + 2) + extra
    per_domain[-1] = 0.0
    return per_domain[here]


def _some_lack(view: contract.View, topology_key: str) -> bool:
    columns = view.columns
    return columns.whole(
        ("lacking", topology_key), lambda: bool((columns.domains(topology_key)[columns.alive] < 0).any())
    )


def _domains_among(
    view: contract.View, topology_key: str, here: Ints, needed: Sequence[Spread], counted: Mask | None
) -> int:
    """How many domains the feasible rows that count are in. Having no label counts as one more, as upstream has it."""

    def number() -> int:
        return len(np.unique(here if counted is None else here[counted]))

    if view.common is None:
        return number()
    labels_needed = tuple(each.topology_key for each in needed)
    return view.columns.whole(("domains among", view.common, topology_key, labels_needed), number)


def matching_pods(view: contract.View, selector: labels.Selector) -> Tally:
    """The pods of the pod's namespace that the selector takes; those on their way out do not count."""
    namespace = view.shape.namespace
    return view.tallies.of(("spread", namespace, selector), _test(namespace, selector))


def _test(namespace: str, selector: labels.Selector) -> Callable[[PodInfo], bool]:
    # An empty selector counts nobody here, unlike anywhere else.
    if selector.everything or selector.nothing:
        return lambda other: False
    return lambda other: (
        not other.terminating and other.shape.namespace == namespace and selector.matches(other.shape.labels)
    )


def _division(
    view: contract.View, spread: Spread, needed: Sequence[Spread]
) -> tuple[tuple[str | bytes | bool | tuple[str, ...], ...], Domains]:
    """The domains of a constraint with the nodes that count: those that have all ``needed`` labels and that the
    constraint's inclusion policies let in."""
    honor_affinity = spread.honor_affinity and nodeaffinity.restricted(view)
    place = view.shape.place_key if honor_affinity or spread.honor_taints else b""
    all_keys = tuple(each.topology_key for each in needed)
    key = ("division", spread.topology_key, all_keys, honor_affinity, spread.honor_taints, place)

    def made() -> Domains:
        columns = view.columns
        numbers = columns.topology(spread.topology_key).numbers.copy()
        for other in all_keys:
            numbers[columns.domains(other) < 0] = -1
        if honor_affinity:
            numbers[nodeaffinity.fitting(view) == 0] = -1
        if spread.honor_taints:
            numbers[~tainttoleration.tolerated(view)] = -1
        return Domains(numbers, columns.domain_count(spread.topology_key))

    return key, view.columns.whole(key, made)
