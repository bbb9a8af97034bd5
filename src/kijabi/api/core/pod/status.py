"""How ``kubectl get pods`` sums up a pod: ready containers, one word of status, restarts.

Source: upstream's pod printer; the order of the cases decides which word is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kijabi.api import conditions, printing, timestamps
from kijabi.api.predicates import fit, pods
from kijabi.api.resource import Column, Object

COLUMNS: tuple[Column, ...] = (
    printing.NAME,
    printing.text("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    printing.text("Status", "The aggregate status of the containers in this pod."),
    printing.text("Restarts", "How often the containers in this pod have been restarted, and when last."),
    printing.AGE,
    printing.wide("IP", "IP address allocated to the pod."),
    printing.wide("Node", "The node that this pod is scheduled onto."),
    printing.wide("Nominated Node", "The node on which preemption makes room for this pod."),
    printing.wide("Readiness Gates", "Conditions that must be true, besides, for the pod to be ready."),
)

NODE_LOST = "NodeLost"


@dataclass(slots=True)
class Summary:
    ready: int = 0
    total: int = 0
    reason: str = ""
    restarts: int = 0
    # ``metav1.Time`` texts sort by time.
    last_restart: str = ""

    def count(self, container: Object) -> None:
        self.restarts += container.get("restartCount", 0)
        ended = (container.get("lastState") or {}).get("terminated") or {}
        self.last_restart = max(self.last_restart, ended.get("finishedAt") or "")


def summarize(pod: Object) -> Summary:
    spec, told = pod.get("spec") or {}, pod.get("status") or {}
    found = Summary(total=len(spec.get("containers") or ()), reason=told.get("reason") or told.get("phase", ""))
    scheduled = conditions.get(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "SchedulingGated":
        found.reason = "SchedulingGated"
    sidecars = {c.get("name"): True for c in spec.get("initContainers") or () if fit.is_sidecar(c)}
    found.total += len(sidecars)
    sidecar_part, initializing = _init_containers(found, spec, told, sidecars)
    if not initializing or conditions.is_true(pod, "Initialized"):
        found.restarts, found.last_restart = sidecar_part.restarts, sidecar_part.last_restart
        _containers(found, pod, told)
    if pods.is_terminating(pod):
        if told.get("reason") == NODE_LOST:
            found.reason = "Unknown"
        elif not pods.is_terminal(pod):
            found.reason = "Terminating"
    return found


def _init_containers(found: Summary, spec: Object, told: Object, sidecars: dict[Any, bool]) -> tuple[Summary, bool]:
    """Counts init containers into ``found`` up to the first that is not done; what of it sidecars are, and whether one
    is not done."""
    sidecar_part = Summary()
    for position, container in enumerate(told.get("initContainerStatuses") or ()):
        is_sidecar = container.get("name") in sidecars
        found.count(container)
        if is_sidecar:
            sidecar_part.count(container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended is not None and not ended.get("exitCode"):
            continue
        if is_sidecar and container.get("started"):
            found.ready += bool(container.get("ready"))
            continue
        if ended is not None:
            found.reason = f"Init:{_end(ended)}"
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            found.reason = f"Init:{waiting['reason']}"
        else:
            found.reason = f"Init:{position}/{len(spec.get('initContainers') or ())}"
        return sidecar_part, True
    return sidecar_part, False


def _end(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _containers(found: Summary, pod: Object, told: Object) -> None:
    running = False
    failure = ""
    # The first container is what counts most, so it is looked at last.
    for container in reversed(told.get("containerStatuses") or ()):
        found.count(container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            found.reason = waiting["reason"]
        elif ended is not None:
            found.reason = _end(ended)
            if ended.get("exitCode"):
                failure = found.reason
        elif container.get("ready") and state.get("running") is not None:
            running = True
            found.ready += 1
    if found.reason == "Completed":
        if running and pods.is_ready(pod):
            found.reason = "Running"
        elif failure:
            found.reason = failure
        elif running:
            found.reason = "NotReady"


def columns(obj: Object, now: float) -> list[Any]:
    found = summarize(obj)
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    restarts = str(found.restarts)
    if found.restarts and found.last_restart:
        restarts = f"{restarts} ({timestamps.age(found.last_restart, now)} ago)"
    addresses = told.get("podIPs") or [{}]
    return [
        printing.name(obj),
        f"{found.ready}/{found.total}",
        found.reason,
        restarts,
        printing.age(obj, now),
        addresses[0].get("ip") or told.get("podIP") or printing.NONE,
        spec.get("nodeName") or printing.NONE,
        told.get("nominatedNodeName") or printing.NONE,
        _gates(obj, spec),
    ]


def _gates(obj: Object, spec: Object) -> str:
    gates = spec.get("readinessGates")
    if not gates:
        return printing.NONE
    passed = sum(conditions.is_true(obj, gate.get("conditionType", "")) for gate in gates)
    return f"{passed}/{len(gates)}"
