"""Clients that stall, flood, break off or speak strangely: each gets its answer or its end, and hurts nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wires
from kijabi.apiserver import connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: Any) -> AsyncIterator[wires.Site]:
    async with wires.serving(tmp_path_factory.mktemp("site")) as opened:
        yield opened


def config_map(name: str, **data: str) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}).encode()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x00\x01\x02\x03\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 431),
    ],
    ids=[
        "no http",
        "binary",
        "an unknown version",
        "a preface of http/2",
        "no host",
        "a space in the path",
        "a bad method",
        "a bad header name",
        "a space before the colon",
        "a negative length",
        "two lengths",
        "a length and chunks",
        "a bad chunk",
        "a long path",
        "a long header",
        "many headers",
    ],
)
async def test_what_is_not_http_is_refused_and_the_connection_closed(
    site: wires.Site, sent: bytes, status: int
) -> None:
    async with site.line() as line:
        await line.send(sent)
        answer = await line.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert await line.reader.read() == b""
    assert await site.is_well()


async def test_requests_sent_ahead_are_answered_in_order(site: wires.Site) -> None:
    async with site.line() as line:
        one = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        sent = b"".join(one % (MAPS.encode(), len(body), body) for body in (config_map(f"p-{n}") for n in range(100)))
        await line.send(sent + f"GET {MAPS}/p-99 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        names = [(await line.answer()).json["metadata"]["name"] for _ in range(101)]
        assert names == [*(f"p-{n}" for n in range(100)), "p-99"]


async def test_http_1_0_is_closed_unless_it_asks_otherwise(site: wires.Site) -> None:
    async with site.line() as line:
        await line.send(b"GET /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await line.answer()).headers["connection"] == "keep-alive"
        await line.send(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert (await line.answer()).body == b"ok"
        assert await line.reader.read() == b""


async def test_a_watch_over_http_1_0_has_no_chunks_and_ends_with_the_connection(site: wires.Site) -> None:
    async with site.line() as line:
        path = "/api/v1/namespaces?watch=true&timeoutSeconds=1"
        await line.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await line.answer()
        assert "transfer-encoding" not in answer.headers
        assert json.loads(answer.body.split(b"\n")[0])["type"] == "ADDED"


async def test_a_client_that_expects_100_gets_it_before_it_sends_its_body(site: wires.Site) -> None:
    body = config_map("expected")
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    async with site.line() as line:
        await line.send(head.encode())
        assert (await line.answer()).status == 100
        await line.send(body)
        assert (await line.answer()).status == 201


async def test_a_body_that_is_too_large_is_refused_before_it_is_asked_for(site: wires.Site) -> None:
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    async with site.line() as line:
        await line.send(head.encode())
        answer = await line.answer()
        assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("sent", [b"GET /api/v1/po", b"GET / HTTP/1.1\r\nHost: x\r\nA: b", b""], ids=repr)
async def test_a_head_that_never_ends_is_cut_off(
    site: wires.Site, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL", 0.05)
    async with site.line() as line:
        await line.send(sent)
        with pytest.raises(EOFError):
            await line.answer()
    assert await site.is_well()


async def test_a_body_that_never_ends_is_400(site: wires.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL", 0.05)
    async with site.line() as line:
        await line.send(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
        answer = await line.answer()
        assert (answer.status, answer.json["kind"]) == (400, "Status")


async def test_a_connection_that_is_not_used_is_closed(site: wires.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE", 0.05)
    async with site.line() as line:
        assert (await line.ask("GET", "/readyz")).status == 200
        async with asyncio.timeout(10):
            assert await line.reader.read() == b""


async def test_a_watcher_that_never_reads_is_cut_off_and_others_see_every_event(
    site: wires.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL", 0.2)
    cache = site.assembly.registry.caches["/registry/configmaps/"]
    assert cache.watchers() == []
    async with site.line() as lazy, site.line() as eager, site.line() as writer:
        await lazy.send(f"GET {MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await eager.send(f"GET {MAPS}?watch=true&labelSelector=last HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        lazy.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await eager.reader.readuntil(b"\r\n\r\n")
        big = "x" * 900_000
        for number in range(24):
            assert (await writer.ask("POST", MAPS, config_map(f"lazy-{number}", a=big))).status == 201
        last = json.dumps({"metadata": {"name": "last", "labels": {"last": "yes"}}}).encode()
        assert (await writer.ask("POST", MAPS, last)).status == 201
        async with asyncio.timeout(10):
            await eager.reader.readline()
            assert json.loads(await eager.reader.readline())["object"]["metadata"]["name"] == "last"
            while len(cache.watchers()) > 1:
                await writer.ask("GET", "/readyz")
        for number in range(24):
            await writer.ask("DELETE", f"{MAPS}/lazy-{number}")


async def test_a_client_that_leaves_in_the_middle_loses_only_its_answer(site: wires.Site) -> None:
    async with site.line() as line:
        body = config_map("left")
        await line.send(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(10):
        while (await site.ask("GET", f"{MAPS}/left")).status != 200:
            continue
    async with site.line() as line:
        await line.send(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert await site.is_well()


async def test_writers_that_fight_over_one_object_lose_nothing(site: wires.Site) -> None:
    assert (await site.ask("POST", MAPS, config_map("fought"))).status == 201
    refused = 0

    async def add(number: int) -> None:
        nonlocal refused
        async with site.line() as line:
            while True:
                obj = (await line.ask("GET", f"{MAPS}/fought")).json
                obj.setdefault("data", {})[f"k{number}"] = "v"
                answer = await line.ask("PUT", f"{MAPS}/fought", json.dumps(obj).encode())
                if answer.status == 200:
                    return
                assert answer.status == 409
                assert "the object has been modified; please apply your changes to the latest" in answer.message
                refused += 1

    await asyncio.gather(*(add(number) for number in range(12)))
    found = (await site.ask("GET", f"{MAPS}/fought")).json
    assert sorted(found["data"]) == sorted(f"k{number}" for number in range(12))
    assert refused > 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/readyz", 200),
        ("HEAD", f"{MAPS}/nothing", 405),
        ("OPTIONS", MAPS, 405),
        ("TRACE", MAPS, 405),
        ("OPTIONS", "/version", 405),
        ("DELETE", "/version", 405),
        ("POST", "/healthz", 200),
    ],
)
async def test_other_methods(site: wires.Site, method: str, path: str, status: int) -> None:
    async with site.line() as line:
        answer = await line.ask(method, path)
        assert answer.status == status
        assert (await line.ask("GET", "/readyz")).body == b"ok"
