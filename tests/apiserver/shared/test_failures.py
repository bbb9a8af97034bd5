"""Members of the store that die or stop under load, and servers that die."""

import asyncio

import pytest

import pairs
from kijabi.api import errors, kinds
from kijabi.client import rest

three = pytest.mark.parametrize("cluster", [3], indirect=True, ids=["three members"])


def config_map(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}}


@three
async def test_nothing_acknowledged_is_lost_when_the_leader_dies_under_load(cluster, pair, caplog) -> None:
    acknowledged: set[str] = set()
    refused: list[errors.ApiError] = []
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        client = pair[worker % 2].client
        for number in range(40):
            name = f"c{worker}-{number}"
            try:
                await client.create(kinds.CONFIG_MAPS, config_map(name))
            except errors.ApiError as error:
                refused.append(error)
                continue
            acknowledged.add(name)
            if len(acknowledged) > 60:
                enough.set()

    writers = [asyncio.create_task(write(worker)) for worker in range(8)]
    await enough.wait()
    (await cluster.leader()).kill()
    async with asyncio.timeout(40):
        await asyncio.gather(*writers)
    for server in pair:
        listed = await server.client.list(kinds.CONFIG_MAPS, rest.Selection("default"))
        assert acknowledged <= {item["metadata"]["name"] for item in listed["items"]}
    # Calls are made again elsewhere, so clients see a pause, and hardly a refusal.
    assert len(refused) <= 8
    assert all(error.code in (500, 503, 504) for error in refused)
    assert "Traceback" not in caplog.text


@three
async def test_a_leader_that_stops_holds_nobody_for_long(cluster, pair) -> None:
    one, other = pair
    leader = await cluster.leader()
    leader.pause()
    try:
        async with asyncio.timeout(30):
            await one.client.create(kinds.CONFIG_MAPS, config_map("during"))
            found = await other.client.get(kinds.CONFIG_MAPS, "during", "default")
        assert found["metadata"]["name"] == "during"
    finally:
        leader.resume()


async def test_a_store_that_is_gone_is_said_to_be_gone(cluster, pair, monkeypatch) -> None:
    monkeypatch.setattr("kijabi.store.etcd.endpoints.PATIENCE", 0.3)
    one, _ = pair
    await one.client.create(kinds.CONFIG_MAPS, config_map("c"))
    cluster.members[0].kill()
    with pytest.raises(errors.ServiceUnavailable):
        await one.client.create(kinds.CONFIG_MAPS, config_map("d"))
    with pytest.raises(errors.ServiceUnavailable):
        await one.client.get(kinds.CONFIG_MAPS, "c", "default")
    # What may be old can still be had.
    old = await one.client.raw("GET", "/api/v1/namespaces/default/configmaps/c", query={"resourceVersion": "0"})
    assert old["metadata"]["name"] == "c"
    cluster.members[0].start()
    monkeypatch.setattr("kijabi.store.etcd.endpoints.PATIENCE", 20.0)
    await one.client.create(kinds.CONFIG_MAPS, config_map("d"))


async def test_the_kubernetes_service_lists_the_servers_that_live(cluster) -> None:
    async def listed(server: pairs.Server) -> list[str]:
        subsets = (await server.client.get(kinds.ENDPOINTS, "kubernetes", "default"))["subsets"]
        return [one["ip"] for subset in subsets for one in subset["addresses"]]

    first = {"endpoint_reconciler_type": "lease", "advertise_address": "192.168.0.1"}
    async with pairs.serving(cluster, **first) as one:
        async with pairs.serving(cluster, **{**first, "advertise_address": "192.168.0.2"}) as other:
            assert await listed(one) == ["192.168.0.1", "192.168.0.2"]
            found = await one.client.get(kinds.ENDPOINT_SLICES, "kubernetes", "default")
            assert [item["addresses"] for item in found["endpoints"]] == [["192.168.0.1"], ["192.168.0.2"]]
            await other.assembly.stop_serving()
            assert await listed(one) == ["192.168.0.1"]
            # One that dies without a word keeps its place until its lease is over.
            await one.store.put("/registry/masterleases/192.168.0.3", b"{}", ttl=1)
            await one.assembly.bootstrap.ensure_service()
            assert await listed(one) == ["192.168.0.1", "192.168.0.3"]
            watch = one.store.watch("/registry/masterleases/192.168.0.3", after=await one.store.revision())
            async with asyncio.timeout(10):
                while (await watch.batch())[-1].value is not None:
                    continue
            await one.assembly.bootstrap.ensure_service()
            assert await listed(one) == ["192.168.0.1"]
