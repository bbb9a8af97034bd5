"""Whether this node takes a pod that was bound to it: pure, with upstream's reasons.

The scheduler has decided already; this catches what changed meanwhile, and pods bound by hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from kijabi.api import quantity
from kijabi.api.predicates import affinity, fit, ports, taints
from kijabi.node.kubelet import pods, status

_CRITICAL = 2_000_000_000


class Taken:
    """What the admitted pods of this node hold. Kept as sums: a node may have thousands of (simulated) pods."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[dict[str, int], list[ports.HostPort]]] = {}
        self._sums: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, pod: pods.Object) -> None:
        if pods.uid(pod) in self._held:
            return
        amounts = {name: _units(name, amount) for name, amount in fit.pod_requests(pod).items()}
        self._held[pods.uid(pod)] = (amounts, ports.host_ports(pod))
        for name, amount in amounts.items():
            self._sums[name] = self._sums.get(name, 0) + amount

    def remove(self, uid: str) -> None:
        amounts, _ = self._held.pop(uid, ({}, []))
        for name, amount in amounts.items():
            self._sums[name] -= amount

    def of(self, name: str) -> int:
        """In millicores or units."""
        return self._sums.get(name, 0)

    def ports(self) -> Iterator[ports.HostPort]:
        return (port for _, held in self._held.values() for port in held)


def _units(name: str, amount: quantity.Quantity) -> int:
    return amount.milli() if name == "cpu" else amount.value()


def admit(pod: pods.Object, node: pods.Object, taken: Taken) -> status.Reason | None:
    """None if the pod may run; ``taken`` is without it."""
    if not affinity.fits_node(pod, node):
        return _failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    if not affinity.fits_name(pod, node):
        return _failed("NodeName", "node(s) didn't match the requested node name")
    wrong_os = _wrong_os(pod, node)
    if wrong_os is not None:
        return wrong_os
    shortage = _shortage(pod, node, taken)
    if shortage is not None:
        return shortage
    wanted = ports.host_ports(pod)
    if wanted and ports.conflicts(wanted, taken.ports()):
        return _failed("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    if not pods.is_static(pod):
        taint = taints.untolerated(taints.node_taints(node), pod["spec"].get("tolerations"), ("NoExecute",))
        if taint is not None:
            return _failed("TaintToleration", "node(s) had untolerated taint(s)")
    return None


def _failed(predicate: str, why: str) -> status.Reason:
    return status.Reason(predicate, f"Predicate {predicate} failed: {why}")


def _wrong_os(pod: pods.Object, node: pods.Object) -> status.Reason | None:
    wanted = (pod["spec"].get("os") or {}).get("name")
    labels = node["metadata"].get("labels") or {}
    if wanted and labels.get("kubernetes.io/os", wanted) != wanted:
        return status.Reason("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def _shortage(pod: pods.Object, node: pods.Object, taken: Taken) -> status.Reason | None:
    if (pod["spec"].get("priority") or 0) >= _CRITICAL and pods.is_static(pod):
        return None
    available = fit.allocatable(node)
    allowed = available.get("pods")
    if allowed is not None and len(taken) + 1 > allowed.value():
        return _lacking("pods", 1, len(taken), allowed.value())
    wanted = fit.pod_requests(pod)
    for name, amount in wanted.items():
        capacity = available.get(name)
        if not amount or name == "pods" or (capacity is None and "/" not in name and not name.startswith("hugepages-")):
            continue
        limit = _units(name, capacity) if capacity is not None else 0
        asked = _units(name, amount)
        if asked + taken.of(name) > limit:
            return _lacking(name, asked, taken.of(name), limit)
    return None


def _lacking(name: str, requested: int, used: int, capacity: int) -> status.Reason:
    return status.Reason(
        f"OutOf{name}",
        f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}",
    )
