"""A runtime behind a CRI v1 socket, over gRPC. Tried with containerd 1.6; nothing but ``exits`` is containerd's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
import grpc.aio
from cri_api.v1 import api_pb2 as pb
from cri_api.v1 import api_pb2_grpc as stubs

from kijabi.node.cri import contract, wire

POD_UID_LABEL = "io.kubernetes.pod.uid"
# Upstream's --runtime-request-timeout. Pulls have none: only progress tells whether a pull hangs.
TIMEOUT = 120.0
_EVENTS = "/containerd.services.events.v1.Events/Subscribe"
_LIMIT = 16 * 1024 * 1024


async def _call(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except grpc.aio.AioRpcError as error:
        raise failure(error) from error


def failure(error: grpc.aio.AioRpcError) -> contract.RuntimeFailure:
    code, message = error.code(), error.details() or ""
    if code == grpc.StatusCode.NOT_FOUND:
        return contract.NotFound(message)
    if code == grpc.StatusCode.UNAVAILABLE:
        return contract.Unavailable(message)
    return contract.RuntimeFailure(message, code.name)


class Containerd:
    """``endpoint`` is ``unix:///run/containerd/containerd.sock`` or a bare path."""

    on_disk = True

    def __init__(self, endpoint: str) -> None:
        path = endpoint.removeprefix("unix://")
        options = [
            ("grpc.max_receive_message_length", _LIMIT),
            ("grpc.max_send_message_length", _LIMIT),
            # A runtime that restarts must be found again at once, not after gRPC's two minutes.
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            # Proxies of the environment are not for a local socket.
            ("grpc.enable_http_proxy", 0),
        ]
        self._channel = grpc.aio.insecure_channel(f"unix:{path}", options=options)
        self._runtime = stubs.RuntimeServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._images = stubs.ImageServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated code

    async def version(self) -> contract.Version:
        answer = await _call(self._runtime.Version(pb.VersionRequest(), timeout=5))
        return contract.Version(answer.runtime_name, answer.runtime_version, answer.runtime_api_version)

    async def status(self) -> list[contract.Condition]:
        answer = await _call(self._runtime.Status(pb.StatusRequest(), timeout=5))
        return [
            contract.Condition(entry.type, entry.status, entry.reason, entry.message)
            for entry in answer.status.conditions
        ]

    async def run_sandbox(self, config: contract.SandboxConfig, handler: str = "") -> str:
        request = pb.RunPodSandboxRequest(config=wire.sandbox_config(config), runtime_handler=handler)
        # Setting up the network may be slow; upstream doubles the timeout here too.
        answer = await _call(self._runtime.RunPodSandbox(request, timeout=2 * TIMEOUT))
        return str(answer.pod_sandbox_id)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await _call(self._runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id), timeout=TIMEOUT))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        request = pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _call(self._runtime.RemovePodSandbox(request, timeout=TIMEOUT))

    async def list_sandboxes(self, pod_uid: str = "") -> list[contract.Sandbox]:
        request = pb.ListPodSandboxRequest()
        if pod_uid:
            request.filter.label_selector[POD_UID_LABEL] = pod_uid
        answer = await _call(self._runtime.ListPodSandbox(request, timeout=TIMEOUT))
        return [wire.sandbox(entry) for entry in answer.items]

    async def sandbox_status(self, sandbox_id: str) -> contract.Sandbox:
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        return wire.sandbox((await _call(self._runtime.PodSandboxStatus(request, timeout=TIMEOUT))).status)

    async def create_container(
        self, sandbox_id: str, config: contract.ContainerConfig, sandbox: contract.SandboxConfig
    ) -> str:
        request = pb.CreateContainerRequest(
            pod_sandbox_id=sandbox_id,
            config=wire.container_config(config),
            sandbox_config=wire.sandbox_config(sandbox),
        )
        return str((await _call(self._runtime.CreateContainer(request, timeout=TIMEOUT))).container_id)

    async def start_container(self, container_id: str) -> None:
        await _call(self._runtime.StartContainer(pb.StartContainerRequest(container_id=container_id), timeout=TIMEOUT))

    async def stop_container(self, container_id: str, timeout: int) -> None:
        request = pb.StopContainerRequest(container_id=container_id, timeout=timeout)
        await _call(self._runtime.StopContainer(request, timeout=TIMEOUT + timeout))

    async def remove_container(self, container_id: str) -> None:
        request = pb.RemoveContainerRequest(container_id=container_id)
        await _call(self._runtime.RemoveContainer(request, timeout=TIMEOUT))

    async def list_containers(self, pod_uid: str = "") -> list[contract.Container]:
        request = pb.ListContainersRequest()
        if pod_uid:
            request.filter.label_selector[POD_UID_LABEL] = pod_uid
        answer = await _call(self._runtime.ListContainers(request, timeout=TIMEOUT))
        return [wire.container(entry) for entry in answer.containers]

    async def container_status(self, container_id: str) -> contract.ContainerStatus:
        request = pb.ContainerStatusRequest(container_id=container_id)
        return wire.container_status((await _call(self._runtime.ContainerStatus(request, timeout=TIMEOUT))).status)

    async def update_container_resources(self, container_id: str, resources: contract.LinuxResources) -> None:
        request = pb.UpdateContainerResourcesRequest(container_id=container_id)
        wire.fill(request.linux, resources)
        await _call(self._runtime.UpdateContainerResources(request, timeout=TIMEOUT))

    async def reopen_log(self, container_id: str) -> None:
        request = pb.ReopenContainerLogRequest(container_id=container_id)
        await _call(self._runtime.ReopenContainerLog(request, timeout=TIMEOUT))

    async def exec_sync(self, container_id: str, command: list[str], timeout: float) -> contract.ExecResult:
        # CRI counts whole seconds; the call itself gets a little longer so that the runtime's own error wins.
        seconds = max(1, round(timeout)) if timeout else 0
        request = pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=seconds)
        answer = await _call(self._runtime.ExecSync(request, timeout=seconds + 10 if seconds else None))
        return contract.ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec(self, request: contract.StreamRequest) -> str:
        message = pb.ExecRequest(
            container_id=request.container_id,
            cmd=request.command,
            tty=request.tty,
            stdin=request.stdin,
            stdout=request.stdout,
            stderr=request.stderr and not request.tty,
        )
        return str((await _call(self._runtime.Exec(message, timeout=TIMEOUT))).url)

    async def attach(self, request: contract.StreamRequest) -> str:
        message = pb.AttachRequest(
            container_id=request.container_id,
            tty=request.tty,
            stdin=request.stdin,
            stdout=request.stdout,
            stderr=request.stderr and not request.tty,
        )
        return str((await _call(self._runtime.Attach(message, timeout=TIMEOUT))).url)

    async def port_forward(self, sandbox_id: str, ports: list[int]) -> str:
        request = pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports)
        return str((await _call(self._runtime.PortForward(request, timeout=TIMEOUT))).url)

    async def stats(self) -> list[contract.Stats]:
        answer = await _call(self._runtime.ListContainerStats(pb.ListContainerStatsRequest(), timeout=TIMEOUT))
        return [wire.stats(entry) for entry in answer.stats]

    async def network_stats(self) -> list[contract.PodNetworkStats]:
        answer = await _call(self._runtime.ListPodSandboxStats(pb.ListPodSandboxStatsRequest(), timeout=TIMEOUT))
        return [wire.network_stats(entry) for entry in answer.stats]

    async def list_images(self) -> list[contract.Image]:
        answer = await _call(self._images.ListImages(pb.ListImagesRequest(), timeout=TIMEOUT))
        return [wire.image(entry) for entry in answer.images]

    async def image_status(self, image: str) -> contract.Image | None:
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=image))
        answer = await _call(self._images.ImageStatus(request, timeout=TIMEOUT))
        return wire.image(answer.image) if answer.HasField("image") and answer.image.id else None

    async def pull_image(
        self, image: str, credentials: contract.Credentials | None, sandbox: contract.SandboxConfig | None
    ) -> str:
        request = pb.PullImageRequest(image=pb.ImageSpec(image=image))
        if credentials is not None:
            wire.fill(request.auth, credentials)
        if sandbox is not None:
            wire.fill(request.sandbox_config, sandbox)
        return str((await _call(self._images.PullImage(request))).image_ref)

    async def remove_image(self, image: str) -> None:
        request = pb.RemoveImageRequest(image=pb.ImageSpec(image=image))
        await _call(self._images.RemoveImage(request, timeout=TIMEOUT))

    async def image_filesystem(self) -> contract.Filesystem | None:
        answer = await _call(self._images.ImageFsInfo(pb.ImageFsInfoRequest(), timeout=TIMEOUT))
        for usage in answer.image_filesystems:
            return contract.Filesystem(
                usage.fs_id.mountpoint, usage.used_bytes.value, usage.inodes_used.value, usage.timestamp / 1e9
            )
        return None

    async def exits(self) -> AsyncIterator[str]:
        """containerd's own event stream on the same socket; another CRI server answers UNIMPLEMENTED."""
        subscribe = self._channel.unary_stream(_EVENTS, request_serializer=bytes, response_deserializer=bytes)
        # SubscribeRequest: one filter per topic, field 1.
        filters = [b'topic=="/tasks/exit"', b'topic=="/tasks/oom"']
        request = b"".join(b"\x0a" + bytes([len(text)]) + text for text in filters)
        try:
            async for envelope in subscribe(request):
                container_id = wire.exited_container(envelope)
                if container_id is not None:
                    yield container_id
        except grpc.aio.AioRpcError as error:
            raise failure(error) from error

    async def close(self) -> None:
        await self._channel.close()
