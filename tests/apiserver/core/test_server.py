"""The API server on a real TLS socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from kijabi.apiserver import connection, contract, framing, server
from kijabi.kit import http, pki

MAPS = "/api/v1/namespaces/default/configmaps"


class ByCertificate:
    """The user is the certificate's common name; counts how often it is asked."""

    asked = 0

    async def authenticate(self, request: http.Request) -> contract.UserInfo | None:
        ByCertificate.asked += 1
        if request.peer_certificate is None:
            return contract.ANONYMOUS
        from_der = ssl.DER_cert_to_PEM_cert(request.peer_certificate)
        assert "BEGIN CERTIFICATE" in from_der
        return contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    authority = pki.create_ca("test")
    pki.write(authority, tmp_path, "ca")
    pki.write(pki.issue(authority, "kube-apiserver", ips=["127.0.0.1"], server=True), tmp_path, "server")
    pki.write(pki.issue(authority, "admin", organizations=["system:masters"], client=True), tmp_path, "admin")
    return tmp_path


@pytest.fixture
async def port(api: Any, files: Path) -> AsyncIterator[int]:
    api.server._steps.authenticator = ByCertificate()
    ByCertificate.asked = 0
    listener = server.SocketServer(api.server.handle)
    tls = pki.server_context(files / "server.crt", files / "server.key", files / "ca.crt")
    await listener.listen("127.0.0.1", 0, tls)
    yield listener.address[1]
    api.reg.feed.close()
    await listener.close(0.1)


@contextlib.asynccontextmanager
async def session(files: Path, port: int, certificate: bool = True) -> AsyncIterator[aiohttp.ClientSession]:
    shown = (files / "admin.crt", files / "admin.key") if certificate else (None, None)
    tls = pki.client_context(files / "ca.crt", *shown)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as opened:
        yield opened


async def raw(files: Path, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    tls = pki.client_context(files / "ca.crt", files / "admin.crt", files / "admin.key")
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls)


async def test_a_certificate_is_looked_at_once_per_connection(files: Path, port: int, objects: Any) -> None:
    async with session(files, port) as client:
        async with client.post(MAPS, json=objects.config_map("a")) as answer:
            assert answer.status == 201
        for _ in range(3):
            async with client.get(f"{MAPS}/a") as answer:
                assert (await answer.json())["metadata"]["name"] == "a"
    assert ByCertificate.asked == 1


async def test_without_a_certificate_one_is_anonymous(files: Path, port: int, objects: Any) -> None:
    async with session(files, port, certificate=False) as client:
        async with client.post(MAPS, json=objects.config_map("a")) as answer:
            assert answer.status == 403
            assert 'User "system:anonymous"' in (await answer.json())["message"]


async def test_a_watch_streams_and_notices_that_its_client_left(
    api: Any, files: Path, port: int, objects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = api.reg.caches["/registry/configmaps/"]
    gone = asyncio.Event()
    forget = cache.unwatch
    monkeypatch.setattr(cache, "unwatch", lambda watcher: (forget(watcher), gone.set()))
    async with session(files, port) as client:
        async with client.get(f"{MAPS}?watch=true") as answer:
            async with client.post(MAPS, json=objects.config_map("a")):
                pass
            event = json.loads(await answer.content.readline())
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
            assert len(cache.watchers()) == 1
            answer.close()
        await asyncio.wait_for(gone.wait(), 5)
        assert cache.watchers() == []


async def test_big_lists_are_compressed_for_who_asks(files: Path, port: int, objects: Any) -> None:
    big = {**objects.config_map("a"), "data": {"x": "y" * 200_000}}
    async with session(files, port) as client:
        async with client.post(MAPS, json=big) as answer:
            assert answer.status == 201
        headers = {"Accept-Encoding": "gzip"}
        async with client.get(MAPS, headers=headers) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert len((await answer.json())["items"][0]["data"]["x"]) == 200_000
        async with client.get(MAPS, headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip; q=0", False),
        ("deflate, br", False),
        ("xgzip", False),
        ("", False),
    ],
)
def test_who_takes_gzip(accepted: str, taken: bool) -> None:
    assert framing.takes_gzip(accepted) is taken


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_more_than_3_mib_is_413(files: Path, port: int, chunked: bool) -> None:
    reader, writer = await raw(files, port)
    size = connection.BODY_LIMIT + 1
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    if chunked:
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n".encode() + b" " * size + b"\r\n0\r\n\r\n")
    else:
        writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode())
    status = (await reader.readline()).split()[1]
    rest = await reader.read(100_000)
    assert status == b"413"
    assert b"Request entity too large: limit is 3145728" in rest
    writer.close()


async def test_what_is_not_http_is_400_and_hurts_nobody(files: Path, port: int) -> None:
    reader, writer = await raw(files, port)
    writer.write(b"\x16\x03nonsense\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    async with session(files, port) as client:
        async with client.get("/version") as answer:
            assert answer.status == 200


async def test_a_client_that_never_finishes_its_request_is_cut_off(
    files: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL", 0.05)
    reader, writer = await raw(files, port)
    writer.write(b"GET /api/v1/po")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    reader, writer = await raw(files, port)
    writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
    writer.close()


async def test_a_takeover_writes_by_itself(api: Any, files: Path, port: int) -> None:
    async def shell(context: contract.RequestContext) -> http.Response:
        async def take(wire: Any) -> None:
            wire.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello")

        return http.Response(101, takeover=take)

    api.server._specials["", "pods", "exec", "POST"] = shell
    reader, writer = await raw(files, port)
    writer.write(b"POST /api/v1/namespaces/default/pods/p/exec HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.read() == b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello"
    writer.close()


def test_compressed_bytes_are_gzip() -> None:
    assert gzip.decompress(framing.gzip(b"x" * 1000)) == b"x" * 1000


def test_uvloops_transports_do_as_well(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have the methods of asyncio's, but are not of its classes."""
    monkeypatch.setattr(connection, "STALL", 0.05)

    async def answer(request: http.Request) -> http.Response:
        return http.Response(200, b"x" * 200_000, {"Content-Type": "text/plain"})

    async def main() -> tuple[bytes, bytes]:
        listener = server.SocketServer(answer)
        tls = pki.server_context(files / "server.crt", files / "server.key", files / "ca.crt")
        await listener.listen("127.0.0.1", 0, tls)
        async with session(files, listener.address[1]) as client, client.get("/x") as got:
            body = await got.read()
        reader, writer = await raw(files, listener.address[1])
        writer.write(b"GET /never")
        try:
            silence = await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            silence = b""
        writer.close()
        await listener.close(0.1)
        return body, silence

    assert uvloop.run(main()) == (b"x" * 200_000, b"")


async def test_a_caller_over_tls_can_act_as_another(files: Path, port: int) -> None:
    async with session(files, port) as client:
        headers = {"Impersonate-User": "jane"}
        async with client.get(f"https://127.0.0.1:{port}{MAPS}", headers=headers) as answer:
            assert answer.status in (200, 403)
