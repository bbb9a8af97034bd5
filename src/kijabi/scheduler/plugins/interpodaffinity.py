"""InterPodAffinity: near to some pods, away from others; and what placed pods want of newcomers.

Source: "Inter-pod affinity and anti-affinity". A placed pod's required affinity counts softly for a newcomer that
matches it (``hardPodAffinityWeight``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.scheduler import tallies as tallies_
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import Shape, Term
from kijabi.scheduler.tallies import Tally


class InterPodAffinity:
    """``ignore_preferred``: for newcomers that prefer nothing, what placed pods prefer does not matter either."""

    name = "InterPodAffinity"
    retry_on = frozenset(
        {contract.NODE_ADDED, contract.NODE_CHANGED, contract.POD_GONE, contract.POD_PLACED, contract.POD_CHANGED}
    )
    lasting = False

    def __init__(self, hard_weight: int = 1, *, ignore_preferred: bool = False) -> None:
        self._hard_weight = hard_weight
        self._ignore_preferred = ignore_preferred

    def filter(self, view: contract.View) -> Mask | None:
        masks = [mask for mask in (_near(view), _away(view), _repelled(view)) if mask is not None]
        return np.asarray(np.logical_and.reduce(masks)) if masks else None

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        # In upstream's order: what the pod needs, what it shuns, what others shun.
        for mask, reason, hopeless in (
            (_near(view), "node(s) didn't match pod affinity rules", True),
            (_away(view), "node(s) didn't match pod anti-affinity rules", False),
            (_repelled(view), "node(s) didn't satisfy existing pods anti-affinity rules", False),
        ):
            if mask is not None:
                yield contract.Refusal(reason, rows[~mask[rows]], hopeless)
                rows = rows[mask[rows]]

    def score(self, view: contract.View) -> Ints | None:
        parts: dict[str, Ints] = {}
        for topology_key, tally, weight in self._parts(view):
            sums = _sums(view, topology_key, tally) * weight
            parts[topology_key] = parts[topology_key] + sums if topology_key in parts else sums
        if not any(sums.any() for sums in parts.values()):
            return None
        total = np.zeros(len(view.rows), np.int64)
        for topology_key, sums in parts.items():
            total += sums[view.take(view.columns.topology(topology_key).numbers)]
        return total

    def _parts(self, view: contract.View) -> Iterable[tuple[str, Tally, int]]:
        preferred = view.shape.preferred
        if self._ignore_preferred and not preferred:
            return
        for weighted in preferred:
            yield weighted.term.topology_key, _matching(view, weighted.term), weighted.weight
        for carriers in view.tallies.carriers(tallies_.PREFERRED, view.pod, view.namespace_labels):
            yield carriers.term.topology_key, carriers.tally, carriers.weight
        if self._hard_weight:
            for carriers in view.tallies.carriers(tallies_.AFFINITY, view.pod, view.namespace_labels):
                yield carriers.term.topology_key, carriers.tally, self._hard_weight

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        least, spread = int(scores.min()), int(scores.max() - scores.min())
        if not spread:
            return np.zeros_like(scores)
        return (contract.BEST * ((scores - least) / spread)).astype(np.int64)


def _near(view: contract.View) -> Mask | None:
    """Rows in whose domains there is a pod that all required terms take."""
    terms = view.shape.affinity
    if not terms:
        return None
    # Upstream counts a placed pod only if every term takes it.
    matching = view.tallies.of(("affinity", terms), lambda other: _all_match(terms, other.shape, view))
    sums = [_sums(view, term.topology_key, matching) for term in terms]
    numbers = [view.columns.topology(term.topology_key).numbers for term in terms]
    if not any(each.any() for each in sums) and _all_match(terms, view.shape, view):
        # The first of a group that wants its own kind near: anywhere that has the labels.
        return np.asarray(np.logical_and.reduce([each >= 0 for each in numbers]))
    found = [each[domain] > 0 for each, domain in zip(sums, numbers, strict=True)]
    return np.asarray(np.logical_and.reduce(found))


def _away(view: contract.View) -> Mask | None:
    masks = [~_has(view, term.topology_key, _matching(view, term)) for term in view.shape.anti_affinity]
    return np.asarray(np.logical_and.reduce(masks)) if masks else None


def _repelled(view: contract.View) -> Mask | None:
    """Rows in whose domains no placed pod shuns this one."""
    masks = [
        ~_has(view, carriers.term.topology_key, carriers.tally)
        for carriers in view.tallies.carriers(tallies_.ANTI, view.pod, view.namespace_labels)
    ]
    return np.asarray(np.logical_and.reduce(masks)) if masks else None


def _all_match(terms: Iterable[Term], shape: Shape, view: contract.View) -> bool:
    return all(term.matches(shape, view.namespace_labels) for term in terms)


def _matching(view: contract.View, term: Term) -> Tally:
    return view.tallies.of(("term", term), lambda other: term.matches(other.shape, view.namespace_labels))


def _sums(view: contract.View, topology_key: str, tally: Tally) -> Ints:
    return tally.per_domain(topology_key, view.columns.topology(topology_key))


def _has(view: contract.View, topology_key: str, tally: Tally) -> Mask:
    numbers = view.columns.topology(topology_key).numbers
    return np.asarray(_sums(view, topology_key, tally)[numbers] > 0)
