"""Whether this node takes a pod that was bound to it: pure, with upstream's reasons.

The scheduler has decided already; this catches what changed meanwhile, and pods bound by hand.
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.predicates import affinity, fit, ports, taints
from kijabi.node.kubelet import pods, status

_CRITICAL = 2_000_000_000


def admit(pod: pods.Object, node: pods.Object, others: Iterable[pods.Object]) -> status.Reason | None:
    """None if the pod may run; ``others`` are the pods that run here or will."""
    listed = [other for other in others if not pods.is_terminal(other) and pods.uid(other) != pods.uid(pod)]
    if not affinity.fits_node(pod, node):
        return _failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    if not affinity.fits_name(pod, node):
        return _failed("NodeName", "node(s) didn't match the requested node name")
    wrong_os = _wrong_os(pod, node)
    if wrong_os is not None:
        return wrong_os
    shortage = _shortage(pod, node, listed)
    if shortage is not None:
        return shortage
    if ports.conflicts(ports.host_ports(pod), [port for other in listed for port in ports.host_ports(other)]):
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


def _shortage(pod: pods.Object, node: pods.Object, listed: list[pods.Object]) -> status.Reason | None:
    if (pod["spec"].get("priority") or 0) >= _CRITICAL and pods.is_static(pod):
        return None
    available = fit.allocatable(node)
    allowed = available.get("pods")
    if allowed is not None and len(listed) + 1 > allowed.value():
        return _lacking("pods", 1, len(listed), allowed.value())
    wanted = fit.pod_requests(pod)
    for name, amount in wanted.items():
        capacity = available.get(name)
        if not amount or name == "pods" or (capacity is None and "/" not in name and not name.startswith("hugepages-")):
            continue
        used = [fit.pod_requests(other).get(name) for other in listed]
        unit = "milli" if name == "cpu" else "value"
        taken = sum(getattr(each, unit)() for each in used if each is not None)
        limit = getattr(capacity, unit)() if capacity is not None else 0
        asked = getattr(amount, unit)()
        if asked + taken > limit:
            return _lacking(name, asked, taken, limit)
    return None


def _lacking(name: str, requested: int, used: int, capacity: int) -> status.Reason:
    return status.Reason(
        f"OutOf{name}",
        f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}",
    )
