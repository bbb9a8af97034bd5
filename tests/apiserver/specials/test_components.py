"""ComponentStatuses, computed when they are asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kijabi.apiserver import contract, program
from kijabi.apiserver.options import Options
from kijabi.apiserver.specials import components
from kijabi.client import rest, transport
from kijabi.kit import pki
from kijabi.store import memory

ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))


async def free_port() -> int:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return port


async def test_a_component_that_is_not_there_is_told_as_go_tells_it() -> None:
    port = await free_port()
    where = f"127.0.0.1:{port}"
    assert await components.probe(port) == (
        f'Get "https://{where}/healthz": dial tcp {where}: connect: connection refused'
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok", ""),
        (b"HTTP/1.1 500 No\r\n\r\nbad", "HTTP probe failed with statuscode: 500 b'bad'"),
        (b"", "HTTP probe failed with statuscode: none b''"),
    ],
)
async def test_a_component_is_asked_for_its_health(tmp_path: Path, answer: bytes, problem: str) -> None:
    authority = pki.create_ca("test")
    pki.write(pki.issue(authority, "x", ips=["127.0.0.1"], server=True), tmp_path, "x")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /healthz ")
        writer.write(answer)
        await writer.drain()
        writer.close()

    tls = pki.server_context(tmp_path / "x.crt", tmp_path / "x.key", None)
    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls) as listener:
        assert await components.probe(listener.sockets[0].getsockname()[1]) == problem


async def test_they_are_listed_and_read_one_by_one() -> None:
    assembly = program.build(Options(endpoint_reconciler_type="none"), memory.MemoryStore())
    await assembly.start()
    client = rest.Client(transport.Local(assembly.api.handle, ADMIN))
    listed = await client.raw("GET", "/api/v1/componentstatuses")
    assert listed["kind"] == "ComponentStatusList"
    assert [one["metadata"]["name"] for one in listed["items"]] == ["controller-manager", "scheduler", "etcd-0"]
    store = await client.raw("GET", "/api/v1/componentstatuses/etcd-0")
    assert store["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    with pytest.raises(rest.errors.NotFound):
        await client.raw("GET", "/api/v1/componentstatuses/none")
    await assembly.close()
