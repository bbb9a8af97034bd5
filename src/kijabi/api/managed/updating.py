"""Managed fields of every write that is no apply.

The changed fields become the writer's, whoever owned them; removed fields are nobody's. An object without any managed
fields that is not new stays so, until somebody applies to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.managed import appearing, comparing, entries, sets
from kijabi.api.managed.entries import UPDATE, Entry, Object, View
from kijabi.api.managed.sets import Set

MOST_UPDATERS = 10
_OLD = "ancient-changes"


def update(view: View, old: Object, new: Object, manager: str, now: float) -> None:
    """Set ``new``'s managed fields. ``old`` is the stored object, or ``{}`` for a creation; it is not changed.

    ``now`` is in seconds since the epoch. What a client sends as managed fields is taken where it can be read and the
    request is about the object itself; an empty list forgets all.
    """
    before, meta = old.get("metadata") or {}, new["metadata"]
    live = before.get("managedFields")
    known = _chosen(view, meta.pop("managedFields", None), live)
    if not known and before.get("uid"):
        return
    if not old and not known:
        meta |= _first(view, new, manager or "unknown", now)
        return
    found = advance(view, old, new, known, manager or "unknown", now)
    if found:
        meta["managedFields"] = entries.encode(found)


def _first(view: View, new: Object, manager: str, now: float) -> Object:
    """The metadata that says that all of a new object is its creator's."""
    fields = entries.tracked(view.filtered(appearing.appeared(view.shape, new)))
    if not fields:
        return {}
    mine = Entry(manager, UPDATE, view.api_version, view.subresource, entries.moment(now), fields)
    return {"managedFields": [entries.written(mine)]}


def _chosen(view: View, given: list[Object] | None, live: list[Object] | None) -> list[Entry]:
    if given is live or given == live or view.subresource:
        return entries.stored(live)
    if given is None:
        return entries.stored(live)
    if entries.is_reset(given):
        return []
    try:
        found = entries.read(given)
    except entries.Malformed:
        # A client that does not understand them must not be able to destroy them.
        found = []
    return found or entries.stored(live)


def advance(view: View, old: Object, new: Object, known: list[Entry], manager: str, now: float) -> list[Entry]:
    """The entries after a change from ``old`` to ``new`` by ``manager``."""
    changed, removed = comparing.compare(view.shape, old, new)
    changed, removed = view.filtered(changed), view.filtered(removed)
    own = entries.tracked(changed) if changed else changed
    if not own:
        return without(view, old, new, known, changed, removed)
    mine = Entry(manager, UPDATE, view.api_version, view.subresource, entries.moment(now), own)
    again = _again(known, mine)
    if again is not None:
        before, after = again
        left = without(view, old, new, known, changed, removed, but=before)
        if removed:
            after = after.limited(sets.union(sets.difference(after.fields, removed), own))
        return [after if one is before else one for one in left]
    return capped(_taken(without(view, old, new, known, changed, removed), mine))


def _again(known: list[Entry], mine: Entry) -> tuple[Entry, Entry] | None:
    """What ``mine`` was, and what becomes of it, where its manager changed nothing but what it owned: most writes."""
    identity = mine.identity
    before = next((entry for entry in known if entry.identity == identity), None)
    if before is None or sets.difference(mine.fields, before.fields):
        return None
    return before, before.at(mine.time)


def _taken(known: list[Entry], mine: Entry) -> list[Entry]:
    """``mine`` added, together with what the same manager had."""
    identity = mine.identity
    others = []
    for entry in known:
        if entry.identity == identity:
            mine.fields = sets.union(entry.fields, mine.fields)
        else:
            others.append(entry)
    return [*others, mine]


def without(
    view: View, old: Object, new: Object, known: Iterable[Entry], changed: Set, removed: Set, but: Entry | None = None
) -> list[Entry]:
    """Take changed and removed fields from all entries (``but`` one), each in its own version."""
    versions: dict[str, tuple[Set, Set] | None] = {view.api_version: (changed, removed)}
    left = []
    for entry in known:
        if entry is but:
            left.append(entry)
            continue
        if entry.api_version not in versions:
            versions[entry.api_version] = in_version(view, old, new, entry.api_version)
        change = versions[entry.api_version]
        if change is None:
            continue
        fields = entry.fields
        for gone in change:
            if gone:
                fields = sets.difference(fields, gone)
        if fields:
            left.append(entry.limited(fields))
    return left


def in_version(view: View, old: Object, new: Object, version: str) -> tuple[Set, Set] | None:
    before = view.convert(old, version) if view.convert is not None else None
    after = view.convert(new, version) if view.convert is not None else None
    if before is None or after is None:
        return None
    changed, removed = comparing.compare(before[0], before[1], after[1])
    return view.filtered(changed), view.filtered(removed)


def capped(known: list[Entry]) -> list[Entry]:
    """At most ten updaters: the oldest of each version are merged into one entry."""
    updaters = [entry for entry in known if entry.operation == UPDATE]
    if len(updaters) <= MOST_UPDATERS:
        return known
    updaters.sort(key=lambda entry: (entry.time, entry.identity))
    left = {entry.identity: entry for entry in known}
    first: dict[str, Entry] = {}
    count = len(updaters)
    for entry in updaters:
        if count <= MOST_UPDATERS:
            break
        version = entry.api_version
        oldest = first.get(version)
        if oldest is None:
            first[version] = entry
            continue
        bucket = Entry(_OLD, UPDATE, version, "", entry.time, {})
        there = left.get(bucket.identity)
        if there is None:
            there = left.pop(oldest.identity)
        if there is entry:
            continue
        bucket.fields = sets.union(there.fields, entry.fields)
        left.pop(entry.identity, None)
        left[bucket.identity] = bucket
        count -= 1
    return list(left.values())
