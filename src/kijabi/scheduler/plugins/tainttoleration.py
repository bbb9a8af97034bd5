"""TaintToleration: taints that the pod does not tolerate refuse it (NoSchedule, NoExecute) or count against a node."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.api.predicates import taints
from kijabi.api.resource import Object
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract


class TaintToleration:
    name = "TaintToleration"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED})
    lasting = True

    def filter(self, view: contract.View) -> Mask | None:
        return tolerated(view)

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        return [contract.Refusal("node(s) had untolerated taint(s)", rows, hopeless=True)]

    def score(self, view: contract.View) -> Ints | None:
        """How many PreferNoSchedule taints the pod does not tolerate."""
        tolerations = [
            toleration
            for toleration in view.shape.tolerations
            if toleration.get("effect") in (None, "", taints.PREFER_NO_SCHEDULE)
        ]

        def disliked(node: Object) -> int:
            found = (taint for taint in taints.node_taints(node) if taint.get("effect") == taints.PREFER_NO_SCHEDULE)
            return sum(not taints.is_tolerated(taint, tolerations) for taint in found)

        key = ("disliked taints", view.shape.place_key)
        if view.columns.is_zero(key, disliked):
            return contract.ZERO
        return view.take(view.columns.static(key, disliked))

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return contract.MOST if scores is contract.ZERO else contract.share(scores, reverse=True)


def tolerated(view: contract.View) -> Mask:
    """Rows without a taint that keeps the pod away."""
    tolerations = view.shape.tolerations

    def refused(node: Object) -> int:
        return int(taints.untolerated(taints.node_taints(node), tolerations) is not None)

    return np.asarray(view.columns.static(("taints", view.shape.place_key), refused) == 0)
