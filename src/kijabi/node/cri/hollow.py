"""A runtime without containers, for simulation and for tests.

Sandboxes and containers are records; a container runs ``delay`` seconds after it is started and until it is stopped or
a test ends it (``finish``). Sandboxes get addresses from the pod CIDR. Every image is there unless ``missing_images``
names it. Thousands of pods cost a few small objects each and no task.

Left out: there is nothing to exec into, attach to or forward to; those answer upstream's *unimplemented*.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from kijabi.kit import clock
from kijabi.node.cri import contract

EPHEMERAL_EXIT = 137
_UID = "io.kubernetes.pod.uid"


class Addresses:
    """Hands out the host addresses of a CIDR, lowest free first; the network's first one is the gateway's."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.ip_network(cidr)
        self._base = network.network_address
        self._size = network.num_addresses
        self._next = 2
        self._free: list[int] = []

    def take(self) -> str:
        if self._free:
            return str(self._base + self._free.pop())
        if self._next >= self._size - 1:
            raise contract.RuntimeFailure("failed to allocate for range 0: no IP addresses available in range set")
        self._next += 1
        return str(self._base + (self._next - 1))

    def give_back(self, address: str) -> None:
        self._free.append(int(ipaddress.ip_address(address)) - int(self._base))


@dataclass(slots=True)
class _Container:
    listed: contract.Container
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    image: str = ""
    log: list[str] = field(default_factory=list)


class Hollow:
    """``delay`` is seconds from start to running. ``exit_code`` decides how a stopped container ended (0: obeyed)."""

    on_disk = False

    def __init__(
        self,
        pod_cidr: str = "10.244.0.0/24",
        *,
        delay: float = 0.0,
        exit_code: int = 0,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._clock = timepiece
        self._delay = delay
        self._exit_code = exit_code
        self._addresses = Addresses(pod_cidr)
        self._sandboxes: dict[str, contract.Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._by_uid: dict[str, set[str]] = {}
        self._ids = itertools.count(1)
        self._hints: list[asyncio.Queue[str]] = []
        self._pulled: dict[str, int] = {}
        self.missing_images: set[str] = set()
        self.on_exec: Callable[[str, list[str]], contract.ExecResult] | None = None
        self.ready = True

    def set_pod_cidr(self, cidr: str) -> None:
        """Addresses of sandboxes that are made from now on."""
        self._addresses = Addresses(cidr)

    def _id(self) -> str:
        return f"{next(self._ids):064x}"

    async def version(self) -> contract.Version:
        return contract.Version("hollow", "1.0.0")

    async def status(self) -> list[contract.Condition]:
        return [contract.Condition("RuntimeReady", self.ready), contract.Condition("NetworkReady", True)]

    async def run_sandbox(self, config: contract.SandboxConfig, handler: str = "") -> str:
        network = config.linux.security_context.namespace_options.network
        sandbox = contract.Sandbox(
            self._id(), config.metadata, True, self._clock.time(), dict(config.labels), dict(config.annotations)
        )
        sandbox.network = network
        sandbox.ips = [] if network == "NODE" else [self._addresses.take()]
        self._sandboxes[sandbox.id] = sandbox
        self._by_uid.setdefault(config.metadata.uid, set()).add(sandbox.id)
        return sandbox.id

    def _sandbox(self, sandbox_id: str) -> contract.Sandbox:
        found = self._sandboxes.get(sandbox_id)
        if found is None:
            raise contract.NotFound(f'an error occurred when try to find sandbox "{sandbox_id}": not found')
        return found

    async def stop_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.ready:
            return
        sandbox.ready = False
        for container in self._of(sandbox.metadata.uid):
            if container.listed.pod_sandbox_id == sandbox_id and container.listed.state != contract.EXITED:
                self._end(container, EPHEMERAL_EXIT, "Error")
        for address in sandbox.ips:
            self._addresses.give_back(address)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is None:
            return
        uid = sandbox.metadata.uid
        for container in self._of(uid):
            if container.listed.pod_sandbox_id == sandbox_id:
                await self.remove_container(container.listed.id)
        ids = self._by_uid.get(uid, set())
        ids.discard(sandbox_id)
        if not ids:
            self._by_uid.pop(uid, None)

    async def list_sandboxes(self, pod_uid: str = "") -> list[contract.Sandbox]:
        if pod_uid:
            return [self._sandboxes[key] for key in self._by_uid.get(pod_uid, ()) if key in self._sandboxes]
        return list(self._sandboxes.values())

    async def sandbox_status(self, sandbox_id: str) -> contract.Sandbox:
        return self._sandbox(sandbox_id)

    async def create_container(
        self, sandbox_id: str, config: contract.ContainerConfig, sandbox: contract.SandboxConfig
    ) -> str:
        uid = self._sandbox(sandbox_id).metadata.uid
        listed = contract.Container(
            self._id(),
            sandbox_id,
            config.metadata,
            contract.CREATED,
            self._clock.time(),
            config.image.image,
            dict(config.labels),
            dict(config.annotations),
        )
        image = config.image.user_specified_image or config.image.image
        self._containers[listed.id] = _Container(listed, image=image)
        self._by_uid.setdefault(uid, set()).add(listed.id)
        return listed.id

    def _container(self, container_id: str) -> _Container:
        found = self._containers.get(container_id)
        if found is None:
            raise contract.NotFound(f'an error occurred when try to find container "{container_id}": not found')
        return found

    def _of(self, pod_uid: str) -> list[_Container]:
        return [self._containers[key] for key in self._by_uid.get(pod_uid, ()) if key in self._containers]

    async def start_container(self, container_id: str) -> None:
        if self._delay:
            await self._clock.sleep(self._delay)
        container = self._container(container_id)
        container.listed.state = contract.RUNNING
        container.started_at = self._clock.time()

    async def stop_container(self, container_id: str, timeout: int) -> None:
        container = self._container(container_id)
        if container.listed.state != contract.EXITED:
            self._end(container, self._exit_code, "Error" if self._exit_code else "Completed")

    def _end(self, container: _Container, exit_code: int, reason: str) -> None:
        container.listed.state = contract.EXITED
        container.finished_at = self._clock.time()
        container.exit_code = exit_code
        container.reason = reason
        for hints in self._hints:
            hints.put_nowait(container.listed.id)

    def finish(self, pod_uid: str, name: str, exit_code: int = 0, reason: str = "") -> None:
        """End a running container as if its process had exited."""
        for container in self._of(pod_uid):
            if container.listed.metadata.name == name and container.listed.state == contract.RUNNING:
                self._end(container, exit_code, reason or ("Error" if exit_code else "Completed"))

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.pop(container_id, None)
        if container is not None:
            self._by_uid.get(container.listed.labels.get(_UID, ""), set()).discard(container_id)

    async def list_containers(self, pod_uid: str = "") -> list[contract.Container]:
        chosen = self._of(pod_uid) if pod_uid else self._containers.values()
        return [container.listed for container in chosen]

    async def container_status(self, container_id: str) -> contract.ContainerStatus:
        container = self._container(container_id)
        listed = container.listed
        return contract.ContainerStatus(
            id=listed.id,
            metadata=listed.metadata,
            state=listed.state,
            created_at=listed.created_at,
            started_at=container.started_at,
            finished_at=container.finished_at,
            exit_code=container.exit_code,
            image=container.image,
            image_ref=listed.image_ref,
            reason=container.reason,
            labels=listed.labels,
            annotations=listed.annotations,
        )

    async def update_container_resources(self, container_id: str, resources: contract.LinuxResources) -> None:
        self._container(container_id)

    async def reopen_log(self, container_id: str) -> None:
        self._container(container_id)

    async def exec_sync(self, container_id: str, command: list[str], timeout: float) -> contract.ExecResult:
        self._container(container_id)
        if self.on_exec is not None:
            return self.on_exec(container_id, command)
        return contract.ExecResult(b"", b"", 0)

    async def exec(self, request: contract.StreamRequest) -> str:
        raise contract.RuntimeFailure("a hollow container has no process to exec in", "UNIMPLEMENTED")

    async def attach(self, request: contract.StreamRequest) -> str:
        raise contract.RuntimeFailure("a hollow container has no process to attach to", "UNIMPLEMENTED")

    async def port_forward(self, sandbox_id: str, ports: list[int]) -> str:
        raise contract.RuntimeFailure("a hollow sandbox has no ports", "UNIMPLEMENTED")

    async def stats(self) -> list[contract.Stats]:
        now = self._clock.time()
        return [
            contract.Stats(listed.id, listed.metadata.name, listed.labels, now)
            for listed in (container.listed for container in self._containers.values())
            if listed.state == contract.RUNNING
        ]

    async def network_stats(self) -> list[contract.PodNetworkStats]:
        return [contract.PodNetworkStats(box.id, box.labels, "eth0") for box in self._sandboxes.values() if box.ready]

    async def list_images(self) -> list[contract.Image]:
        return [contract.Image(_reference(name), [name], size=size) for name, size in self._pulled.items()]

    async def image_status(self, image: str) -> contract.Image | None:
        if image in self.missing_images:
            return None
        return contract.Image(_reference(image), [image])

    async def pull_image(
        self, image: str, credentials: contract.Credentials | None, sandbox: contract.SandboxConfig | None
    ) -> str:
        if image in self.missing_images:
            raise contract.NotFound(
                f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
            )
        self._pulled[image] = 0
        return _reference(image)

    async def remove_image(self, image: str) -> None:
        self._pulled.pop(image, None)

    async def image_filesystem(self) -> contract.Filesystem | None:
        return None

    async def exits(self) -> AsyncIterator[str]:
        hints: asyncio.Queue[str] = asyncio.Queue()
        self._hints.append(hints)
        try:
            while True:
                yield await hints.get()
        finally:
            self._hints.remove(hints)

    async def close(self) -> None:
        return None


def _reference(image: str) -> str:
    return image if "@" in image else f"hollow.invalid/{image}"
