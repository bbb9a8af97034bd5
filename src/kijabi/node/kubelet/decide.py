"""What to do next for one pod: a pure function of the pod, the runtime's records, probe results, back-offs and time.

The worker carries out the instructions in order, looks at the runtime again and asks again, until there is nothing to
do or only ``Wait``. So an instruction never has to foresee the outcome of another: a pod without a sandbox is told to
run one, and what to start in it is decided when it is there.

Source: the behaviour of upstream's ``computePodActions``; init containers per KEP-753, restart rules per KEP-5307.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kijabi.node.cri import contract
from kijabi.node.kubelet import observed, pods

LIVENESS, READINESS, STARTUP = "liveness", "readiness", "startup"

CRASH_BASE, CRASH_CEILING = 10.0, 300.0
# A container that ran this long before it ended starts its back-off afresh.
CRASH_RESET = 2 * CRASH_CEILING


@dataclass(frozen=True, slots=True)
class StopPod:
    """Stop every container and the sandbox: it must be made anew, or the pod is over."""


@dataclass(frozen=True, slots=True)
class RunSandbox:
    """Make a sandbox; records of finished init containers are removed first, because init starts over."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Kill:
    """``message`` is for the Killing event; ``reason`` is liveness or startup when a probe asked for it."""

    container_id: str
    name: str
    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A container in CrashLoopBackOff: ``until`` is when to look again (seconds since the epoch)."""

    name: str
    message: str
    until: float


Instruction = StopPod | RunSandbox | Kill | Start | Wait


@dataclass(frozen=True, slots=True)
class BackOff:
    """The back-off of one container: the delay after its next end, and when it was last started."""

    delay: float
    since: float

    def expired(self, exited: observed.Container) -> bool:
        return exited.finished_at - self.since > CRASH_RESET


def next_back_off(current: BackOff | None, exited: observed.Container, now: float) -> BackOff:
    """The back-off once ``exited`` is started again: doubled, or afresh after a long run."""
    if current is None or current.expired(exited):
        return BackOff(CRASH_BASE, now)
    return BackOff(min(2 * current.delay, CRASH_CEILING), now)


@dataclass(slots=True)
class Facts:
    """What is decided on. ``probes`` maps (container id, kind) to its result; ``back_offs`` container names."""

    pod: pods.Object
    runtime: observed.PodRuntime
    now: float
    probes: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    back_offs: Mapping[str, BackOff] = field(default_factory=dict)


def decide(facts: Facts) -> list[Instruction]:
    attempt = sandbox_attempt(facts.pod, facts.runtime)
    if attempt is not None:
        return _without_sandbox(facts, attempt)
    starts: list[tuple[pods.Object, str]] = [
        (container, pods.EPHEMERAL)
        for container in pods.ephemeral_containers(facts.pod)
        if facts.runtime.latest(container["name"]) is None
    ]
    init = _initialize(facts)
    if init.failed:
        return [StopPod()]
    kills = init.kills
    if init.done:
        regular = _regular(facts)
        if regular.over:
            return [StopPod()]
        kills = [*kills, *regular.kills]
        init.starts.extend(regular.starts)
    return [*kills, *(_start_or_wait(facts, container, role) for container, role in [*starts, *init.starts])]


def sandbox_attempt(pod: pods.Object, runtime: observed.PodRuntime) -> int | None:
    """The attempt number of the sandbox that is needed, or None when the present one serves."""
    newest = runtime.sandbox()
    if newest is None:
        return 0
    if len(runtime.ready_sandboxes()) > 1 or not newest.ready:
        return newest.attempt + 1
    if newest.host_network != pods.is_host_network(pod):
        return newest.attempt + 1
    if not newest.host_network and not newest.ips:
        return newest.attempt + 1
    return None


def _without_sandbox(facts: Facts, attempt: int) -> list[Instruction]:
    stop: list[Instruction] = [StopPod()] if facts.runtime.ready_sandboxes() or facts.runtime.running() else []
    pod, runtime = facts.pod, facts.runtime
    if pods.restart_policy(pod) == "Never" and attempt and runtime.containers:
        return stop
    to_start = [container for container in pods.regular_containers(pod) if not _ran_once(pod, container, runtime)]
    if not to_start and any_regular_created(pod, runtime):
        return stop
    return [*stop, RunSandbox(attempt)]


def _ran_once(pod: pods.Object, container: pods.Object, runtime: observed.PodRuntime) -> bool:
    policy = container.get("restartPolicy") or pods.restart_policy(pod)
    latest = runtime.latest(container["name"])
    return bool(policy == "OnFailure" and latest is not None and latest.exited and latest.exit_code == 0)


def any_regular_created(pod: pods.Object, runtime: observed.PodRuntime) -> bool:
    return any(runtime.latest(container["name"]) is not None for container in pods.regular_containers(pod))


@dataclass(slots=True)
class _Init:
    done: bool = False
    failed: bool = False
    kills: list[Kill] = field(default_factory=list)
    starts: list[tuple[pods.Object, str]] = field(default_factory=list)


def _initialize(facts: Facts) -> _Init:
    """How far initialization is. It is read backwards: records of finished init containers may have been removed."""
    containers = pods.init_containers(facts.pod)
    result = _Init()
    if not containers:
        result.done = True
        return result
    active = (contract.CREATED, contract.RUNNING)
    latest = (facts.runtime.latest(container["name"]) for container in pods.regular_containers(facts.pod))
    result.done = past = any(found is not None and found.state in active for found in latest)
    for index in range(len(containers) - 1, -1, -1):
        container = containers[index]
        found = facts.runtime.latest(container["name"])
        sidecar = pods.is_sidecar(container)
        if found is None:
            if past and sidecar:
                result.starts.append((container, pods.SIDECAR))
            continue
        if past and not sidecar:
            continue
        _init_step(facts, result, index, found, past)
        if result.failed:
            return result
        past = True
    if not past:
        result.starts.append((containers[0], _init_role(containers[0])))
    result.starts.reverse()
    return result


def _init_role(container: pods.Object) -> str:
    return pods.SIDECAR if pods.is_sidecar(container) else pods.INIT


def _init_step(facts: Facts, result: _Init, index: int, found: observed.Container, past: bool) -> None:
    """One init container that has a record; ``past`` says that a later one has, too."""
    containers = pods.init_containers(facts.pod)
    container = containers[index]
    again = (container, _init_role(container))
    if pods.is_sidecar(container):
        if found.state == contract.RUNNING:
            _running_sidecar(facts, result, index, found, past)
        else:
            if found.state == contract.UNKNOWN:
                result.kills.append(_unknown(container, found, "Init container"))
            result.starts.append(again)
        return
    if found.state == contract.CREATED:
        # Created and started go together; a container left between the two failed to start.
        result.starts.append(again)
    elif found.state == contract.EXITED and found.exit_code == 0:
        _step_on(result, containers, index)
    elif found.state == contract.EXITED:
        if pods.restarts_after(container, facts.pod, found.exit_code) or _init_retries(facts.pod, container):
            result.starts.append(again)
        else:
            result.failed = True
    elif found.state == contract.UNKNOWN:
        if not _init_retries(facts.pod, container):
            result.failed = True
        else:
            result.kills.append(_unknown(container, found, "Init container"))
            result.starts.append(again)


def _init_retries(pod: pods.Object, container: pods.Object) -> bool:
    return bool((container.get("restartPolicy") or pods.restart_policy(pod)) != "Never")


def _step_on(result: _Init, containers: list[pods.Object], index: int) -> None:
    if index == len(containers) - 1:
        result.done = True
    else:
        following = containers[index + 1]
        result.starts.append((following, _init_role(following)))


def _running_sidecar(facts: Facts, result: _Init, index: int, found: observed.Container, past: bool) -> None:
    containers = pods.init_containers(facts.pod)
    container = containers[index]
    message, reason = "", ""
    if container.get("startupProbe"):
        started = facts.probes.get((found.id, STARTUP))
        if started is False:
            message, reason = f"Init container {container['name']} failed startup probe", STARTUP
        if started is None:
            return
    if not message:
        if index == len(containers) - 1:
            result.done = True
        elif not past:
            _step_on(result, containers, index)
        if found.hash != pods.container_hash(container):
            message = f"Init container {container['name']} definition changed"
        elif container.get("livenessProbe") and facts.probes.get((found.id, LIVENESS)) is False:
            message, reason = f"Init container {container['name']} failed liveness probe", LIVENESS
    if message:
        result.kills.append(Kill(found.id, container["name"], message, reason))
        result.starts.append((container, pods.SIDECAR))


@dataclass(slots=True)
class _Regular:
    over: bool = False
    kills: list[Kill] = field(default_factory=list)
    starts: list[tuple[pods.Object, str]] = field(default_factory=list)


def _regular(facts: Facts) -> _Regular:
    result = _Regular()
    kept = 0
    for container in pods.regular_containers(facts.pod):
        found = facts.runtime.latest(container["name"])
        if found is None or found.state != contract.RUNNING:
            if should_start(facts.pod, container, found):
                result.starts.append((container, pods.REGULAR))
                if found is not None and found.state == contract.UNKNOWN:
                    result.kills.append(_unknown(container, found, "Container"))
            continue
        kill, restart = _why_kill(facts, container, found)
        if kill is None:
            kept += 1
            continue
        if restart:
            kill = Kill(kill.container_id, kill.name, f"{kill.message}, will be restarted", kill.reason)
            result.starts.append((container, pods.REGULAR))
        result.kills.append(kill)
    result.over = not kept and not result.starts
    return result


def should_start(pod: pods.Object, container: pods.Object, found: observed.Container | None) -> bool:
    """Whether a container that does not run is to be started."""
    if pods.is_deleted(pod) or pods.is_terminal(pod):
        return False
    if found is None or found.state in (contract.UNKNOWN, contract.CREATED):
        return True
    if found.state == contract.RUNNING:
        return False
    return pods.restarts_after(container, pod, found.exit_code)


def _why_kill(facts: Facts, container: pods.Object, found: observed.Container) -> tuple[Kill | None, bool]:
    name = container["name"]
    restart = (container.get("restartPolicy") or pods.restart_policy(facts.pod)) != "Never"
    if found.hash != pods.container_hash(container):
        return Kill(found.id, name, f"Container {name} definition changed"), True
    for kind in (LIVENESS, STARTUP):
        if facts.probes.get((found.id, kind)) is False:
            return Kill(found.id, name, f"Container {name} failed {kind} probe", kind), restart
    return None, False


def _unknown(container: pods.Object, found: observed.Container, what: str) -> Kill:
    return Kill(found.id, container["name"], f'{what} is in "unknown" state, try killing it before restart')


def _start_or_wait(facts: Facts, container: pods.Object, role: str) -> Instruction:
    name = container["name"]
    exited = facts.runtime.last_exited(name)
    current = facts.back_offs.get(name)
    if exited is None or current is None or current.expired(exited):
        return Start(name, role)
    until = exited.finished_at + current.delay
    if facts.now >= until:
        return Start(name, role)
    message = f"back-off {_go_seconds(current.delay)} restarting failed container={name} pod={pods.describe(facts.pod)}"
    return Wait(name, message, until)


def _go_seconds(seconds: float) -> str:
    """``10s``, ``2m40s``, ``5m0s``: a Go duration of whole seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
