"""What a pod asks of a node, and whether the node has it.

A pod's request is the largest of what runs at one time: sidecars and the running init container during start, then all
sidecars and containers; plus the overhead. Pod-level resources, where set, take the place of the sum for the resources
they name.

Source: KEP-753 (sidecar containers), KEP-2837 (pod-level resources), k8s.io/component-helpers resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api import quantity
from kijabi.api.quantity import Quantity

Object = Mapping[str, Any]
Amounts = dict[str, Quantity]

# What pod-level resources may name; hugepages-* besides.
_POD_LEVEL = ("cpu", "memory")


def pod_requests(pod: Object) -> Amounts:
    """Resource name → quantity, with the overhead."""
    spec = pod.get("spec") or {}
    total = _pod_level(spec, "requests", _containers(spec, "requests"))
    return quantity.total(total, quantity.resource_list(spec.get("overhead")))


def pod_limits(pod: Object) -> Amounts:
    """The overhead counts only for resources that have a limit."""
    spec = pod.get("spec") or {}
    total = _pod_level(spec, "limits", _containers(spec, "limits"))
    for name, amount in quantity.resource_list(spec.get("overhead")).items():
        if name in total:
            total[name] = total[name] + amount
    return total


def is_sidecar(container: Object) -> bool:
    """An init container that goes on running."""
    return container.get("restartPolicy") == "Always"


def _containers(spec: Object, which: str) -> Amounts:
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = quantity.total(total, _amounts(container, which))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _amounts(container, which)
        if is_sidecar(container):
            sidecars = quantity.total(sidecars, own)
            needed = sidecars
        else:
            needed = quantity.total(sidecars, own)
        starting = _largest(starting, needed)
    return _largest(quantity.total(total, sidecars), starting)


def _amounts(holder: Object, which: str) -> Amounts:
    return quantity.resource_list((holder.get("resources") or {}).get(which))


def _largest(left: Amounts, right: Amounts) -> Amounts:
    result = dict(left)
    for name, amount in right.items():
        if name not in result or amount > result[name]:
            result[name] = amount
    return result


def _pod_level(spec: Object, which: str, total: Amounts) -> Amounts:
    for name, amount in _amounts(spec, which).items():
        if name in _POD_LEVEL or name.startswith("hugepages-"):
            total[name] = amount
    return total


def allocatable(node: Object) -> Amounts:
    return quantity.resource_list((node.get("status") or {}).get("allocatable"))


def insufficient(wanted: Amounts, used: Amounts, available: Amounts) -> list[str]:
    """The resources that do not fit, as the scheduler names them: ``Insufficient cpu``. ``pods`` is counted by used."""
    found = []
    pods = available.get("pods")
    if pods is not None and used.get("pods", quantity.ZERO).value() + 1 > pods.value():
        found.append("Too many pods")
    for name, amount in wanted.items():
        if amount and amount > available.get(name, quantity.ZERO) - used.get(name, quantity.ZERO):
            found.append(f"Insufficient {name}")
    return found
