"""NodeName: a pod that names its node goes there or nowhere."""

from __future__ import annotations

import numpy as np

from kijabi.scheduler.columns import Mask
from kijabi.scheduler.plugins import contract


class NodeName:
    name = "NodeName"
    retry_on = frozenset({contract.NODE_ADDED})

    def filter(self, view: contract.View) -> Mask | None:
        wanted = view.pod.node_name
        if not wanted:
            return None
        mask = np.zeros(view.columns.size, np.bool_)
        row = view.columns.row_of.get(wanted)
        if row is not None:
            mask[row] = True
        return mask

    def reasons(self, view: contract.View, row: int) -> list[str]:
        return ["node(s) didn't match the requested node name"]
