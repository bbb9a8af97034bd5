"""Facts about a pod: its quality of service, readiness, phase, priority and conditions.

Source: "Pod Lifecycle", "Pod Quality of Service Classes" in the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kijabi.api import conditions, quantity
from kijabi.api.predicates import fit

Object = Mapping[str, Any]

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
_QOS_RESOURCES = ("cpu", "memory")


def containers(pod: Object) -> Iterator[Object]:
    """Init containers first, then containers; ephemeral ones are left out."""
    spec = pod.get("spec") or {}
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def qos_class(pod: Object) -> str:
    """The class a pod has, computed from its spec (``status.qosClass`` is this, fixed at creation)."""
    level = (pod.get("spec") or {}).get("resources")
    holders = (
        [{"resources": level}] if level and (level.get("requests") or level.get("limits")) else list(containers(pod))
    )
    requests: dict[str, quantity.Quantity] = {}
    limits: dict[str, quantity.Quantity] = {}
    guaranteed = True
    for holder in holders:
        resources = holder.get("resources") or {}
        wanted, bounded = _counted(resources.get("requests")), _counted(resources.get("limits"))
        requests, limits = quantity.total(requests, wanted), quantity.total(limits, bounded)
        guaranteed = guaranteed and len(bounded) == len(_QOS_RESOURCES)
    if not requests and not limits:
        return BEST_EFFORT
    # Requests default to limits, so with every limit there every request is there too, unless it was set to zero.
    if guaranteed and requests == limits:
        return GUARANTEED
    return BURSTABLE


def _counted(resources: Object | None) -> dict[str, quantity.Quantity]:
    parsed = quantity.resource_list(
        {name: value for name, value in (resources or {}).items() if name in _QOS_RESOURCES}
    )
    return {name: amount for name, amount in parsed.items() if amount.nanos > 0}


def phase(pod: Object) -> str:
    found: str = (pod.get("status") or {}).get("phase", "")
    return found


def is_terminal(pod: Object) -> bool:
    """Whether it has ended, for good or bad."""
    return phase(pod) in ("Succeeded", "Failed")


def is_terminating(pod: Object) -> bool:
    """Whether it is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_active(pod: Object) -> bool:
    """Neither ended nor being deleted: what controllers count."""
    return not is_terminal(pod) and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    return conditions.is_true(pod, "Ready")


def is_available(pod: Object, min_ready_seconds: float, now: float) -> bool:
    """Ready for at least ``min_ready_seconds``."""
    ready = conditions.get(pod, "Ready")
    if ready is None or ready.get("status") != conditions.TRUE:
        return False
    since = ready.get("lastTransitionTime")
    return min_ready_seconds == 0 or (since is not None and conditions.seconds(since) + min_ready_seconds <= now)


def priority(pod: Object) -> int:
    found: int = (pod.get("spec") or {}).get("priority") or 0
    return found


def node_name(pod: Object) -> str:
    found: str = (pod.get("spec") or {}).get("nodeName", "")
    return found


def is_mirror(pod: Object) -> bool:
    """The API's image of a static pod."""
    return "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})


def controller(obj: Object) -> Object | None:
    """The owner reference that controls an object."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            found: Object = owner
            return found
    return None


def sidecars(pod: Object) -> list[Object]:
    return [container for container in (pod.get("spec") or {}).get("initContainers") or () if fit.is_sidecar(container)]
