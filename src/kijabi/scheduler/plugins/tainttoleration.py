"""TaintToleration: taints that the pod does not tolerate refuse it (NoSchedule, NoExecute) or count against a node."""

from __future__ import annotations

import numpy as np

from kijabi.api.predicates import taints
from kijabi.api.resource import Object
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract


class TaintToleration:
    name = "TaintToleration"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED})

    def filter(self, view: contract.View) -> Mask | None:
        tolerations = view.pod.spec.get("tolerations") or ()

        def refused(node: Object) -> int:
            return int(any(_refuses(taint, tolerations) for taint in taints.node_taints(node)))

        return np.asarray(view.columns.static(("taints", view.place_key), refused) == 0)

    def reasons(self, view: contract.View, row: int) -> list[str]:
        return ["node(s) had untolerated taint(s)"]

    def score(self, view: contract.View) -> Ints | None:
        """How many PreferNoSchedule taints the pod does not tolerate."""
        tolerations = [
            toleration
            for toleration in view.pod.spec.get("tolerations") or ()
            if toleration.get("effect") in (None, "", taints.PREFER_NO_SCHEDULE)
        ]

        def disliked(node: Object) -> int:
            found = (taint for taint in taints.node_taints(node) if taint.get("effect") == taints.PREFER_NO_SCHEDULE)
            return sum(not taints.is_tolerated(taint, tolerations) for taint in found)

        return view.columns.static(("disliked taints", view.place_key), disliked)[view.rows]

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return contract.share(scores, reverse=True)


def _refuses(taint: object, tolerations: object) -> bool:
    return taint["effect"] in taints.SCHEDULING and not taints.is_tolerated(taint, tolerations)  # type: ignore[index, arg-type]
