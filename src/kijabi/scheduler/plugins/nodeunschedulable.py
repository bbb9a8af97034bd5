"""NodeUnschedulable: cordoned nodes take no new pods, but for those that tolerate the taint that goes with it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.api.predicates import taints
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract

_TAINT = {"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE}


class NodeUnschedulable:
    name = "NodeUnschedulable"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED})
    lasting = True

    def filter(self, view: contract.View) -> Mask | None:
        if taints.is_tolerated(_TAINT, view.shape.tolerations):
            return None
        cordoned = view.columns.static(
            "unschedulable", lambda node: int(bool((node.get("spec") or {}).get("unschedulable")))
        )
        return np.asarray(cordoned == 0)

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        return [contract.Refusal("node(s) were unschedulable", rows, hopeless=True)]
