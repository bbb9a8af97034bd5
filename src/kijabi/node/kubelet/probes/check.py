"""Asking one probe once: exec, httpGet, tcpSocket, grpc."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import grpc
import grpc.aio

from kijabi.node.cri import contract
from kijabi.node.kubelet import environment, pods

_BODY = 10 * 1024
_OUTPUT = 10 * 1024
_USER_AGENT = "kube-probe/1.36"
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = 1
_STATUS_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class Errored(Exception):
    """The probe could not be asked; that is no result."""


@dataclass(frozen=True, slots=True)
class Result:
    success: bool
    output: str = ""
    warning: bool = False


@dataclass(slots=True)
class Target:
    """What is probed: one container, at the pod's address."""

    container_id: str
    container: pods.Object
    address: str


class Checker:
    """``session`` is opened late and closed by ``close``."""

    def __init__(self, runtime: contract.Runtime) -> None:
        self._runtime = runtime
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, probe: dict[str, Any], target: Target, timeout: float) -> Result:
        if probe.get("exec"):
            return await self._exec(probe["exec"].get("command") or [], target, timeout)
        if not self._runtime.on_disk:
            # Nothing listens behind a simulated pod; it is as well as its runtime says.
            return Result(True)
        if probe.get("httpGet"):
            return await self.http(probe["httpGet"], target, timeout, _USER_AGENT)
        if probe.get("tcpSocket"):
            action = probe["tcpSocket"]
            return await _tcp(action.get("host") or target.address, port(action["port"], target.container), timeout)
        if probe.get("grpc"):
            action = probe["grpc"]
            return await _grpc(target.address, int(action["port"]), action.get("service") or "", timeout)
        raise Errored("missing probe handler")

    async def _exec(self, command: list[str], target: Target, timeout: float) -> Result:
        static = {entry["name"]: entry.get("value") or "" for entry in target.container.get("env") or ()}
        expanded = [environment.expand(part, static.get) for part in command]
        try:
            done = await self._runtime.exec_sync(target.container_id, expanded, timeout)
        except contract.RuntimeFailure as error:
            if error.code == "DEADLINE_EXCEEDED":
                return Result(False, f"command timed out: {error}")
            raise Errored(str(error)) from error
        output = (done.stdout + done.stderr)[:_OUTPUT].decode(errors="replace")
        return Result(done.exit_code == 0, output)

    async def http(self, action: dict[str, Any], target: Target, timeout: float, user_agent: str) -> Result:
        """GET as a probe does it: 200 to 399 is success, a redirect to another host a warning."""
        address = action.get("host") or target.address
        number = port(action["port"], target.container)
        path = "/" + (action.get("path") or "").removeprefix("/")
        host = f"[{address}]" if ":" in address else address
        url = f"{(action.get('scheme') or 'HTTP').lower()}://{host}:{number}{path}"
        headers = {"User-Agent": user_agent, "Accept": "*/*"}
        headers.update({entry["name"]: entry.get("value", "") for entry in action.get("httpHeaders") or ()})
        try:
            async with asyncio.timeout(timeout):
                return await self._get(url, headers, host)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Result(False, f'Get "{url}": {why}')
        except aiohttp.ClientConnectorError as error:
            return Result(False, f'Get "{url}": dial tcp {host}:{number}: {_dial(error.os_error)}')
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            return Result(False, f'Get "{url}": {error or "EOF"}')

    async def _get(self, url: str, headers: dict[str, str], host: str) -> Result:
        for _ in range(10):
            async with self._open().get(url, headers=headers, allow_redirects=False, ssl=False) as answer:
                body = (await answer.content.read(_BODY)).decode(errors="replace")
                location = answer.headers.get("Location")
                if 300 <= answer.status < 400 and location:
                    following = urljoin(url, location)
                    if urlsplit(following).hostname != urlsplit(url).hostname:
                        return Result(True, f"Probe terminated redirects, Response body: {body}", warning=True)
                    url = following
                    continue
                if 200 <= answer.status < 400:
                    return Result(True, body)
                return Result(False, f"HTTP probe failed with statuscode: {answer.status}")
        return Result(False, f'Get "{url}": stopped after 10 redirects')

    def _open(self) -> aiohttp.ClientSession:
        # A new connection each time: a probe must see whether one can be made.
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session


def port(wanted: int | str, container: pods.Object) -> int:
    if isinstance(wanted, int):
        return wanted
    for entry in container.get("ports") or ():
        if entry.get("name") == wanted:
            return int(entry["containerPort"])
    if wanted.isdigit():
        return int(wanted)
    raise Errored(f"couldn't find port: {wanted}")


async def _tcp(host: str, number: int, timeout: float) -> Result:
    where = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, number)
    except TimeoutError:
        return Result(False, f"dial tcp {where}: i/o timeout")
    except OSError as error:
        return Result(False, f"dial tcp {where}: {_dial(error)}")
    writer.close()
    return Result(True)


def _dial(error: OSError) -> str:
    texts = {
        errno.ECONNREFUSED: "connect: connection refused",
        errno.EHOSTUNREACH: "connect: no route to host",
        errno.ENETUNREACH: "connect: network is unreachable",
        errno.ECONNRESET: "connect: connection reset by peer",
        errno.ETIMEDOUT: "connect: connection timed out",
    }
    return texts.get(error.errno or 0, f"connect: {(error.strerror or str(error)).lower()}")


async def _grpc(host: str, number: int, service: str, timeout: float) -> Result:
    where = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    request = _health_request(service)
    options = [("grpc.primary_user_agent", _USER_AGENT), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(where, options=options) as channel:
        try:
            async with asyncio.timeout(timeout):
                await channel.channel_ready()
        except TimeoutError:
            why = "context deadline exceeded"
            return Result(False, f'timeout: failed to connect service "{where}" within {timeout:g}s: {why}')
        check = channel.unary_unary(_HEALTH, request_serializer=bytes, response_deserializer=bytes)
        try:
            answer: bytes = await check(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return Result(False, _rpc_failure(error, timeout))
    # HealthCheckResponse: field 1 is the status, absent when 0.
    status = answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0
    if status != _SERVING:
        return Result(False, f'service unhealthy (responded with "{_STATUS_NAMES.get(status, status)}")')
    return Result(True, "service healthy")


def _health_request(service: str) -> bytes:
    """A HealthCheckRequest: field 1 is the service's name, left out when it is empty."""
    name = service.encode()
    length, left = bytearray(), len(name)
    while left > 127:
        length.append(left & 127 | 128)
        left >>= 7
    length.append(left)
    return b"\x0a" + bytes(length) + name if name else b""


def _rpc_failure(error: grpc.aio.AioRpcError, timeout: float) -> str:
    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
        return (
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
            f"{error.details() or ''}"
        )
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"timeout: health rpc did not complete within {timeout:g}s"
    failure = contract.RuntimeFailure(error.details() or "", error.code().name)
    return f"error: health rpc probe failed: {failure}"
