"""What only a store of several machines can show: members that die, stop or lag."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

import etcds
from kijabi.kit import pki
from kijabi.store import contract
from kijabi.store.etcd import endpoints, wire
from kijabi.store.etcd import store as etcd


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[etcds.Cluster]:
    made = etcds.Cluster(tmp_path, size=3)
    try:
        await made.start()
        yield made
    finally:
        made.close()


async def test_no_acknowledged_write_is_lost_when_the_leader_is_killed(cluster: etcds.Cluster) -> None:
    store, other = (await etcd.open_store(cluster.config()), await etcd.open_store(cluster.config()))
    watch = other.watch("/registry/", after=await other.revision())
    acknowledged: dict[str, int] = {}
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        for number in range(60):
            key = f"/registry/k/{worker}-{number}"
            acknowledged[key] = await store.put(key, key.encode(), expect=0)
            if len(acknowledged) >= 100:
                enough.set()

    writers = [asyncio.create_task(write(worker)) for worker in range(8)]
    await enough.wait()
    (await cluster.leader()).kill()
    async with asyncio.timeout(30):
        await asyncio.gather(*writers)
    page = await other.range("/registry/k/")
    assert {entry.key: entry.revision for entry in page.entries} == acknowledged
    seen: dict[str, int] = {}
    async with asyncio.timeout(15):
        while len(seen) < len(acknowledged):
            for event in await watch.batch():
                assert event.key not in seen
                seen[event.key] = event.revision
    assert seen == acknowledged
    assert list(seen.values()) == sorted(seen.values())
    await store.close()
    await other.close()


async def test_a_member_that_stops_answering_is_left_by_calls_and_watches(cluster: etcds.Cluster) -> None:
    store = await etcd.open_store(cluster.config())
    watch = store.watch("/registry/", after=await store.revision())
    await store.put("/registry/a", b"1")
    assert [event.value for event in await watch.batch()] == [b"1"]
    stopped = next(member for member in cluster.members if member.url == cluster.urls[store._members.current])
    stopped.pause()
    try:
        async with asyncio.timeout(25):
            await store.put("/registry/a", b"2")
            assert [event.value for event in await watch.batch()] == [b"2"]
    finally:
        stopped.resume()
    await store.close()


async def test_a_watch_that_fell_behind_a_compaction_says_so(member: etcds.Cluster) -> None:
    store = await etcd.open_store(member.config("/behind"))
    first = await store.put("/registry/a", b"1")
    other = await etcd.open_store(member.config("/behind"))
    await other.put("/registry/a", b"2")
    newest = await other.put("/registry/a", b"3")
    await other.compact(newest)
    watch = store.watch("/registry/", after=first)
    with pytest.raises(contract.Compacted) as caught:
        await watch.batch()
    assert caught.value.revision == newest
    with pytest.raises(contract.Compacted):
        await store.range("/registry/", at=first)
    await store.close()
    await other.close()


async def test_a_watch_with_marks_tells_of_every_revision(member: etcds.Cluster) -> None:
    store = await etcd.open_store(member.config("/marks"))
    base = await store.revision()
    watch = store.watch("/registry/", after=base, marks=True)
    stranger = await etcd.open_store(member.config("/stranger"))
    await stranger.put("/registry/a", b"1")
    await store.put("/registry/b", b"1")
    await store.put("compact_rev_key", b"1")
    seen: list[contract.Event] = []
    while len(seen) < 3:
        seen += await watch.batch()
    assert [(event.key, event.revision - base) for event in seen] == [("", 1), ("/registry/b", 2), ("", 3)]
    await store.close()
    await stranger.close()


async def test_keys_lie_below_the_prefix_in_etcd(member: etcds.Cluster) -> None:
    store = await etcd.open_store(member.config("/elsewhere"))
    plain = await etcd.open_store(member.config())
    await store.put("/registry/pods/x", b"1")
    assert [entry.key for entry in (await plain.range("/elsewhere")).entries] == ["/elsewhere/pods/x"]
    assert [entry.key for entry in (await store.range("/registry/")).entries] == ["/registry/pods/x"]
    await store.close()
    await plain.close()


async def test_a_range_in_several_pieces_is_of_one_revision(
    member: etcds.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "CHUNK", 3)
    store = await etcd.open_store(member.config("/pieces"))
    for number in range(8):
        await store.put(f"/registry/{number}", b"")
    page = await store.range("/registry/")
    assert [entry.key[-1] for entry in page.entries] == list("01234567")
    assert (page.more, page.remaining) == (False, 0)
    await store.close()


@pytest.mark.parametrize(
    "servers", [(), ("127.0.0.1:2379",), ("ftp://x:1",)], ids=["none", "no scheme", "unknown scheme"]
)
def test_servers_that_are_no_urls_are_refused(servers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="etcd"):
        endpoints.Endpoints(endpoints.Config(servers))


async def test_over_tls_only_who_has_a_certificate_is_let_in(tmp_path: Path) -> None:
    authority = pki.create_ca("etcd-ca")
    pki.write(authority, tmp_path, "ca")
    server = pki.issue(authority, "etcd", dns=["localhost"], ips=["127.0.0.1"], server=True, client=True)
    pki.write(server, tmp_path, "server")
    pki.write(pki.issue(authority, "kube-apiserver-etcd-client", client=True), tmp_path, "client")
    files = {name: str(tmp_path / name) for name in ("ca.crt", "server.crt", "server.key", "client.crt", "client.key")}
    one = etcds.Cluster(tmp_path / "data")
    one.members[0].secure(files["ca.crt"], files["server.crt"], files["server.key"])
    one.members[0].start()
    try:
        trusted = endpoints.Config(one.urls, files["ca.crt"], files["client.crt"], files["client.key"])
        store = await etcd.open_store(trusted)
        assert await store.put("/registry/a", b"1", expect=0) > 0
        await store.close()
        stranger = endpoints.Endpoints(endpoints.Config(one.urls, files["ca.crt"]))
        with pytest.raises(grpc.aio.AioRpcError):
            await stranger._method(0, wire.RANGE)(wire.RangeRequest(key=b"a"), timeout=3)
        await stranger.close()
    finally:
        one.close()
