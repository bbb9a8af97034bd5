"""NodeUnschedulable: cordoned nodes take no new pods, but for those that tolerate the taint that goes with it."""

from __future__ import annotations

import numpy as np

from kijabi.api.predicates import taints
from kijabi.scheduler.columns import Mask
from kijabi.scheduler.plugins import contract

_TAINT = {"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE}


class NodeUnschedulable:
    name = "NodeUnschedulable"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED})

    def filter(self, view: contract.View) -> Mask | None:
        if taints.is_tolerated(_TAINT, view.pod.spec.get("tolerations") or ()):
            return None
        cordoned = view.columns.static(
            "unschedulable", lambda node: int(bool((node.get("spec") or {}).get("unschedulable")))
        )
        return np.asarray(cordoned == 0)

    def reasons(self, view: contract.View, row: int) -> list[str]:
        return ["node(s) were unschedulable"]
