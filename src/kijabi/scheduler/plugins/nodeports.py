"""NodePorts: a host port is taken by one pod of a node at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kijabi.api.predicates import ports
from kijabi.scheduler.columns import Ints, Mask
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo


class NodePorts:
    name = "NodePorts"
    retry_on = frozenset({contract.NODE_ADDED, contract.POD_GONE})
    lasting = False

    def filter(self, view: contract.View) -> Mask | None:
        wanted = view.shape.host_ports
        if not wanted:
            return None

        def clashes(other: PodInfo) -> bool:
            return bool(other.shape.host_ports) and ports.conflicts(wanted, other.shape.host_ports)

        return np.asarray(view.tallies.of(("ports", wanted), clashes).counts == 0)

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        return [contract.Refusal("node(s) didn't have free ports for the requested pod ports", rows)]
