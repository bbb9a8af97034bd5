"""NodeAffinity: node selectors and required node affinity refuse; preferred terms add their weight."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.api.predicates import affinity
from kijabi.api.resource import Object
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract


class NodeAffinity:
    """``added`` is a NodeAffinity that holds for every pod of the profile (``addedAffinity``)."""

    name = "NodeAffinity"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED})
    lasting = True

    def __init__(self, added: Object | None = None) -> None:
        self._added: Object = {"spec": {"affinity": {"nodeAffinity": added}}} if added else {"spec": {}}

    def filter(self, view: contract.View) -> Mask | None:
        masks = []
        if restricted(view):
            masks.append(fitting(view) != 0)
        if affinity.required(self._added) is not None:
            masks.append(self._enforced(view) != 0)
        return np.asarray(np.logical_and.reduce(masks)) if masks else None

    def _enforced(self, view: contract.View) -> Ints:
        return view.columns.static(("added", id(self)), lambda node: int(affinity.fits_node(self._added, node)))

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        if affinity.required(self._added) is not None:
            enforced = self._enforced(view)[rows] == 0
            yield contract.Refusal("node(s) didn't match scheduler-enforced node affinity", rows[enforced], True)
            rows = rows[~enforced]
        yield contract.Refusal("node(s) didn't match Pod's node affinity/selector", rows, hopeless=True)

    def score(self, view: contract.View) -> Ints | None:
        example, added = view.shape.example, self._added
        if not any(_preferred(each) for each in (example, added)):
            return None
        weights = view.columns.static(
            ("preferred nodes", id(self), view.shape.place_key),
            lambda node: affinity.preference(example, node) + affinity.preference(added, node),
        )
        return view.take(weights)

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return contract.share(scores)


def _preferred(pod: Object) -> bool:
    node_affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    return bool(node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution"))


def restricted(view: contract.View) -> bool:
    """Whether the pod's node selector or required affinity say anything."""
    example = view.shape.example
    return bool(example["spec"].get("nodeSelector")) or affinity.required(example) is not None


def fitting(view: contract.View) -> Ints:
    """Per row, 1 where the pod's node selector and required affinity hold."""
    example = view.shape.example
    return view.columns.static(("affinity", view.shape.place_key), lambda node: int(affinity.fits_node(example, node)))
