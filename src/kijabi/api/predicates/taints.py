"""Taints and tolerations.

Source: "Taints and Tolerations" in the documentation; KEP-5471 (numeric operators) is off by default and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]

NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "PreferNoSchedule", "NoExecute"
SCHEDULING = (NO_SCHEDULE, NO_EXECUTE)

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"


def tolerates(toleration: Object, taint: Object) -> bool:
    """An empty key with ``Exists`` tolerates every key; an empty effect, every effect."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("value", "") == taint.get("value", ""))
    return False


def is_tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def untolerated(
    taints: Iterable[Object] | None, tolerations: Iterable[Object] | None, effects: Iterable[str] = SCHEDULING
) -> Object | None:
    """The first taint with one of ``effects`` that nothing tolerates."""
    wanted = tuple(effects)
    having = tuple(tolerations or ())
    for taint in taints or ():
        if taint.get("effect") in wanted and not is_tolerated(taint, having):
            return taint
    return None


def eviction_delay(taints: Iterable[Object], tolerations: Iterable[Object]) -> float | None:
    """Seconds until NoExecute taints evict: 0 at once, ``None`` never.

    It is the shortest ``tolerationSeconds`` of the tolerations in use; a taint that nothing tolerates means 0.
    """
    used = []
    having = tuple(tolerations)
    for taint in taints:
        if taint.get("effect") != NO_EXECUTE:
            continue
        matching = [toleration for toleration in having if tolerates(toleration, taint)]
        if not matching:
            return 0.0
        used += matching
    limits = [max(float(t["tolerationSeconds"]), 0.0) for t in used if t.get("tolerationSeconds") is not None]
    return min(limits) if limits else None


def node_taints(node: Object) -> list[Object]:
    found: list[Object] = (node.get("spec") or {}).get("taints") or []
    return found
