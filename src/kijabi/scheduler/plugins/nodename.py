"""NodeName: a pod that names its node goes there or nowhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract


class NodeName:
    name = "NodeName"
    retry_on = frozenset({contract.NODE_ADDED})
    lasting = True

    def filter(self, view: contract.View) -> Mask | None:
        wanted = view.pod.node_name
        if not wanted:
            return None
        mask = np.zeros(view.columns.size, np.bool_)
        row = view.columns.row_of.get(wanted)
        if row is not None:
            mask[row] = True
        return mask

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        return [contract.Refusal("node(s) didn't match the requested node name", rows, hopeless=True)]
