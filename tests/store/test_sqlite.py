"""What only a store with a file must do: survive."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kijabi.store import contract, journal, sqlite

# Writes as fast as it can from many tasks, printing each acknowledgement as soon as it has it, until it is killed.
WRITER = """
import asyncio, os, sys
from pathlib import Path
from kijabi.store import contract, sqlite

async def one(store, task):
    number = 0
    while True:
        key = f"/{task}/{number % 7}"
        if number % 5 == 4:
            revision, _ = await store.delete(key)
            line = f"{key} {revision} -"
        else:
            value = f"{os.getpid()}.{number}"
            revision = await store.put(key, value.encode())
            line = f"{key} {revision} {value}"
        try:
            await store.put(key, b"refused", expect=10**9)
        except contract.Conflict:
            os.write(1, (line + "\\n").encode())
        number += 1

async def main():
    store = await sqlite.open_store(Path(sys.argv[1]))
    async with asyncio.TaskGroup() as group:
        for task in range(8):
            group.create_task(one(store, task))

asyncio.run(main())
"""


def write_until_killed(path: Path, lines: int) -> list[str]:
    """Acknowledgements that a writer printed before it was killed, at least ``lines`` of them."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    # The last line may be cut by the kill.
    return [line.strip() for line in acknowledged if line.endswith("\n")]


async def test_every_acknowledged_write_survives_being_killed_and_no_refused_one_does(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    latest: dict[str, tuple[int, str]] = {}
    for _ in range(4):
        for line in write_until_killed(path, lines=400):
            key, revision, value = line.split()
            if int(revision):
                latest[key] = (int(revision), value)
        store = await sqlite.open_store(path)
        entries = {entry.key: entry for entry in (await store.range("")).entries}
        revision = await store.revision()
        await store.close()
        assert all(entry.value != b"refused" for entry in entries.values())
        for key, (written, value) in latest.items():
            entry = entries.get(key)
            if entry is None or entry.revision == written:
                # Gone only if it was deleted, by the acknowledged write or by one that was not yet acknowledged.
                assert entry is None or entry.value.decode() == value
            else:
                assert entry.revision > written
        assert revision >= max(written for written, _ in latest.values())
        gone = {key for key, (_, value) in latest.items() if value != "-"} - entries.keys()
        # Each of the eight tasks has at most one write under way when it is killed.
        assert len(gone) <= 8


async def test_a_reopened_store_goes_on_where_it_was(tmp_path: Path) -> None:
    store = await sqlite.open_store(tmp_path / "state.db")
    await store.put("/a", b"1")
    await store.put("/a", b"2")
    await store.delete("/a")
    await store.put("/b", b"1")
    await store.close()
    store = await sqlite.open_store(tmp_path / "state.db")
    assert await store.revision() == 4
    assert [event.revision for event in await store.watch("", after=1).batch()] == [2, 3, 4]
    assert (await store.range("", at=2)).entries == [contract.Entry("/a", b"2", 2, 1)]
    await store.close()


async def test_compaction_outlives_a_restart_even_when_it_took_the_last_row(tmp_path: Path) -> None:
    store = await sqlite.open_store(tmp_path / "state.db")
    await store.put("/a", b"1")
    await store.delete("/a")
    await store.compact(2)
    await store.close()
    store = await sqlite.open_store(tmp_path / "state.db")
    assert await store.revision() == 2
    with pytest.raises(contract.Compacted):
        store.watch("", after=1)
    assert await store.put("/a", b"1") == 3
    await store.close()


async def test_rows_left_by_a_compaction_that_was_cut_short_are_removed_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = await sqlite.open_store(path)
    for number in range(5):
        await store.put("/a", str(number).encode())
    await store.close()
    connection = journal.open_file(path)
    journal.mark(connection, compacted=5, revision=5)
    connection.close()
    store = await sqlite.open_store(path)
    assert (await store.range("")).entries == [contract.Entry("/a", b"4", 5, 1)]
    await store.close()
    connection = journal.open_file(path)
    assert [row.revision for row in journal.rows(connection)] == [5]
    connection.close()


async def test_a_time_to_live_runs_on_through_a_restart(tmp_path: Path) -> None:
    store = await sqlite.open_store(tmp_path / "state.db")
    await store.put("/t", b"", ttl=0.05)
    await store.close()
    store = await sqlite.open_store(tmp_path / "state.db")
    watch = store.watch("", after=1)
    async with asyncio.timeout(5):
        assert [event.value for event in await watch.batch()] == [None]
    await store.close()


async def test_only_one_process_owns_the_file(tmp_path: Path) -> None:
    store = await sqlite.open_store(tmp_path / "state.db")
    with pytest.raises(contract.StoreError, match="locked"):
        await sqlite.open_store(tmp_path / "state.db")
    await store.close()


async def test_a_transaction_that_fails_refuses_its_writes_and_what_was_built_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await sqlite.open_store(tmp_path / "state.db")
    await store.put("/a", b"1")
    append = journal.append

    def full(connection: sqlite3.Connection, rows: list[journal.Row]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(journal, "append", full)
    results = await asyncio.gather(
        store.put("/a", b"2", expect=1), store.put("/a", b"3", expect=2), return_exceptions=True
    )
    assert all(isinstance(result, contract.StoreError) for result in results)
    assert "disk is full" in str(results[0])
    monkeypatch.setattr(journal, "append", append)
    assert await store.put("/a", b"4", expect=1) == 2
    assert await store.get("/a") == contract.Entry("/a", b"4", 2, 1)
    await store.close()


async def test_reads_never_show_what_is_not_yet_durable(tmp_path: Path) -> None:
    store = await sqlite.open_store(tmp_path / "state.db")
    write = asyncio.ensure_future(store.put("/a", b"1"))
    await asyncio.sleep(0)
    assert await store.get("/a") is None
    await write
    assert await store.get("/a") is not None
    await store.close()
