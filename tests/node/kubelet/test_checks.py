"""Probes of all four kinds, asked of real servers on the loopback interface."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from aiohttp import web

from kijabi.node.cri import contract, hollow
from kijabi.node.kubelet.probes import check

LONG = "s" * 200


@pytest.fixture
async def checker() -> AsyncIterator[check.Checker]:
    runtime = hollow.Hollow()
    runtime.on_disk = True
    runtime.on_exec = lambda container, command: contract.ExecResult(b"said", b"", 0 if command == ["true"] else 1)
    made = check.Checker(runtime)
    yield made
    await made.close()


@pytest.fixture
async def health() -> AsyncIterator[int]:
    """A server of grpc.health.v1: serving as a whole and for a service with a long name, not for ``sick``."""

    async def answer(request: bytes, context: Any) -> bytes:
        if b"sick" in request:
            return b"\x08\x02"
        if request and not request.endswith(LONG.encode()):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        # 200 bytes need a length of two: 0xc8 0x01.
        assert request in (b"", b"\x0a\xc8\x01" + LONG.encode())
        return b"\x08\x01"

    method = grpc.unary_unary_rpc_method_handler(answer, lambda data: data, lambda data: data)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@pytest.fixture
async def page() -> AsyncIterator[int]:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=200 if request.path == "/well" else 503, text="told")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield int(runner.addresses[0][1])
    await runner.cleanup()


def target() -> check.Target:
    return check.Target("id", {"name": "c"}, "127.0.0.1")


@pytest.mark.parametrize(
    ("service", "success", "output"),
    [
        ("", True, "service healthy"),
        (LONG, True, "service healthy"),
        ("sick", False, 'service unhealthy (responded with "NOT_SERVING")'),
        ("none", False, "unknown service"),
    ],
    ids=["the server as a whole", "a long name", "not serving", "unknown"],
)
async def test_grpc(checker: check.Checker, health: int, service: str, success: bool, output: str) -> None:
    result = await checker.ask({"grpc": {"port": health, "service": service}}, target(), 5)
    assert (result.success, output in result.output) == (success, True)


@pytest.mark.parametrize(("path", "success"), [("/well", True), ("/ill", False)])
async def test_http(checker: check.Checker, page: int, path: str, success: bool) -> None:
    result = await checker.ask({"httpGet": {"path": path, "port": page, "scheme": "HTTP"}}, target(), 5)
    assert result.success is success
    assert success or result.output == "HTTP probe failed with statuscode: 503"


@pytest.mark.parametrize("kind", ["tcpSocket", "httpGet", "grpc"])
async def test_nobody_listening_is_a_failure_and_no_error(checker: check.Checker, kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        result = await checker.ask({kind: {"port": port}}, target(), 1)
    assert not result.success
    assert result.output


async def test_tcp_succeeds_when_somebody_accepts(checker: check.Checker, page: int) -> None:
    assert (await checker.ask({"tcpSocket": {"port": page}}, target(), 5)).success


async def test_a_silent_server_times_out(checker: check.Checker) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await checker.ask({"httpGet": {"path": "/", "port": port}}, target(), 0.05)
    server.close()
    assert not result.success
