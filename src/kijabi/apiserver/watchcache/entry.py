"""One object as it is stored, and one change of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kijabi.api import resource

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True, slots=True)
class Facts:
    """What selectors may ask of an object."""

    labels: dict[str, str]
    fields: dict[str, str]


class Encoder(Protocol):
    """Gives an object's bytes in one form (a version, a table row). One encoder object per form: lines are remembered
    by it."""

    def __call__(self, value: bytes, revision: int) -> bytes: ...


class Entry:
    """An object at one revision. ``value`` is as stored: everything but its resourceVersion.

    ``facts`` parses the bytes on first use; without selectors nobody pays for it. ``peeked`` is the object itself, for
    those few that are looked at with every write: the codec that decoded it, and what it gave.
    """

    __slots__ = ("_facts", "key", "name", "namespace", "peeked", "revision", "value")

    def __init__(self, key: str, namespace: str, name: str, value: bytes, revision: int) -> None:
        self.key = key
        self.namespace = namespace
        self.name = name
        self.value = value
        self.revision = revision
        self._facts: Facts | None = None
        self.peeked: tuple[object, resource.Object] | None = None

    def facts(self, read: Callable[[bytes], Facts]) -> Facts:
        if self._facts is None:
            self._facts = read(self.value)
        return self._facts

    def forget_facts(self) -> None:
        """What may be asked of objects has changed."""
        self._facts = None


class Change:
    """One event of one key: what is there now (None: deleted) and what was (None: created).

    ``line`` is the watch event as JSON with its newline, encoded once per type and encoder.
    """

    __slots__ = ("_lines", "current", "previous", "revision")

    def __init__(self, revision: int, current: Entry | None, previous: Entry | None) -> None:
        self.revision = revision
        self.current = current
        self.previous = previous
        self._lines: dict[tuple[str, Encoder], bytes] = {}

    @property
    def entry(self) -> Entry:
        entry = self.current or self.previous
        assert entry is not None
        return entry

    def line(self, kind: str, encode: Encoder) -> bytes:
        key = (kind, encode)
        line = self._lines.get(key)
        if line is None:
            # A deleted object is sent as it last was, at the revision of its deletion (and so is one that has merely
            # stopped to match a selector: its last matching state).
            source = self.previous if kind == DELETED else self.current
            assert source is not None
            line = event_line(kind, encode(source.value, self.revision))
            self._lines[key] = line
        return line


def event_line(kind: str, obj: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), obj)


def read_facts(strategy: resource.Strategy, obj: resource.Object) -> Facts:
    """The labels and selectable fields of a decoded object."""
    meta = obj.get("metadata") or {}
    fields = dict(strategy.fields(obj))
    fields["metadata.name"] = meta.get("name", "")
    if strategy.resource.namespaced:
        fields["metadata.namespace"] = meta.get("namespace", "")
    return Facts(meta.get("labels") or {}, fields)
