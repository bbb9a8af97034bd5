"""Several API servers on one etcd: what one acknowledges, the other knows."""

import asyncio

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver import storage
from kijabi.apiserver.bootstrap import reconcilers
from kijabi.apiserver.watchcache import feed, listing
from kijabi.client import rest
from kijabi.kit import clock
from kijabi.store import memory


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


async def test_every_write_is_in_the_next_read_of_the_other_server(pair) -> None:
    one, other = pair
    for number in range(50):
        writer, reader = (one, other) if number % 2 else (other, one)
        made = await writer.client.create(kinds.CONFIG_MAPS, config_map(f"c{number}"))
        read = await reader.client.get(kinds.CONFIG_MAPS, f"c{number}", "default")
        assert read["metadata"]["uid"] == made["metadata"]["uid"]
        listed = await writer.client.list(kinds.CONFIG_MAPS, rest.Selection("default"))
        assert f"c{number}" in [item["metadata"]["name"] for item in listed["items"]]


async def test_writes_follow_each_other_over_both_servers_without_a_false_conflict(pair) -> None:
    one, other = pair
    made = await one.client.create(kinds.CONFIG_MAPS, config_map("c", turn="0"))
    for turn in range(1, 40):
        writer = (one, other)[turn % 2]
        made = await writer.client.update(kinds.CONFIG_MAPS, {**made, "data": {"turn": str(turn)}})
    await other.client.delete(kinds.CONFIG_MAPS, "c", "default")
    with pytest.raises(errors.NotFound):
        await one.client.delete(kinds.CONFIG_MAPS, "c", "default")
    await one.client.create(kinds.CONFIG_MAPS, config_map("c"))
    await other.client.delete(kinds.CONFIG_MAPS, "c", "default")


async def test_a_server_that_lags_decides_on_what_is_stored(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SEEN", 0.1)
    monkeypatch.setattr(listing, "PATIENCE", 0.2)
    one, other = pair
    made = await one.client.create(kinds.CONFIG_MAPS, config_map("c", a="1"))
    await other.client.get(kinds.CONFIG_MAPS, "c", "default")
    # From here on the other server hears of nothing any more.
    lagging = other.assembly.registry.feed
    for task in asyncio.all_tasks():
        if task.get_name() == "store/etcd-watch" and task is lagging._watch._task:
            task.cancel()
    newer = await one.client.update(kinds.CONFIG_MAPS, {**made, "data": {"a": "2"}})
    await one.client.create(kinds.CONFIG_MAPS, config_map("new"))
    with pytest.raises(errors.Conflict):
        await other.client.update(kinds.CONFIG_MAPS, {**made, "data": {"a": "3"}})
    # The same as in its cache, but not as what is stored: no write that may be spared.
    same = {**made, "metadata": {**made["metadata"], "resourceVersion": ""}}
    written = await other.client.update(kinds.CONFIG_MAPS, same)
    assert int(written["metadata"]["resourceVersion"]) > int(newer["metadata"]["resourceVersion"])
    assert (await one.client.get(kinds.CONFIG_MAPS, "c", "default"))["data"] == {"a": "1"}
    with pytest.raises(errors.AlreadyExists):
        await other.client.create(kinds.CONFIG_MAPS, config_map("new"))
    with pytest.raises(errors.Timeout, match="Too large resource version"):
        await other.client.get(kinds.CONFIG_MAPS, "new", "default")
    await other.client.delete(kinds.CONFIG_MAPS, "new", "default")
    with pytest.raises(errors.NotFound):
        await one.client.get(kinds.CONFIG_MAPS, "new", "default")


async def test_pages_of_one_list_may_come_from_both_servers(pair) -> None:
    one, other = pair
    for number in range(6):
        await one.client.create(kinds.SECRETS, {"metadata": {"name": f"s{number}", "namespace": "default"}})
    where = rest.Selection("default")
    first = await one.client.list(kinds.SECRETS, where, limit=4)
    await other.client.delete(kinds.SECRETS, "s5", "default")
    rest_ = await other.client.list(kinds.SECRETS, where, limit=4, continue_=first["metadata"]["continue"])
    names = [item["metadata"]["name"] for item in (*first["items"], *rest_["items"])]
    assert names == [f"s{number}" for number in range(6)]


async def test_of_two_compactors_one_works_per_interval() -> None:
    shared = memory.MemoryStore()
    shared.shared = True  # type: ignore[misc]
    await shared.put("/registry/a", b"1")
    compactors = [storage.Compaction(shared, 300.0, clock.FakeClock()) for _ in range(2)]
    for _ in range(4):
        for compactor in compactors:
            await compactor.turn()
        await shared.put("/registry/a", b"2")
    # Every turn of both would have moved the key eight times.
    key = await shared.get(storage.COMPACT_KEY)
    assert key is not None
    assert int(key.value) == shared._state.compacted


@pytest.mark.parametrize(
    ("count", "listed", "expected"),
    [
        (1, ["10.0.0.1"], ["10.0.0.9"]),
        (2, ["10.0.0.1"], ["10.0.0.1", "10.0.0.9"]),
        (2, ["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.9"]),
        (3, ["10.0.0.9"], ["10.0.0.9"]),
    ],
    ids=["the only one", "joins another", "too many", "is listed already"],
)
async def test_servers_are_counted(count: int, listed: list[str], expected: list[str]) -> None:
    assert await reconcilers.Counted(count).join("10.0.0.9", listed) == expected
