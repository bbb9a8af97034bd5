"""Entries of ``metadata.managedFields``: who, by which operation, through what version and subresource, since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kijabi.api import timestamps
from kijabi.api.managed import elements, sets
from kijabi.api.managed.sets import Set
from kijabi.api.managed.shapes import Shape

Object = dict[str, Any]
# (manager, operation, version but for appliers, subresource)
Identity = tuple[str, str, str, str]

APPLY, UPDATE = "Apply", "Update"
_NEVER_TRACKED = frozenset(
    (
        elements.SELF,
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:clusterName",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
    )
)


class Malformed(ValueError):
    """Managed fields that cannot be read; the text is upstream's."""


@dataclass(frozen=True, slots=True)
class View:
    """Through what a write looks at an object.

    ``reset`` takes away the fields such a write cannot change. ``convert`` gives shape and object in another version,
    None where that version is not known any more; entries of such versions are dropped.
    """

    shape: Shape
    api_version: str
    kind: str
    subresource: str = ""
    reset: Callable[[Set], Set] | None = None
    convert: Callable[[Object, str], tuple[Shape, Object] | None] | None = None
    # Types that may have changed since an entry was written.
    changeable: bool = False

    def filtered(self, fields: Set) -> Set:
        return fields if self.reset is None else self.reset(fields)


@dataclass(slots=True)
class Entry:
    """``raw`` is the entry as it is stored, as long as nothing of it changed."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: Set
    raw: Object | None = None

    @property
    def identity(self) -> Identity:
        version = "" if self.operation == APPLY else self.api_version
        return self.manager, self.operation, version, self.subresource

    def at(self, time: str) -> Entry:
        """The same entry at another time."""
        if time == self.time:
            return self
        raw = {**self.raw, "time": time} if self.raw is not None and "time" in self.raw else None
        return Entry(self.manager, self.operation, self.api_version, self.subresource, time, self.fields, raw)

    def limited(self, fields: Set) -> Entry:
        """The same entry with other fields."""
        if fields is self.fields:
            return self
        return Entry(self.manager, self.operation, self.api_version, self.subresource, self.time, fields)


def stored(raws: Iterable[Object] | None) -> list[Entry]:
    """Entries as this server wrote them."""
    return [
        Entry(
            raw.get("manager", ""),
            raw.get("operation", ""),
            raw.get("apiVersion", ""),
            raw.get("subresource", ""),
            raw.get("time", ""),
            raw.get("fieldsV1") or {},
            raw,
        )
        for raw in raws or ()
    ]


def read(raws: list[Object]) -> list[Entry]:
    """Entries out of a request. Raises Malformed."""
    found: dict[Identity, Entry] = {}
    for position, raw in enumerate(raws):
        fits_one(raw, position)
        try:
            fields = sets.read(raw.get("fieldsV1"))
        except elements.Malformed as error:
            raise Malformed(f"error decoding versioned set from {raw}: error decoding set: {error}") from error
        entry = Entry(
            raw.get("manager", ""),
            raw["operation"],
            raw["apiVersion"],
            raw.get("subresource", ""),
            raw.get("time") or "",
            fields,
            raw if fields == raw.get("fieldsV1") else None,
        )
        found[entry.identity] = entry
    return list(found.values())


def fits_one(raw: Object, position: int) -> None:
    """Raises Malformed."""
    if raw.get("operation") not in (APPLY, UPDATE):
        raise Malformed("operation must be `Apply` or `Update`")
    if not raw.get("apiVersion"):
        raise Malformed("apiVersion must not be empty")
    kind = raw.get("fieldsType", "")
    if not kind:
        raise Malformed(f"missing fieldsType in managed fields entry {position}")
    if kind != "FieldsV1":
        raise Malformed(f'invalid fieldsType "{kind}" in managed fields entry {position}')


def fits(raws: Any) -> str:
    """What is wrong with managed fields (after admission, say); empty where nothing is."""
    if not raws:
        return ""
    try:
        read(raws)
    except Malformed as error:
        return str(error)
    return ""


def is_reset(raws: Any) -> bool:
    """Whether a client asks to forget all: an empty list, or one empty entry."""
    return isinstance(raws, list) and (not raws or (len(raws) == 1 and not raws[0]))


def encode(entries: list[Entry]) -> list[Object]:
    """As they are stored: sorted by operation, time, manager, version, subresource."""
    if len(entries) > 1:
        entries = sorted(
            entries,
            key=lambda entry: (entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource),
        )
    return [entry.raw if entry.raw is not None else _raw(entry) for entry in entries]


def _raw(entry: Entry) -> Object:
    return written(entry.limited(sets.ordered(entry.fields)))


def written(entry: Entry) -> Object:
    """An entry whose fields are in order, as it is stored."""
    raw: Object = {}
    if entry.manager:
        raw["manager"] = entry.manager
    raw["operation"] = entry.operation
    raw["apiVersion"] = entry.api_version
    if entry.time:
        raw["time"] = entry.time
    raw["fieldsType"] = "FieldsV1"
    raw["fieldsV1"] = entry.fields
    if entry.subresource:
        raw["subresource"] = entry.subresource
    return raw


def put(obj: Object, entries: list[Entry]) -> None:
    """Write the entries into the object's metadata."""
    meta = obj["metadata"]
    meta.pop("managedFields", None)
    if entries:
        meta["managedFields"] = encode(entries)


def tracked(fields: Set) -> Set:
    """Without what no manager ever owns: the type, and what the server says in metadata."""
    out = {key: node for key, node in fields.items() if key not in ("f:apiVersion", "f:kind")}
    meta = out.get("f:metadata")
    if meta is not None:
        meta = {key: node for key, node in meta.items() if key not in _NEVER_TRACKED}
        if meta:
            out["f:metadata"] = meta
        else:
            del out["f:metadata"]
    return out


def moment(now: float) -> str:
    return timestamps.format_time(now)
