"""Requests and limits as the kernel's numbers: shares, quota, bytes, OOM scores, and the cgroup a pod lives in: pure.

Source: the documented "Resource Management for Pods and Containers", "Pod Quality of Service Classes" and upstream's
cm and qos packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kijabi.api import quantity
from kijabi.node.cri import contract
from kijabi.node.kubelet import pods

MIN_SHARES, MAX_SHARES = 2, 262144
PERIOD: Final = 100_000
MIN_QUOTA: Final = 1000
_GUARANTEED_OOM, _BEST_EFFORT_OOM = -997, 1000
_NODE_CRITICAL: Final = 2_000_001_000

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"


def amount(resources: dict[str, Any] | None, kind: str, name: str) -> int | None:
    """``requests``/``limits`` of ``cpu`` in millicores or of anything else in units; None when not given."""
    text = ((resources or {}).get(kind) or {}).get(name)
    if text is None:
        return None
    parsed = quantity.parse(str(text))
    return int(parsed.milli() if name == "cpu" else parsed.value())


def shares(milli_cpu: int) -> int:
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def quota(milli_cpu: int, period: int = PERIOD) -> int:
    """0 when there is no limit."""
    return max(MIN_QUOTA, milli_cpu * period // 1000) if milli_cpu else 0


def qos_class(pod: pods.Object) -> str:
    """What the API says, else computed from the containers' CPU and memory."""
    told = (pod.get("status") or {}).get("qosClass")
    if told:
        return str(told)
    containers = [*pods.init_containers(pod), *pods.regular_containers(pod)]
    if pod["spec"].get("resources"):
        containers = [pod["spec"]]
    asked, guaranteed = False, True
    for container in containers:
        resources = container.get("resources")
        for name in ("cpu", "memory"):
            limit = amount(resources, "limits", name) or 0
            request = amount(resources, "requests", name)
            asked = asked or bool(limit or request)
            guaranteed = guaranteed and bool(limit) and (request is None or request == limit)
    if not asked:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


@dataclass(frozen=True, slots=True)
class Machine:
    """What resource arithmetic needs to know of the node."""

    memory_bytes: int
    cfs_quota: bool = True
    cgroup_v2: bool = False


def container_resources(pod: pods.Object, container: pods.Object, machine: Machine) -> contract.LinuxResources:
    resources = container.get("resources")
    pod_level = pod["spec"].get("resources")
    cpu_request, cpu_limit = amount(resources, "requests", "cpu"), amount(resources, "limits", "cpu")
    memory_limit = amount(resources, "limits", "memory")
    # A container without a limit of its own is bound by the pod's (KEP-2837).
    cpu_limit = amount(pod_level, "limits", "cpu") if cpu_limit is None else cpu_limit
    memory_limit = amount(pod_level, "limits", "memory") if memory_limit is None else memory_limit
    made = contract.LinuxResources(
        cpu_shares=shares((cpu_limit if cpu_request is None else cpu_request) or 0),
        memory_limit_in_bytes=memory_limit or 0,
        oom_score_adj=oom_score(pod, container, machine.memory_bytes),
    )
    if machine.cfs_quota:
        made.cpu_period, made.cpu_quota = PERIOD, quota(cpu_limit or 0)
    if machine.cgroup_v2:
        made.unified = {"memory.oom.group": "1"}
    for name, text in ((resources or {}).get("limits") or {}).items():
        if name.startswith("hugepages-"):
            size = name.removeprefix("hugepages-").removesuffix("i") + "B"
            made.hugepage_limits.append(contract.HugepageLimit(size, quantity.parse(str(text)).value()))
    return made


def oom_score(pod: pods.Object, container: pods.Object, memory_bytes: int) -> int:
    if (pod["spec"].get("priority") or 0) >= _NODE_CRITICAL:
        return _GUARANTEED_OOM
    qos = qos_class(pod)
    if qos == GUARANTEED:
        return _GUARANTEED_OOM
    if qos == BEST_EFFORT:
        return _BEST_EFFORT_OOM
    score = _burstable_score(container, memory_bytes)
    if pods.is_sidecar(container):
        # A sidecar must not die before the containers that need it.
        requests = [amount(each.get("resources"), "requests", "memory") or 0 for each in pods.regular_containers(pod)]
        score = min(score, 1000 - 1000 * min(requests, default=0) // memory_bytes)
    return min(max(score, 1000 + _GUARANTEED_OOM), _BEST_EFFORT_OOM - 1)


def _burstable_score(container: pods.Object, memory_bytes: int) -> int:
    return 1000 - 1000 * (amount(container.get("resources"), "requests", "memory") or 0) // memory_bytes


@dataclass(frozen=True, slots=True)
class PodLimits:
    """A pod's own cgroup; None is *not set*."""

    cpu_shares: int
    cpu_quota: int | None = None
    memory_bytes: int | None = None


def pod_limits(pod: pods.Object) -> PodLimits:
    qos = qos_class(pod)
    if qos == BEST_EFFORT:
        return PodLimits(MIN_SHARES)
    cpu_limit, memory_limit = pod_total(pod, "limits", "cpu"), pod_total(pod, "limits", "memory")
    return PodLimits(
        shares(pod_total(pod, "requests", "cpu") or 0),
        None if cpu_limit is None else quota(cpu_limit),
        memory_limit,
    )


def pod_total(pod: pods.Object, kind: str, name: str) -> int | None:
    """A pod's sum, the greatest init container counted; a limit that one container lacks is None (unlimited)."""
    whole = amount(pod["spec"].get("resources"), kind, name)
    if whole is not None:
        return whole
    overhead = amount({"requests": pod["spec"].get("overhead") or {}}, "requests", name) or 0
    sidecars, greatest = 0, 0
    for container in pods.init_containers(pod):
        found = amount(container.get("resources"), kind, name)
        if found is None and kind == "limits":
            return None
        if pods.is_sidecar(container):
            sidecars += found or 0
            greatest = max(greatest, sidecars)
        else:
            greatest = max(greatest, sidecars + (found or 0))
    total = sidecars
    for container in pods.regular_containers(pod):
        found = amount(container.get("resources"), kind, name)
        if found is None and kind == "limits":
            return None
        total += found or 0
    return max(total, greatest) + overhead


def cgroup_parent(pod: pods.Object, driver: str, root: str = "") -> str:
    """Where the pod's containers live: a path with cgroupfs, a slice's name with systemd.

    ``root`` is upstream's ``--cgroup-root``; a path with cgroupfs (``/kijabi/node-1``), ignored with systemd.
    """
    qos, uid = qos_class(pod), pods.uid(pod)
    part = "" if qos == GUARANTEED else qos.lower()
    if driver == "systemd":
        stem = f"kubepods-{part}" if part else "kubepods"
        return f"{stem}-pod{uid.replace('-', '_')}.slice"
    middle = f"/{part}" if part else ""
    return f"{root.rstrip('/')}/kubepods{middle}/pod{uid}"
