"""The file of the ``sqlite`` store: a journal, one row per write, keyed by its revision.

Nothing but appending is on the path of a write. The current state is what reading the rows in order gives, and the
store holds it in memory. Compaction deletes, by revision, the rows that later ones have replaced; a crash half-way
leaves rows that ``load`` recognises as replaced, so they are only ever superfluous.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kijabi.store.contract import Entry, Event

_SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value BLOB,
    created INTEGER NOT NULL,
    expires REAL
);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Row(NamedTuple):
    """One write. ``value`` is None for a deletion; ``expires`` is in seconds since the epoch."""

    revision: int
    key: str
    value: bytes | None
    created: int
    expires: float | None

    @classmethod
    def of_event(cls, event: Event, expires: float | None = None) -> Row:
        return cls(event.revision, event.key, event.value, event.created, expires)

    @classmethod
    def of_entry(cls, entry: Entry) -> Row:
        return cls(entry.revision, entry.key, entry.value, entry.created, None)


def open_file(path: Path) -> sqlite3.Connection:
    """Open or make the file and own it: another process that tries gets ``sqlite3.OperationalError`` (locked).

    WAL with ``synchronous=FULL`` syncs on every commit, so a committed write survives a loss of power.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(_SCHEMA)
    return connection


def append(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Write rows in one transaction; durable when this returns."""
    _transact(connection, "INSERT INTO journal VALUES (?, ?, ?, ?, ?)", rows)


def remove(connection: sqlite3.Connection, revisions: Iterable[int]) -> None:
    _transact(connection, "DELETE FROM journal WHERE revision = ?", ((revision,) for revision in revisions))


def mark(connection: sqlite3.Connection, *, compacted: int, revision: int) -> None:
    """Remember how far history is compacted, and the revision in case the row that carried it goes."""
    values = [("compacted", compacted), ("revision", revision)]
    _transact(connection, "INSERT OR REPLACE INTO marks VALUES (?, ?)", values)


def marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """(compacted, revision) as last marked; zeros in a new file."""
    found = dict(connection.execute("SELECT name, value FROM marks"))
    return found.get("compacted", 0), found.get("revision", 0)


def rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every row, in the order of writing."""
    for row in connection.execute("SELECT revision, key, value, created, expires FROM journal ORDER BY revision"):
        yield Row(*row)


def _transact(connection: sqlite3.Connection, statement: str, values: Iterable[tuple[object, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, values)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
