"""What the runtime says about one pod, as plain data; both lists newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kijabi.node.cri import contract
from kijabi.node.kubelet import labels


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the runtime. Times are seconds since the epoch."""

    id: str
    name: str
    sandbox_id: str
    state: str
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_ref: str = ""
    restart_count: int = 0
    hash: str = ""
    log_path: str = ""
    grace_seconds: int | None = None

    @property
    def running(self) -> bool:
        return self.state == contract.RUNNING

    @property
    def exited(self) -> bool:
        return self.state == contract.EXITED


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: str
    attempt: int
    ready: bool
    created_at: float
    ips: tuple[str, ...] = ()
    host_network: bool = False


@dataclass(slots=True)
class PodRuntime:
    """Everything of one pod. ``latest`` is a container's newest incarnation, ``previous`` the one before."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: list[Sandbox] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)

    def latest(self, name: str) -> Container | None:
        return next((found for found in self.containers if found.name == name), None)

    def previous(self, name: str) -> Container | None:
        matching = (found for found in self.containers if found.name == name)
        next(matching, None)
        return next(matching, None)

    def last_exited(self, name: str) -> Container | None:
        return next((found for found in self.containers if found.name == name and found.exited), None)

    def running(self) -> list[Container]:
        return [found for found in self.containers if found.state in (contract.RUNNING, contract.UNKNOWN)]

    @property
    def grace_seconds(self) -> int | None:
        """What the pod asked for when its containers were made."""
        return max((found.grace_seconds for found in self.containers if found.grace_seconds is not None), default=None)

    def sandbox(self) -> Sandbox | None:
        return self.sandboxes[0] if self.sandboxes else None

    def ready_sandboxes(self) -> list[Sandbox]:
        return [found for found in self.sandboxes if found.ready]


def container(status: contract.ContainerStatus, sandbox_id: str) -> Container:
    annotations = status.annotations
    return Container(
        id=status.id,
        name=status.metadata.name,
        sandbox_id=sandbox_id,
        state=status.state,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason or _reason(status),
        message=status.message,
        image=status.image,
        image_ref=status.image_ref,
        restart_count=labels.restart_count(annotations),
        hash=annotations.get(labels.CONTAINER_HASH, ""),
        log_path=status.log_path,
        grace_seconds=labels.grace_seconds(annotations),
    )


def _reason(status: contract.ContainerStatus) -> str:
    if status.state != contract.EXITED:
        return ""
    return "Completed" if status.exit_code == 0 else "Error"


def sandbox(found: contract.Sandbox) -> Sandbox:
    return Sandbox(
        found.id, found.metadata.attempt, found.ready, found.created_at, tuple(found.ips), found.network == "NODE"
    )


def assemble(uid: str, sandboxes: Iterable[contract.Sandbox], containers: Iterable[Container]) -> PodRuntime:
    boxes = sorted(sandboxes, key=lambda box: (box.created_at, box.id), reverse=True)
    pod = PodRuntime(uid)
    if boxes:
        pod.name, pod.namespace = boxes[0].metadata.name, boxes[0].metadata.namespace
    pod.sandboxes = [sandbox(box) for box in boxes]
    pod.containers = sorted(containers, key=lambda each: (each.created_at, each.restart_count), reverse=True)
    return pod
