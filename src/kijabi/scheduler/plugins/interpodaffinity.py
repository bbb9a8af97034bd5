"""InterPodAffinity: near to some pods, away from others; and what placed pods want of newcomers.

Source: "Inter-pod affinity and anti-affinity". A placed pod's required affinity counts softly for a newcomer that
matches it (weight 1, upstream's default for ``hardPodAffinityWeight``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo, Term

HARD_WEIGHT = 1


class InterPodAffinity:
    name = "InterPodAffinity"
    retry_on = frozenset(
        {contract.NODE_ADDED, contract.NODE_CHANGED, contract.POD_GONE, contract.POD_PLACED, contract.POD_CHANGED}
    )

    def filter(self, view: contract.View) -> Mask | None:
        masks = [mask for mask in (self._near(view), self._away(view), self._repelled(view)) if mask is not None]
        return np.asarray(np.logical_and.reduce(masks)) if masks else None

    def reasons(self, view: contract.View, row: int) -> list[str]:
        # In upstream's order: what the pod needs, what it shuns, what others shun.
        near = self._near(view)
        if near is not None and not near[row]:
            return ["node(s) didn't match pod affinity rules"]
        away = self._away(view)
        if away is not None and not away[row]:
            return ["node(s) didn't match pod anti-affinity rules"]
        return ["node(s) didn't satisfy existing pods anti-affinity rules"]

    @staticmethod
    def _near(view: contract.View) -> Mask | None:
        """Rows in whose domains there is a pod that all required terms take."""
        terms = view.pod.affinity
        if not terms:
            return None
        # Upstream counts a placed pod only if every term takes it.
        matching = view.tallies.of(("affinity", terms), lambda other: _all_match(terms, other, view))
        masks = [_domain_has(view, term.topology_key, matching) for term in terms]
        near: Mask = np.logical_and.reduce(masks)
        if not matching.any() and _all_match(terms, view.pod, view):
            # The first of a group that wants its own kind near: anywhere that has the labels.
            near = np.logical_and.reduce([view.columns.domains(term.topology_key) >= 0 for term in terms])
        return near

    @staticmethod
    def _away(view: contract.View) -> Mask | None:
        if not view.pod.anti_affinity:
            return None
        masks = [~_domain_has(view, term.topology_key, _matching(view, term)) for term in view.pod.anti_affinity]
        return np.asarray(np.logical_and.reduce(masks))

    @staticmethod
    def _repelled(view: contract.View) -> Mask | None:
        """Rows in whose domains no placed pod shuns this one."""
        masks = [
            ~_domain_has(view, carriers.term.topology_key, carriers.counts)
            for carriers in view.tallies.carriers["anti"].values()
            if carriers.term.matches(view.pod, view.namespace_labels)
        ]
        return np.asarray(np.logical_and.reduce(masks)) if masks else None

    def score(self, view: contract.View) -> Ints | None:
        parts = list(self._parts(view))
        if not parts:
            return None
        total = np.zeros(view.columns.size, np.int64)
        for topology_key, counts, weight in parts:
            total += weight * _in_domain(view, topology_key, counts)
        return total[view.rows] if total.any() else None

    @staticmethod
    def _parts(view: contract.View) -> Iterable[tuple[str, Ints, int]]:
        for weighted in view.pod.preferred:
            yield weighted.term.topology_key, _matching(view, weighted.term), weighted.weight
        for carriers in view.tallies.carriers["preferred"].values():
            if carriers.term.matches(view.pod, view.namespace_labels):
                yield carriers.term.topology_key, carriers.counts, carriers.weight
        for carriers in view.tallies.carriers["affinity"].values():
            if carriers.term.matches(view.pod, view.namespace_labels):
                yield carriers.term.topology_key, carriers.counts, HARD_WEIGHT

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        least, spread = int(scores.min()), int(scores.max() - scores.min())
        if not spread:
            return np.zeros_like(scores)
        return (contract.BEST * (scores - least) / spread).astype(np.int64)


def _all_match(terms: Iterable[Term], pod: PodInfo, view: contract.View) -> bool:
    return all(term.matches(pod, view.namespace_labels) for term in terms)


def _matching(view: contract.View, term: Term) -> Ints:
    return view.tallies.of(("term", term), lambda other: term.matches(other, view.namespace_labels))


def _in_domain(view: contract.View, topology_key: str, counts: Ints) -> Ints:
    """Per row the sum of ``counts`` over the row's domain; 0 where the row has none."""
    domains = view.columns.domains(topology_key)
    size = view.columns.domain_count(topology_key)
    known = (domains >= 0) & view.columns.alive
    if not size:
        return np.zeros_like(counts)
    if len(counts) < len(domains):
        counts = np.concatenate([counts, np.zeros(len(domains) - len(counts), np.int64)])
    sums = np.bincount(domains[known], weights=counts[known], minlength=size).astype(np.int64)
    return np.where(domains >= 0, sums[np.maximum(domains, 0)], 0)


def _domain_has(view: contract.View, topology_key: str, counts: Ints) -> Mask:
    return _in_domain(view, topology_key, counts) > 0
