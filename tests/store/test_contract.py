"""What every store promises. One suite, run against each of them."""

import asyncio
from pathlib import Path

import pytest

from kijabi.store import contract, sqlite
from kijabi.store.contract import Store


async def keys(store: Store, prefix: str, **more: int | str) -> list[str]:
    page = await store.range(prefix, **more)  # type: ignore[arg-type]
    return [entry.key for entry in page.entries]


async def test_revisions_count_up_by_one_per_write(store: Store) -> None:
    assert await store.revision() == 0
    assert await store.put("/a", b"1") == 1
    assert await store.put("/b", b"1") == 2
    assert await store.put("/a", b"2") == 3
    assert (await store.delete("/b"))[0] == 4
    assert await store.revision() == 4


async def test_an_entry_says_when_it_was_made_and_last_written(store: Store) -> None:
    await store.put("/a", b"1")
    await store.put("/b", b"1")
    await store.put("/a", b"2")
    assert await store.get("/a") == contract.Entry("/a", b"2", revision=3, created=1)
    await store.delete("/a")
    assert await store.get("/a") is None
    await store.put("/a", b"3")
    assert await store.get("/a") == contract.Entry("/a", b"3", revision=5, created=5)


@pytest.mark.parametrize(
    ("expect", "there"),
    [(0, True), (7, True), (1, False)],
    ids=["must not exist but does", "another revision", "must exist but does not"],
)
async def test_a_write_at_the_wrong_revision_is_refused_with_what_is_there(
    store: Store, expect: int, there: bool
) -> None:
    if there:
        await store.put("/a", b"1")
    for write in (store.put("/a", b"2", expect=expect), store.delete("/a", expect=expect)):
        with pytest.raises(contract.Conflict) as caught:
            await write
        assert (caught.value.current is not None) is there
    assert await store.revision() == int(there)


async def test_writes_at_the_right_revision_pass(store: Store) -> None:
    first = await store.put("/a", b"1", expect=0)
    second = await store.put("/a", b"2", expect=first)
    revision, gone = await store.delete("/a", expect=second)
    assert (revision, gone) == (3, contract.Entry("/a", b"2", 2, 1))


async def test_deleting_what_is_not_there_writes_nothing(store: Store) -> None:
    assert await store.delete("/a") == (0, None)
    assert await store.revision() == 0


async def test_of_concurrent_writers_expecting_the_same_revision_one_wins(store: Store) -> None:
    await store.put("/a", b"0")
    writes = [store.put("/a", str(number).encode(), expect=1) for number in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [result for result in results if isinstance(result, int)] == [2]
    assert sum(isinstance(result, contract.Conflict) for result in results) == 19


async def test_a_range_is_ordered_and_limited_to_its_prefix(store: Store) -> None:
    for key in ("/b/2", "/a", "/b/10", "/b/1", "/c", "/b"):
        await store.put(key, b"")
    assert await keys(store, "/b/") == ["/b/1", "/b/10", "/b/2"]
    assert await keys(store, "") == ["/a", "/b", "/b/1", "/b/10", "/b/2", "/c"]


async def test_pages_continue_after_the_last_key(store: Store) -> None:
    for number in range(5):
        await store.put(f"/k/{number}", b"")
    page = await store.range("/k/", limit=2)
    assert ([entry.key for entry in page.entries], page.more, page.remaining) == (["/k/0", "/k/1"], True, 3)
    page = await store.range("/k/", limit=3, after="/k/1")
    assert ([entry.key for entry in page.entries], page.more, page.remaining) == (["/k/2", "/k/3", "/k/4"], False, 0)


async def test_a_range_reads_an_older_revision_as_it_was(store: Store) -> None:
    await store.put("/k/a", b"1")
    await store.put("/k/b", b"1")
    await store.put("/other", b"1")
    await store.delete("/k/a")
    await store.put("/k/b", b"2")
    await store.put("/k/c", b"1")
    at_three = await store.range("/k/", at=3)
    assert at_three.entries == [contract.Entry("/k/a", b"1", 1, 1), contract.Entry("/k/b", b"1", 2, 2)]
    assert at_three.revision == 3
    assert await keys(store, "/k/", at=4) == ["/k/b"]
    page = await store.range("/k/", at=3, limit=1)
    assert (page.more, page.remaining) == (True, 1)
    assert await keys(store, "/k/", at=3, after="/k/a") == ["/k/b"]


async def test_revisions_that_cannot_be_read_are_refused(store: Store) -> None:
    for number in range(4):
        await store.put("/a", str(number).encode())
    await store.compact(3)
    with pytest.raises(contract.Compacted) as compacted:
        await store.range("", at=2)
    assert compacted.value.revision == 3
    with pytest.raises(contract.Future):
        await store.range("", at=5)
    with pytest.raises(contract.Compacted):
        store.watch("", after=2)
    with pytest.raises(contract.Future):
        store.watch("", after=5)
    assert [entry.value for entry in (await store.range("", at=3)).entries] == [b"2"]


async def test_a_watch_gives_what_was_missed_then_what_comes_in_order(store: Store) -> None:
    await store.put("/w/a", b"1")
    await store.put("/x", b"1")
    await store.put("/w/a", b"2")
    watch = store.watch("/w/", after=1)
    await store.put("/y", b"1")
    await store.delete("/w/a")
    seen = []
    async with asyncio.timeout(5):
        async for event in watch:
            seen.append(event)
            if event.value is None:
                watch.close()
    assert seen == [
        contract.Event("/w/a", 3, b"2", b"1", created=1, before=1),
        contract.Event("/w/a", 5, None, b"2", created=1, before=3),
    ]


async def test_a_watcher_hears_every_write_exactly_once(store: Store) -> None:
    watch = store.watch("/w/", after=0)
    await asyncio.gather(*(store.put(f"/w/{number}", b"") for number in range(300)))
    seen: list[int] = []
    async with asyncio.timeout(5):
        while len(seen) < 300:
            seen += [event.revision for event in await watch.batch()]
    assert seen == list(range(1, 301))


async def test_compaction_keeps_the_newest_of_each_key(store: Store) -> None:
    await store.put("/a", b"1")
    await store.put("/a", b"2")
    await store.put("/b", b"1")
    await store.delete("/b")
    await store.compact(4)
    assert [(entry.key, entry.value) for entry in (await store.range("")).entries] == [("/a", b"2")]
    assert await store.put("/c", b"") == 5
    watch = store.watch("", after=4)
    assert [event.key for event in await watch.batch()] == ["/c"]


async def test_a_key_with_a_time_to_live_is_deleted_and_watchers_hear(store: Store) -> None:
    watch = store.watch("/t", after=0)
    await store.put("/t/short", b"", ttl=0.01)
    await store.put("/t/renewed", b"", ttl=0.01)
    await store.put("/t/renewed", b"again", ttl=100)
    async with asyncio.timeout(5):
        async for event in watch:
            if event.value is None:
                break
    assert event.key == "/t/short"
    assert await keys(store, "/t") == ["/t/renewed"]


async def test_closing_ends_watches_with_an_error_and_refuses_calls(store: Store) -> None:
    watch = store.watch("", after=0)
    await store.close()
    with pytest.raises(contract.Closed):
        await watch.batch()
    with pytest.raises(contract.Closed):
        await store.put("/a", b"")


async def test_a_watch_closed_by_its_reader_ends_quietly(store: Store) -> None:
    watch = store.watch("", after=0)
    watch.close()
    assert await watch.batch() == []


async def test_a_backup_opens_as_a_store_with_the_same_entries(store: Store, tmp_path: Path) -> None:
    await store.put("/a", b"1")
    await store.put("/b", b"1")
    await store.put("/a", b"2")
    await store.delete("/b")
    assert await store.backup(tmp_path / "copy.db") == 4
    copy = await sqlite.open_store(tmp_path / "copy.db")
    try:
        assert (await copy.range("")).entries == (await store.range("")).entries
        assert await copy.revision() == 4
        assert await copy.put("/c", b"") == 5
    finally:
        await copy.close()
