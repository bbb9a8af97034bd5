"""What every store promises. One suite, run against each of them."""

import asyncio
from pathlib import Path

import pytest

from kijabi.store import contract, sqlite
from kijabi.store.contract import Store


async def keys(store: Store, prefix: str, **more: int | str) -> list[str]:
    page = await store.range(prefix, **more)  # type: ignore[arg-type]
    return [entry.key for entry in page.entries]


async def test_revisions_count_up_by_one_per_write(store: Store, base: int) -> None:
    assert await store.put("/registry/a", b"1") == base + 1
    assert await store.put("/registry/b", b"1") == base + 2
    assert await store.put("/registry/a", b"2") == base + 3
    assert (await store.delete("/registry/b"))[0] == base + 4
    assert await store.revision() == base + 4


async def test_an_entry_says_when_it_was_made_and_last_written(store: Store, base: int) -> None:
    await store.put("/registry/a", b"1")
    await store.put("/registry/b", b"1")
    await store.put("/registry/a", b"2")
    assert await store.get("/registry/a") == contract.Entry("/registry/a", b"2", revision=base + 3, created=base + 1)
    await store.delete("/registry/a")
    assert await store.get("/registry/a") is None
    await store.put("/registry/a", b"3")
    assert await store.get("/registry/a") == contract.Entry("/registry/a", b"3", revision=base + 5, created=base + 5)


@pytest.mark.parametrize(
    ("expect", "there"),
    [(0, True), (7, True), (1, False)],
    ids=["must not exist but does", "another revision", "must exist but does not"],
)
async def test_a_write_at_the_wrong_revision_is_refused_with_what_is_there(
    store: Store, base: int, expect: int, there: bool
) -> None:
    if there:
        await store.put("/registry/a", b"1")
    for write in (store.put("/registry/a", b"2", expect=expect), store.delete("/registry/a", expect=expect)):
        with pytest.raises(contract.Conflict) as caught:
            await write
        assert (caught.value.current is not None) is there
    assert await store.revision() == base + int(there)


async def test_writes_at_the_right_revision_pass(store: Store, base: int) -> None:
    first = await store.put("/registry/a", b"1", expect=0)
    second = await store.put("/registry/a", b"2", expect=first)
    revision, gone = await store.delete("/registry/a", expect=second)
    assert (revision, gone) == (base + 3, contract.Entry("/registry/a", b"2", base + 2, base + 1))


async def test_deleting_what_is_not_there_writes_nothing(store: Store, base: int) -> None:
    assert await store.delete("/registry/a") == (0, None)
    assert await store.revision() == base


async def test_of_concurrent_writers_expecting_the_same_revision_one_wins(store: Store, base: int) -> None:
    await store.put("/registry/a", b"0")
    writes = [store.put("/registry/a", str(number).encode(), expect=base + 1) for number in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [result for result in results if isinstance(result, int)] == [base + 2]
    assert sum(isinstance(result, contract.Conflict) for result in results) == 19


async def test_a_range_is_ordered_and_limited_to_its_prefix(store: Store) -> None:
    for key in ("/registry/b/2", "/registry/a", "/registry/b/10", "/registry/b/1", "/registry/c", "/registry/b"):
        await store.put(key, b"")
    assert await keys(store, "/registry/b/") == ["/registry/b/1", "/registry/b/10", "/registry/b/2"]
    assert await keys(store, "/registry/") == [
        "/registry/a",
        "/registry/b",
        "/registry/b/1",
        "/registry/b/10",
        "/registry/b/2",
        "/registry/c",
    ]


async def test_pages_continue_after_the_last_key(store: Store) -> None:
    for number in range(5):
        await store.put(f"/registry/k/{number}", b"")
    page = await store.range("/registry/k/", limit=2)
    assert ([entry.key for entry in page.entries], page.more, page.remaining) == (
        ["/registry/k/0", "/registry/k/1"],
        True,
        3,
    )
    page = await store.range("/registry/k/", limit=3, after="/registry/k/1")
    assert ([entry.key for entry in page.entries], page.more, page.remaining) == (
        ["/registry/k/2", "/registry/k/3", "/registry/k/4"],
        False,
        0,
    )


async def test_a_range_reads_an_older_revision_as_it_was(store: Store, base: int) -> None:
    await store.put("/registry/k/a", b"1")
    await store.put("/registry/k/b", b"1")
    await store.put("/registry/other", b"1")
    await store.delete("/registry/k/a")
    await store.put("/registry/k/b", b"2")
    await store.put("/registry/k/c", b"1")
    at_three = await store.range("/registry/k/", at=base + 3)
    assert at_three.entries == [
        contract.Entry("/registry/k/a", b"1", base + 1, base + 1),
        contract.Entry("/registry/k/b", b"1", base + 2, base + 2),
    ]
    assert at_three.revision == base + 3
    assert await keys(store, "/registry/k/", at=base + 4) == ["/registry/k/b"]
    page = await store.range("/registry/k/", at=base + 3, limit=1)
    assert (page.more, page.remaining) == (True, 1)
    assert await keys(store, "/registry/k/", at=base + 3, after="/registry/k/a") == ["/registry/k/b"]


async def test_revisions_that_cannot_be_read_are_refused(store: Store, base: int) -> None:
    for number in range(4):
        await store.put("/registry/a", str(number).encode())
    await store.compact(base + 3)
    with pytest.raises(contract.Compacted) as compacted:
        await store.range("/registry/", at=base + 2)
    assert compacted.value.revision == base + 3
    with pytest.raises(contract.Future):
        await store.range("/registry/", at=base + 5)
    with pytest.raises(contract.Compacted):
        store.watch("/registry/", after=base + 2)
    with pytest.raises(contract.Future):
        store.watch("/registry/", after=base + 5)
    assert [entry.value for entry in (await store.range("/registry/", at=base + 3)).entries] == [b"2"]


async def test_a_watch_gives_what_was_missed_then_what_comes_in_order(store: Store, base: int) -> None:
    await store.put("/registry/w/a", b"1")
    await store.put("/registry/x", b"1")
    await store.put("/registry/w/a", b"2")
    watch = store.watch("/registry/w/", after=base + 1)
    await store.put("/registry/y", b"1")
    await store.delete("/registry/w/a")
    seen = []
    async with asyncio.timeout(5):
        async for event in watch:
            seen.append(event)
            if event.value is None:
                watch.close()
    assert seen == [
        contract.Event("/registry/w/a", base + 3, b"2", b"1", created=base + 1, before=base + 1),
        contract.Event("/registry/w/a", base + 5, None, b"2", created=base + 1, before=base + 3),
    ]


async def test_a_watcher_hears_every_write_exactly_once(store: Store, base: int) -> None:
    watch = store.watch("/registry/w/", after=base)
    await asyncio.gather(*(store.put(f"/registry/w/{number}", b"") for number in range(300)))
    seen: list[int] = []
    async with asyncio.timeout(5):
        while len(seen) < 300:
            seen += [event.revision for event in await watch.batch()]
    assert seen == list(range(base + 1, base + 301))


async def test_compaction_keeps_the_newest_of_each_key(store: Store, base: int) -> None:
    await store.put("/registry/a", b"1")
    await store.put("/registry/a", b"2")
    await store.put("/registry/b", b"1")
    await store.delete("/registry/b")
    await store.compact(base + 4)
    assert [(entry.key, entry.value) for entry in (await store.range("/registry/")).entries] == [("/registry/a", b"2")]
    assert await store.put("/registry/c", b"") == base + 5
    watch = store.watch("/registry/", after=base + 4)
    assert [event.key for event in await watch.batch()] == ["/registry/c"]


async def test_a_key_with_a_time_to_live_is_deleted_and_watchers_hear(store: Store, base: int) -> None:
    watch = store.watch("/registry/t", after=base)
    await store.put("/registry/t/short", b"", ttl=0.01)
    await store.put("/registry/t/renewed", b"", ttl=0.01)
    await store.put("/registry/t/renewed", b"again", ttl=100)
    async with asyncio.timeout(5):
        async for event in watch:
            if event.value is None:
                break
    assert event.key == "/registry/t/short"
    assert await keys(store, "/registry/t") == ["/registry/t/renewed"]


async def test_closing_ends_watches_with_an_error_and_refuses_calls(store: Store, base: int) -> None:
    watch = store.watch("/registry/", after=base)
    await store.close()
    with pytest.raises(contract.Closed):
        await watch.batch()
    with pytest.raises(contract.Closed):
        await store.put("/registry/a", b"")


async def test_a_watch_closed_by_its_reader_ends_quietly(store: Store, base: int) -> None:
    watch = store.watch("/registry/", after=base)
    watch.close()
    assert await watch.batch() == []


async def test_a_backup_opens_as_a_store_with_the_same_entries(store: Store, base: int, tmp_path: Path) -> None:
    await store.put("/registry/a", b"1")
    await store.put("/registry/b", b"1")
    await store.put("/registry/a", b"2")
    await store.delete("/registry/b")
    assert await store.backup(tmp_path / "copy.db") == base + 4
    copy = await sqlite.open_store(tmp_path / "copy.db")
    try:
        # What is encrypted is copied as it lies.
        inside: Store = getattr(store, "inner", store)
        assert (await copy.range("/registry/")).entries == (await inside.range("/registry/")).entries
        assert await copy.revision() == base + 4
        assert await copy.put("/registry/c", b"") == base + 5
    finally:
        await copy.close()
