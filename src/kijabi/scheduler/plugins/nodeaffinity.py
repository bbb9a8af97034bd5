"""NodeAffinity: node selectors and required node affinity refuse; preferred terms add their weight."""

from __future__ import annotations

import numpy as np

from kijabi.api.predicates import affinity
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract


class NodeAffinity:
    name = "NodeAffinity"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED})

    def filter(self, view: contract.View) -> Mask | None:
        pod = view.pod
        if not pod.spec.get("nodeSelector") and affinity.required(pod.object) is None:
            return None
        return np.asarray(fitting(view) != 0)

    def reasons(self, view: contract.View, row: int) -> list[str]:
        return ["node(s) didn't match Pod's node affinity/selector"]

    def score(self, view: contract.View) -> Ints | None:
        node_affinity = (view.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
        if not node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution"):
            return None
        weights = view.columns.static(
            ("preferred nodes", view.place_key), lambda node: affinity.preference(view.pod.object, node)
        )
        return weights[view.rows]

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return contract.share(scores)


def fitting(view: contract.View) -> Ints:
    """Per row, 1 where the pod's node selector and required affinity hold."""
    return view.columns.static(
        ("affinity", view.place_key), lambda node: int(affinity.fits_node(view.pod.object, node))
    )
