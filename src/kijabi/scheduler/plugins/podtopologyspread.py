"""PodTopologySpread: pods of a kind are spread over zones, nodes or whatever a label divides nodes into.

Hard constraints refuse rows whose domain would have more than ``maxSkew`` pods above the emptiest; soft ones score.
A pod without constraints of its own is spread with those of its Service and owner, softly (upstream's system default).
Source: "Pod Topology Spread Constraints"; KEP-895, KEP-3094 (node inclusion policies).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kijabi.api import labels
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract, nodeaffinity, tainttoleration
from kijabi.scheduler.podinfo import PodInfo, Spread

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))


class PodTopologySpread:
    name = "PodTopologySpread"
    retry_on = frozenset(
        {contract.NODE_ADDED, contract.NODE_CHANGED, contract.POD_GONE, contract.POD_PLACED, contract.POD_CHANGED}
    )

    def filter(self, view: contract.View) -> Mask | None:
        hard = [spread for spread in view.pod.spreads if spread.hard]
        if not hard:
            return None
        labelled = _has_all(view, hard)
        mask = labelled.copy()
        for spread in hard:
            mask &= self._within_skew(view, spread, labelled)
        return mask

    @staticmethod
    def _within_skew(view: contract.View, spread: Spread, labelled: Mask) -> Mask:
        domains = view.columns.domains(spread.topology_key)
        eligible = _eligible(view, spread) & labelled & view.columns.alive
        size = view.columns.domain_count(spread.topology_key)
        rows = np.nonzero(eligible)[0]
        matching = matching_pods(view, spread.selector)
        counts = np.bincount(domains[rows], weights=matching[rows], minlength=size).astype(np.int64)
        present = np.bincount(domains[rows], minlength=size) > 0
        emptiest = int(counts[present].min(initial=2**31)) if present.any() else 0
        if int(present.sum()) < spread.min_domains:
            emptiest = 0
        itself = int(spread.selector.matches(view.pod.labels))
        within: Mask = np.zeros(view.columns.size, np.bool_)
        known = domains >= 0
        within[known] = counts[domains[known]] + itself - emptiest <= spread.max_skew
        return within

    def reasons(self, view: contract.View, row: int) -> list[str]:
        hard = [spread for spread in view.pod.spreads if spread.hard]
        if not _has_all(view, hard)[row]:
            return ["node(s) didn't match pod topology spread constraints (missing required label)"]
        return ["node(s) didn't match pod topology spread constraints"]

    def score(self, view: contract.View) -> Ints | None:
        spreads, all_labels_needed = self._soft(view)
        if not spreads:
            return None
        rows = view.rows
        counted = _has_all(view, spreads) if all_labels_needed else np.ones(view.columns.size, np.bool_)
        total = np.zeros(len(rows), np.float64)
        for spread in spreads:
            total += self._weighed(view, spread, counted)
        scores: Ints = np.rint(total).astype(np.int64)
        scores[~counted[rows]] = -1
        return scores

    @staticmethod
    def _weighed(view: contract.View, spread: Spread, counted: Mask) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """For each feasible row the pods of its domain, weighed by how many domains there are."""
        rows = view.rows
        domains = view.columns.domains(spread.topology_key)
        matching = matching_pods(view, spread.selector)
        here = domains[rows]
        if spread.topology_key == HOSTNAME:
            number, found = int(counted[rows].sum()), matching[rows]
        else:
            size = view.columns.domain_count(spread.topology_key)
            among = rows[counted[rows] & (here >= 0)]
            candidates = np.bincount(domains[among], minlength=size) > 0
            number = int(candidates.sum())
            every = np.nonzero(_eligible(view, spread) & counted & view.columns.alive & (domains >= 0))[0]
            per_domain = np.bincount(domains[every], weights=matching[every], minlength=size)
            found = np.where(here >= 0, per_domain[np.maximum(here, 0)] if size else 0, 0)
        weighed = found * np.log(number + 2) + (spread.max_skew - 1)
        return np.where(here >= 0, weighed, 0.0)

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        valid = scores >= 0
        if not valid.any():
            return np.zeros_like(scores)
        largest, least = int(scores[valid].max()), int(scores[valid].min())
        if largest == 0:
            return np.where(valid, contract.BEST, 0)
        return np.where(valid, contract.BEST * (largest + least - scores) // largest, 0)

    @staticmethod
    def _soft(view: contract.View) -> tuple[Sequence[Spread], bool]:
        """The soft constraints, and whether rows that lack one of their labels are left out."""
        if view.pod.spreads:
            return [spread for spread in view.pod.spreads if not spread.hard], True
        selector = view.default_selector(view.pod.object)
        if selector is None or selector.everything:
            return [], False
        return [Spread(key, skew, selector, 1, False, True, False) for key, skew in _DEFAULTS], False


def matching_pods(view: contract.View, selector: labels.Selector) -> Ints:
    """Per row the pods of the pod's namespace that the selector takes; those on their way out do not count."""
    namespace = view.pod.namespace
    if selector.everything or selector.nothing:
        return np.zeros(view.columns.size, np.int64)

    def holds(other: PodInfo) -> bool:
        return other.namespace == namespace and not other.terminating and selector.matches(other.labels)

    return view.tallies.of(("spread", namespace, selector), holds)


def _has_all(view: contract.View, spreads: Sequence[Spread]) -> Mask:
    mask = np.ones(view.columns.size, np.bool_)
    for spread in spreads:
        mask &= view.columns.domains(spread.topology_key) >= 0
    return mask


def _eligible(view: contract.View, spread: Spread) -> Mask:
    """Rows whose pods and domain count at all, by the constraint's inclusion policies."""
    mask = np.ones(view.columns.size, np.bool_)
    if spread.honor_affinity:
        mask &= nodeaffinity.fitting(view) != 0
    if spread.honor_taints:
        tolerated = tainttoleration.TaintToleration().filter(view)
        if tolerated is not None:
            mask &= tolerated
    return mask
