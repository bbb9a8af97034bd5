"""NodePorts: a host port is taken by one pod of a node at a time."""

from __future__ import annotations

import numpy as np

from kijabi.api.predicates import ports
from kijabi.scheduler.columns import Mask
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo


class NodePorts:
    name = "NodePorts"
    retry_on = frozenset({contract.NODE_ADDED, contract.POD_GONE})

    def filter(self, view: contract.View) -> Mask | None:
        wanted = view.pod.host_ports
        if not wanted:
            return None

        def clashes(other: PodInfo) -> bool:
            return bool(other.host_ports) and ports.conflicts(wanted, other.host_ports)

        return np.asarray(view.tallies.of(("ports", tuple(wanted)), clashes) == 0)

    def reasons(self, view: contract.View, row: int) -> list[str]:
        return ["node(s) didn't have free ports for the requested pod ports"]
