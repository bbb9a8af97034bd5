"""The status of a pod, generated from what the runtime says: pure.

Source: the documented pod lifecycle; texts and corner cases of upstream's ``convertToAPIContainerStatuses`` and
``getPhase``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kijabi.node.cri import contract
from kijabi.node.kubelet import conditions, decide, observed, pods, resources

LOST: Final = "ContainerStatusUnknown"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a container is not started: ``CrashLoopBackOff``, ``ErrImagePull``, ``CreateContainerConfigError``..."""

    reason: str
    message: str = ""


@dataclass(slots=True)
class Facts:
    """``previous`` is the status as last told; ``ready`` and ``started`` hold ids of containers whose probes say so.

    ``over`` says that all work on the pod has ended and nothing will be started again; ``failure`` (reason, message)
    overrides the phase with Failed (evicted, deadline exceeded).
    """

    pod: pods.Object
    runtime: observed.PodRuntime
    previous: dict[str, Any]
    now: float
    runtime_name: str = "containerd"
    host_ips: tuple[str, ...] = ()
    ready: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    over: bool = False
    failure: Reason | None = None


def timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def generate(facts: Facts) -> dict[str, Any]:
    """The whole new ``status``; what others own in the previous one is kept."""
    pod, previous = facts.pod, facts.previous
    status: dict[str, Any] = {
        key: previous[key]
        for key in ("nominatedNodeName", "resize", "resourceClaimStatuses", "startTime", "podIP", "podIPs")
        if previous.get(key)
    }
    init = _statuses(facts, ((c, pods.SIDECAR if pods.is_sidecar(c) else pods.INIT) for c in pods.init_containers(pod)))
    regular = _statuses(facts, ((c, pods.REGULAR) for c in pods.regular_containers(pod)))
    ephemeral = _statuses(facts, ((c, pods.EPHEMERAL) for c in pods.ephemeral_containers(pod)))
    everything = {**init, **regular}
    if facts.over:
        _close(facts, regular)
    _set_phase(facts, status, everything)
    _set_ready(facts, everything)
    status["conditions"] = _conditions(facts, status["phase"], everything)
    _set_addresses(facts, status)
    if init:
        status["initContainerStatuses"] = list(init.values())
    status["containerStatuses"] = [regular[name] for name in sorted(regular)]
    if ephemeral:
        status["ephemeralContainerStatuses"] = [ephemeral[name] for name in sorted(ephemeral)]
    status["qosClass"] = resources.qos_class(pod)
    status.setdefault("startTime", timestamp(facts.now))
    generation = pod["metadata"].get("generation")
    if generation is not None:
        status["observedGeneration"] = generation
    return status


def _close(facts: Facts, statuses: conditions.Statuses) -> None:
    """All is over, so no container may be left waiting or running: what is not known to have ended well has not."""
    for status in statuses.values():
        if "terminated" in status["state"]:
            continue
        text = "The container could not be located when the pod was terminated"
        lost = {"exitCode": 137, "reason": LOST, "message": text, "startedAt": None, "finishedAt": None}
        status["state"] = {"terminated": lost}


def rejected(pod: pods.Object, reason: str, message: str, now: float) -> dict[str, Any]:
    """The status of a pod that this node does not admit."""
    kept = {key: value for key, value in (pod.get("status") or {}).items() if key in ("conditions", "qosClass")}
    status = {**kept, "phase": "Failed", "reason": reason, "message": message, "startTime": timestamp(now)}
    generation = pod["metadata"].get("generation")
    if generation is not None:
        status["observedGeneration"] = generation
    return status


def _statuses(facts: Facts, containers: Iterable[tuple[pods.Object, str]]) -> conditions.Statuses:
    before = {
        status["name"]: status
        for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for status in facts.previous.get(key) or ()
    }
    return {
        container["name"]: _container_status(facts, container, role, before.get(container["name"]))
        for container, role in containers
    }


def _container_status(facts: Facts, container: pods.Object, role: str, before: dict[str, Any] | None) -> dict[str, Any]:
    name = container["name"]
    found, earlier = facts.runtime.latest(name), facts.runtime.previous(name)
    status: dict[str, Any] = {"name": name, "ready": False, "restartCount": 0, "lastState": {}}
    if found is None:
        _absent(facts, container, role, before, status)
    else:
        status["restartCount"] = found.restart_count
        status["containerID"] = f"{facts.runtime_name}://{found.id}"
        status["image"], status["imageID"] = found.image or container.get("image", ""), found.image_ref
        status["state"] = _state(facts, found)
        if earlier is not None:
            status["lastState"] = _state(facts, earlier)
        elif before is not None and before.get("lastState") and found.restart_count:
            status["lastState"] = before["lastState"]
        _resources(container, status)
    _apply_reason(facts, container, role, found, status)
    mounts = _volume_mounts(container)
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _absent(
    facts: Facts, container: pods.Object, role: str, before: dict[str, Any] | None, status: dict[str, Any]
) -> None:
    """There is no record of the container: it never ran, or its record is lost."""
    waiting = "PodInitializing" if pods.init_containers(facts.pod) else "ContainerCreating"
    status.update(image=container.get("image", ""), imageID="", state={"waiting": {"reason": waiting}})
    state = (before or {}).get("state") or {}
    if before is None:
        return
    status["restartCount"] = before.get("restartCount", 0)
    if before.get("lastState"):
        status["lastState"] = before["lastState"]
    if "terminated" in state:
        # Its record has been removed after it had ended and been told.
        keep = ("state", "lastState", "containerID", "image", "imageID", "ready", "resources", "allocatedResources")
        status.update({key: before[key] for key in keep if key in before})
    elif "running" in state:
        lost = {"exitCode": 137, "reason": LOST, "startedAt": None, "finishedAt": None}
        if pods.is_deleted(facts.pod) or facts.over:
            lost["message"] = "The container could not be located when the pod was terminated"
            status["state"] = {"terminated": lost}
        else:
            used = "The container could not be located when the pod was deleted.  The container used to be Running"
            status["lastState"] = {"terminated": {**lost, "message": used}}
            status["restartCount"] += 1
    elif role == pods.INIT and decide.any_regular_created(facts.pod, facts.runtime):
        status["state"] = {
            "terminated": {
                "exitCode": 0,
                "reason": "Completed",
                "message": "Unable to get init container status from container runtime and pod has been initialized, "
                "treat it as exited normally",
                "startedAt": None,
                "finishedAt": None,
            }
        }


def _state(facts: Facts, found: observed.Container) -> dict[str, Any]:
    if found.state == contract.RUNNING:
        return {"running": {"startedAt": timestamp(found.started_at)}}
    if found.state == contract.EXITED:
        ended: dict[str, Any] = {
            "exitCode": found.exit_code,
            "reason": found.reason,
            "startedAt": timestamp(found.started_at),
            "finishedAt": timestamp(found.finished_at),
            "containerID": f"{facts.runtime_name}://{found.id}",
        }
        if found.message:
            ended["message"] = found.message
        return {"terminated": ended}
    return {"waiting": {}}


def _resources(container: pods.Object, status: dict[str, Any]) -> None:
    resources = container.get("resources")
    status["resources"] = resources if resources else {}
    if resources and resources.get("requests"):
        status["allocatedResources"] = resources["requests"]


def _volume_mounts(container: pods.Object) -> list[dict[str, Any]]:
    made = []
    for mount in container.get("volumeMounts") or ():
        entry = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            entry.update(readOnly=True, recursiveReadOnly="Disabled")
        made.append(entry)
    return made


def _apply_reason(
    facts: Facts, container: pods.Object, role: str, found: observed.Container | None, status: dict[str, Any]
) -> None:
    """A container that is to be started but cannot be is *waiting*, and says why."""
    reason = facts.reasons.get(container["name"])
    if reason is None or facts.over:
        return
    if role == pods.INIT and found is not None and found.exited and found.exit_code == 0:
        return
    if role == pods.EPHEMERAL and found is not None:
        return
    if not decide.should_start(facts.pod, container, found) and role == pods.REGULAR:
        return
    if found is not None and found.running:
        return
    if "terminated" in status["state"]:
        status["lastState"] = status["state"]
    waiting = {"reason": reason.reason}
    if reason.message:
        waiting["message"] = reason.message
    status["state"] = {"waiting": waiting}


def _set_ready(facts: Facts, statuses: conditions.Statuses) -> None:
    """``ready`` and ``started``, from the probes; an init container is ready when it has succeeded."""
    for container, role in pods.every_container(facts.pod):
        status = statuses.get(container["name"])
        if status is None:
            continue
        found = facts.runtime.latest(container["name"])
        running = "running" in status["state"] and found is not None
        started = running and found is not None and found.id in facts.started
        status["started"] = bool(started)
        if role == pods.INIT:
            ended = status["state"].get("terminated")
            status["ready"] = ended is not None and ended.get("exitCode") == 0
        else:
            status["ready"] = bool(started and found is not None and found.id in facts.ready and not facts.over)


@dataclass(slots=True)
class _Counts:
    pending_init: int = 0
    pending_sidecars: int = 0
    failed_for_good: int = 0
    unknown: int = 0
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    stopped_for_good: int = 0
    succeeded: int = 0


def _count(facts: Facts, statuses: conditions.Statuses) -> _Counts:
    counts = _Counts()
    for container, role in pods.every_container(facts.pod):
        status = statuses.get(container["name"])
        if role == pods.EPHEMERAL or status is None:
            continue
        state = status["state"]
        ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
        if role == pods.INIT:
            _count_init(counts, facts.pod, container, state, ended)
        elif role == pods.SIDECAR:
            found = facts.runtime.latest(container["name"])
            _count_sidecar(counts, state, ended, found is not None and found.id in facts.started)
        elif "running" in state:
            counts.running += 1
        elif ended is not None:
            counts.stopped += 1
            counts.stopped_for_good += not pods.restarts_after(container, facts.pod, ended["exitCode"])
            counts.succeeded += "terminated" in state and ended["exitCode"] == 0
        else:
            counts.waiting += 1
    return counts


def _count_init(
    counts: _Counts, pod: pods.Object, container: pods.Object, state: dict[str, Any], ended: dict[str, Any] | None
) -> None:
    if "running" in state or ended is None:
        counts.pending_init += 1
    elif ended["exitCode"] != 0:
        counts.failed_for_good += not pods.restarts_after(container, pod, ended["exitCode"])


def _count_sidecar(counts: _Counts, state: dict[str, Any], ended: dict[str, Any] | None, started: bool) -> None:
    if "running" in state:
        counts.pending_sidecars += not started
        counts.running += 1
    elif ended is None:
        counts.pending_sidecars += 1
        counts.waiting += 1


def phase_of(facts: Facts, statuses: conditions.Statuses) -> str:
    counts = _count(facts, statuses)
    if counts.failed_for_good:
        return "Failed"
    if facts.over and not pods.is_static(facts.pod):
        all_well = counts.stopped and counts.stopped == counts.succeeded and not counts.pending_init
        return "Succeeded" if all_well else "Failed"
    initialized = _regular_active(facts)
    if counts.pending_init or (counts.pending_sidecars and not initialized) or counts.waiting:
        return "Pending"
    if counts.running:
        return "Running"
    if not counts.stopped:
        return "Pending"
    if counts.stopped != counts.stopped_for_good:
        return "Running"
    return "Succeeded" if counts.stopped == counts.succeeded else "Failed"


def _regular_active(facts: Facts) -> bool:
    """Whether a regular container has run in the present sandbox."""
    sandbox = facts.runtime.sandbox()
    return sandbox is not None and any(
        found.sandbox_id == sandbox.id and found.state in (contract.RUNNING, contract.EXITED)
        for found in (facts.runtime.latest(container["name"]) for container in pods.regular_containers(facts.pod))
        if found is not None
    )


def _set_phase(facts: Facts, status: dict[str, Any], statuses: conditions.Statuses) -> None:
    told = [facts.previous.get("phase"), pods.phase(facts.pod)]
    # A pod never leaves a terminal phase.
    terminal = next((phase for phase in told if phase in ("Failed", "Succeeded")), None)
    status["phase"] = terminal or phase_of(facts, statuses)
    if status["phase"] == facts.previous.get("phase"):
        for key in ("reason", "message"):
            if facts.previous.get(key):
                status[key] = facts.previous[key]
    if facts.failure is not None and terminal is None:
        status.update(phase="Failed", reason=facts.failure.reason, message=facts.failure.message)


def _conditions(facts: Facts, phase: str, statuses: conditions.Statuses) -> list[dict[str, Any]]:
    pod = facts.pod
    previous = {condition["type"]: condition for condition in facts.previous.get("conditions") or ()}
    # What others write (readiness gates, disruption) is newest in the API's copy.
    theirs = [c for c in (pod.get("status") or {}).get("conditions") or () if c["type"] not in conditions.OWNED]
    ours = [condition for type_, condition in previous.items() if type_ in conditions.OWNED]
    disrupted = previous.get("DisruptionTarget")
    if disrupted is not None and all(condition["type"] != "DisruptionTarget" for condition in theirs):
        theirs.append(disrupted)
    network_up = decide.sandbox_attempt(pod, facts.runtime) is None
    owned = [
        {"type": "PodReadyToStartContainers", "status": "True" if network_up else "False"},
        conditions.initialized(pod, statuses, phase),
        conditions.ready(pod, statuses, phase, theirs),
        conditions.containers_ready(pod, statuses, phase),
        {"type": "PodScheduled", "status": "True"},
    ]
    return conditions.merge([*theirs, *ours], owned, pod["metadata"].get("generation"), timestamp(facts.now))


def _set_addresses(facts: Facts, status: dict[str, Any]) -> None:
    ips: tuple[str, ...] = ()
    sandbox = facts.runtime.sandbox()
    if pods.is_host_network(facts.pod):
        ips = facts.host_ips
    elif sandbox is not None and sandbox.ready:
        ips = sandbox.ips
    if ips:
        status["podIP"], status["podIPs"] = ips[0], [{"ip": ip} for ip in ips]
    if facts.host_ips:
        status["hostIP"], status["hostIPs"] = facts.host_ips[0], [{"ip": ip} for ip in facts.host_ips]
