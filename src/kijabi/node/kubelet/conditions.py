"""Pod conditions the kubelet owns, from container statuses: pure, with upstream's reasons and messages.

Source: the documented pod lifecycle ("Pod conditions", "Pod readiness") and upstream's status package.
"""

from __future__ import annotations

from typing import Any, Final

from kijabi.node.kubelet import pods

Statuses = dict[str, dict[str, Any]]

OWNED: Final = frozenset(
    {"PodScheduled", "Ready", "Initialized", "ContainersReady", "PodReadyToStartContainers", "AllContainersRestarting"}
)
_FOR_PHASE: Final = {"Failed": "PodFailed", "Succeeded": "PodCompleted"}


def _condition(type_: str, status: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"type": type_, "status": "True" if status else "False"}
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    return made


def _listed(names: list[str]) -> str:
    """A list as Go prints it: ``[a b]``."""
    return "[" + " ".join(names) + "]"


def containers_ready(pod: pods.Object, statuses: Statuses | None, phase: str) -> dict[str, Any]:
    if statuses is None:
        return _condition("ContainersReady", False, "UnknownContainerStatuses")
    sidecars = [container["name"] for container in pods.init_containers(pod) if pods.is_sidecar(container)]
    names = sidecars + [container["name"] for container in pods.regular_containers(pod)]
    unknown = [name for name in names if name not in statuses]
    unready = [name for name in names if name in statuses and not statuses[name].get("ready")]
    if phase == "Failed" or (phase == "Succeeded" and not unknown):
        return _condition("ContainersReady", False, _FOR_PHASE[phase])
    texts = []
    if unknown:
        texts.append(f"containers with unknown status: {_listed(unknown)}")
    if unready:
        texts.append(f"containers with unready status: {_listed(unready)}")
    if texts:
        return _condition("ContainersReady", False, "ContainersNotReady", ", ".join(texts))
    return _condition("ContainersReady", True)


def ready(pod: pods.Object, statuses: Statuses | None, phase: str, given: list[dict[str, Any]]) -> dict[str, Any]:
    """``given`` are the conditions that others have set, for readiness gates."""
    containers = containers_ready(pod, statuses, phase)
    if containers["status"] != "True":
        return {**containers, "type": "Ready"}
    by_type = {condition["type"]: condition.get("status") for condition in given}
    texts = []
    for gate in pod["spec"].get("readinessGates") or ():
        wanted = gate["conditionType"]
        if wanted not in by_type:
            texts.append(f'corresponding condition of pod readiness gate "{wanted}" does not exist.')
        elif by_type[wanted] != "True":
            texts.append(f'the status of pod readiness gate "{wanted}" is not "True", but {by_type[wanted]}')
    if texts:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(texts))
    return _condition("Ready", True)


def initialized(pod: pods.Object, statuses: Statuses | None, phase: str) -> dict[str, Any]:
    containers = pods.init_containers(pod)
    if statuses is None and containers:
        return _condition("Initialized", False, "UnknownContainerStatuses")
    known = statuses or {}
    unknown = [container["name"] for container in containers if container["name"] not in known]
    incomplete = [
        container["name"]
        for container in containers
        if container["name"] in known and not _initialized(container, known[container["name"]])
    ]
    if phase == "Succeeded" and not unknown:
        return _condition("Initialized", True, "PodCompleted")
    if any_regular_started(pod, known):
        return _condition("Initialized", True)
    texts = []
    if unknown:
        texts.append(f"containers with unknown status: {_listed(unknown)}")
    if incomplete:
        texts.append(f"containers with incomplete status: {_listed(incomplete)}")
    if texts:
        return _condition("Initialized", False, "ContainersNotInitialized", ", ".join(texts))
    return _condition("Initialized", True)


def _initialized(container: pods.Object, status: dict[str, Any]) -> bool:
    return bool(status.get("started") if pods.is_sidecar(container) else status.get("ready"))


def any_regular_started(pod: pods.Object, statuses: Statuses) -> bool:
    """Whether any regular container has ever run."""
    for container in pods.regular_containers(pod):
        status = statuses.get(container["name"])
        if status is None:
            continue
        state, last = status.get("state") or {}, status.get("lastState") or {}
        if "running" in state or "terminated" in state or "terminated" in last or status.get("restartCount"):
            return True
    return False


def merge(
    previous: list[dict[str, Any]], owned: list[dict[str, Any]], generation: int | None, now: str
) -> list[dict[str, Any]]:
    """The conditions of others as they are, then ours; a transition time moves only when the status does."""
    by_type = {condition["type"]: condition for condition in previous}
    result = [condition for condition in previous if condition["type"] not in OWNED]
    for condition in owned:
        before = by_type.get(condition["type"])
        made = {**condition, "lastProbeTime": None, "lastTransitionTime": now}
        if before is not None and before.get("status") == condition["status"] and before.get("lastTransitionTime"):
            made["lastTransitionTime"] = before["lastTransitionTime"]
        if generation is not None:
            made["observedGeneration"] = generation
        result.append(made)
    return result
