"""The kubelet's own server: one handler, a table of paths."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import resource
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from kijabi.kit import jsons
from kijabi.node.cri import contract
from kijabi.node.kubelet import agent, logs, observed, pods
from kijabi.node.kubelet.node import machine
from kijabi.node.kubelet.server import auth, measures, streams
from kijabi.node.kubelet.server import logs as log_requests

log = logging.getLogger(__name__)

Route = Callable[[web.BaseRequest, list[str]], Awaitable[web.StreamResponse]]
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_NODE_LOGS: Final = Path("/var/log")


def _json(value: Any) -> web.Response:
    return web.Response(body=jsons.dumps(value), content_type="application/json")


class Server:
    """Serves one kubelet. ``start`` listens, ``close`` ends what is under way."""

    def __init__(self, kubelet: agent.Kubelet, guard: auth.Auth) -> None:
        self._kubelet = kubelet
        self._auth = guard
        self._listener: asyncio.Server | None = None
        self._server: web.Server | None = None
        self._routes: dict[str, Route] = {
            "healthz": self._health,
            "pods": self._pods,
            "runningpods": self._running_pods,
            "containerLogs": self._container_logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._port_forward,
            "run": self._run,
            "stats": self._stats,
            "metrics": self._metrics,
            "configz": self._configz,
            "logs": self._node_logs,
        }

    async def start(self, address: str, port: int, tls: ssl.SSLContext | None) -> int:
        """The port that is listened on (``port`` 0 chooses one)."""
        self._server = web.Server(self._handle, access_log=None, keepalive_timeout=90)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, address or None, port, ssl=tls)
        return int(self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            await self._server.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = await self._auth.check(request)
        if refused is not None:
            return refused
        parts = [part for part in request.path.split("/") if part]
        route = self._routes.get(parts[0]) if parts else None
        if route is None:
            return web.Response(status=404, text="404 page not found\n")
        try:
            return await route(request, parts[1:])
        except contract.RuntimeFailure as error:
            return web.Response(status=500, text=f"{error}\n")

    # Pods by name.

    def _find(self, namespace: str, name: str) -> pods.Object | None:
        for worker in self._kubelet.workers.values():
            if pods.name(worker.pod) == name and pods.namespace(worker.pod) == namespace:
                return worker.pod
        return None

    def _container(self, parts: list[str]) -> tuple[observed.Container | None, str]:
        """The running container that ``NAMESPACE/POD[/UID]/CONTAINER`` names, and the container's name."""
        pod = self._find(parts[0], parts[1]) if len(parts) in (3, 4) else None
        name = parts[-1] if parts else ""
        if pod is None:
            return None, name
        found = self._kubelet.pleg.get(pods.uid(pod)).latest(name)
        return (found if found is not None and found.running else None), name

    # What is served.

    async def _health(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _pods(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        items = [
            {**worker.pod, "status": self._kubelet.writer.current(worker.pod)}
            for worker in self._kubelet.workers.values()
        ]
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _running_pods(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        items = []
        for uid in self._kubelet.pleg.uids():
            runtime = self._kubelet.pleg.get(uid)
            running = [{"name": each.name, "image": each.image, "resources": {}} for each in runtime.running()]
            if running:
                meta = {"name": runtime.name, "namespace": runtime.namespace, "uid": uid}
                items.append({"metadata": meta, "spec": {"containers": running}, "status": {}})
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _container_logs(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if len(parts) != 3:
            return web.Response(status=404, text="404 page not found\n")
        pod = self._find(parts[0], parts[1])
        if pod is None:
            return web.Response(status=404, text=f'pod "{parts[1]}" does not exist')
        if pods.container(pod, parts[2]) is None:
            return web.Response(status=404, text=f'container "{parts[2]}" not found in pod "{parts[1]}"')
        try:
            options, previous = log_requests.options(dict(request.query), self._kubelet.clock.time())
            status = self._kubelet.writer.current(pod)
            wanted = log_requests.container_id(pod, status, parts[2], previous)
        except log_requests.BadQuery as error:
            return web.Response(status=error.status, text=str(error))
        return await self._stream_log(request, pods.uid(pod), wanted, options)

    async def _stream_log(
        self, request: web.BaseRequest, uid: str, container_id: str, options: logs.Options
    ) -> web.StreamResponse:
        def find() -> observed.Container | None:
            found = self._kubelet.pleg.get(uid).containers
            return next((each for each in found if each.id == container_id), None)

        container = find()
        if container is None or not container.log_path:
            shown = f"{self._kubelet.runtime_name}://{container_id}"
            return web.Response(status=200, text=f"unable to retrieve container logs for {shown}")

        def ended() -> bool:
            now = find()
            return now is None or not now.running

        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        try:
            async for text in logs.read(container.log_path, options, ended):
                await answer.write(text)
        except OSError as error:
            if not isinstance(error, ConnectionError):
                await answer.write(f"failed to try resolving symlinks in path: {error}\n".encode())
        return answer

    async def _exec(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        command = tuple(request.query.getall("command", []))
        return await self._remote(request, parts, command, self._kubelet.runtime.exec)

    async def _attach(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        found = pods.container(self._find(parts[0], parts[1]) or {"spec": {}}, parts[-1]) if len(parts) >= 3 else None
        # Attached to is what the container was started with, whatever the client asks for.
        tty = bool(found[0].get("tty")) if found is not None else None
        return await self._remote(request, parts, (), self._kubelet.runtime.attach, tty)

    async def _remote(
        self,
        request: web.BaseRequest,
        parts: list[str],
        command: tuple[str, ...],
        ask: Callable[[contract.StreamRequest], Awaitable[str]],
        tty: bool | None = None,
    ) -> web.StreamResponse:
        query = request.query
        chosen_tty = _on(query.get("tty", "")) if tty is None else tty
        wanted = streams.Wanted(
            stdin=_on(query.get("input", "") or query.get("stdin", "")),
            stdout=_on(query.get("output", "") or query.get("stdout", "")),
            stderr=_on(query.get("error", "") or query.get("stderr", "")) and not chosen_tty,
            tty=chosen_tty,
        )
        if not (wanted.stdin or wanted.stdout or wanted.stderr):
            return web.Response(status=400, text="you must specify at least 1 of stdin, stdout, stderr")
        found, name = self._container(parts)
        if found is None:
            return web.Response(status=404, text=f'container not found ("{name}")')
        stream = contract.StreamRequest(found.id, command, wanted.tty, wanted.stdin, wanted.stdout, wanted.stderr)
        return await streams.serve(request, lambda: ask(stream), wanted)

    async def _port_forward(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        pod = self._find(parts[0], parts[1]) if len(parts) in (2, 3) else None
        sandbox = self._kubelet.pleg.get(pods.uid(pod)).sandbox() if pod is not None else None
        if sandbox is None or not sandbox.ready:
            return web.Response(status=404, text="pod does not exist")
        texts = [each for value in request.query.getall("port", []) for each in value.split(",")]
        texts += [each for value in request.query.getall("ports", []) for each in value.split(",")]
        if any(not each.isdigit() or not 0 < int(each) < 65536 for each in texts):
            return web.Response(status=400, text=f"invalid ports {','.join(texts)}")
        ports = [int(each) for each in texts]
        return await streams.serve_ports(request, lambda: self._kubelet.runtime.port_forward(sandbox.id, ports), ports)

    async def _run(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        found, name = self._container(parts)
        if found is None:
            return web.Response(status=404, text=f'container not found ("{name}")')
        form = await request.post()
        command = str(form.get("cmd") or request.query.get("cmd", "")).split()
        done = await self._kubelet.runtime.exec_sync(found.id, command, 0)
        return web.Response(status=200 if done.exit_code == 0 else 500, body=done.stdout + done.stderr)

    async def _usage(self) -> measures.Usage:
        kubelet = self._kubelet
        info = machine.memory_info()
        disk, free = machine.disk_size(kubelet.options.root_dir)
        filesystem = await kubelet.runtime.image_filesystem()
        node = measures.NodeUsage(
            name=kubelet.node_name,
            now=kubelet.clock.time(),
            started=kubelet.clock.time() - _uptime(),
            cpu_nanoseconds=_cpu_nanoseconds(),
            memory_total=info.get("MemTotal", 0),
            memory_available=info.get("MemAvailable", 0),
            disk_total=disk,
            disk_available=free,
            images_bytes=filesystem.used_bytes if filesystem is not None else 0,
        )
        runtimes = [kubelet.pleg.get(uid) for uid in kubelet.pleg.uids()]
        started = {each.id: each.started_at for runtime in runtimes for each in runtime.containers}
        return measures.Usage(node, await kubelet.runtime.stats(), await kubelet.runtime.network_stats(), started)

    async def _stats(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if parts != ["summary"]:
            return web.Response(status=404, text="404 page not found\n")
        return _json(measures.summary(await self._usage()))

    async def _metrics(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if not parts:
            text = measures.own_metrics(self._counts())
        elif parts == ["resource"]:
            text = measures.resource_metrics(await self._usage())
        elif parts == ["cadvisor"]:
            text = measures.cadvisor_metrics(await self._usage())
        elif parts == ["probes"]:
            text = ""
        else:
            return web.Response(status=404, text="404 page not found\n")
        return web.Response(body=text.encode(), headers={"Content-Type": _TEXT})

    def _counts(self) -> dict[str, float]:
        runtimes = [self._kubelet.pleg.get(uid) for uid in self._kubelet.pleg.uids()]
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "kubelet_running_pods": sum(bool(runtime.ready_sandboxes()) for runtime in runtimes),
            "kubelet_running_containers": sum(len(runtime.running()) for runtime in runtimes),
            "kubelet_desired_pods": len(self._kubelet.workers),
            "process_resident_memory_bytes": _resident(),
            "process_cpu_seconds_total": used.ru_utime + used.ru_stime,
        }

    async def _configz(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        settings = dataclasses.asdict(self._kubelet.options)
        kind = {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1"}
        return _json({"kubeletconfig": {**kind, **{_camel(name): value for name, value in settings.items()}}})

    async def _node_logs(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        """Files below /var/log, directories as a list of links."""
        wanted = await asyncio.to_thread(lambda: _NODE_LOGS.joinpath(*parts).resolve())
        if not wanted.is_relative_to(_NODE_LOGS):
            return web.Response(status=404, text="404 page not found\n")
        if wanted.is_file():
            return web.FileResponse(wanted)
        if not wanted.is_dir():
            return web.Response(status=404, text="404 page not found\n")
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in os.scandir(wanted))
        links = "\n".join(f'<a href="{name}">{name}</a>' for name in names)
        return web.Response(text=f"<!doctype html>\n<pre>\n{links}\n</pre>\n", content_type="text/html")


def _on(text: str) -> bool:
    return text in ("1", "true")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def _cpu_nanoseconds() -> int:
    """All processors' busy time since boot."""
    fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    busy = sum(fields) - fields[3] - fields[4]
    return busy * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
