"""Server-side apply: merge what is applied, remove what is not applied any more, refuse what others own.

Source: "Server-Side Apply"; structured-merge-diff's Updater.Apply; k8s.io/apimachinery's chain of field managers.
"""

from __future__ import annotations

from typing import Any

from kijabi.api.managed import comparing, entries, lastapplied, merging, removing, sets, updating, validating
from kijabi.api.managed.conflicts import ApplyConflict, Conflict
from kijabi.api.managed.entries import APPLY, Entry, Object, View
from kijabi.api.managed.sets import Set
from kijabi.api.managed.shapes import Shape

__all__ = ["ApplyConflict", "Unusable", "apply"]

_BEFORE = "before-first-apply"
_KUBECTL = "kubectl"


class Unusable(ValueError):
    """What is applied does not fit the type, or cannot be merged. Upstream reports it as no Status: 500, no reason."""


def apply(view: View, live: Object, applied: Object, manager: str, force: bool, now: float) -> Object:
    """The new object with its managed fields; ``live`` is ``{}`` for a creation.

    Neither argument is changed, but the new object shares what did not change with ``live``.

    Raises ApplyConflict for fields that others own, unless ``force``, and Unusable.
    """
    there = _without_managed(live)
    found = validating.problems(view.shape, applied)
    if found:
        raise Unusable(f"failed to create typed patch object ({_about(applied)}): {validating.text(found)}")
    known = entries.stored((live.get("metadata") or {}).get("managedFields"))
    if not known:
        # Until now nobody was asked whose these are; they may be taken over only by force.
        known = updating.advance(view, {}, there, [], _BEFORE, now)
    try:
        new = _apply(view, there, applied, known, manager, force, now)
    except ApplyConflict as conflict:
        if manager != _KUBECTL or not _is_own_past(view, there, conflict):
            raise
        new = _apply(view, there, applied, known, manager, True, now)
    if manager == _KUBECTL:
        lastapplied.refresh(new, applied)
    return new


def _apply(
    view: View, live: Object, applied: Object, known: list[Entry], manager: str, force: bool, now: float
) -> Object:
    if view.changeable:
        known = [entry.limited(removing.reconcile(view.shape, entry.fields)) for entry in known]
    # Values of what is applied come to stand in the new object, which is changed later, and it may be applied again.
    new = merging.merge(view.shape, live, copied(applied))
    mine = Entry(manager, APPLY, view.api_version, view.subresource, "", {})
    mine.fields = view.filtered(comparing.collect(view.shape, applied))
    before = next((entry for entry in known if entry.identity == mine.identity), None)
    others = [entry for entry in known if entry is not before]
    if before is not None:
        mine.time = before.time
        new = _pruned(view, new, mine, before, others)
    changed, removed = comparing.compare(view.shape, live, new)
    changed, removed = view.filtered(changed), view.filtered(removed)
    if not force:
        _check(view, live, new, others, changed)
    left = updating.without(view, live, new, others, changed, removed)
    mine.fields = entries.tracked(mine.fields)
    is_new = new != live
    if is_new:
        mine.time = entries.moment(now)
    if mine.fields:
        same = before is not None and before.api_version == mine.api_version and before.time == mine.time
        left.append(before if before is not None and same and before.fields == mine.fields else mine)
    new = {**new, "metadata": dict(new.get("metadata") or {})}
    entries.put(new, left)
    return new


def copied(value: Any) -> Any:
    """A copy of plain data."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _without_managed(live: Object) -> Object:
    meta = live.get("metadata")
    if not meta or "managedFields" not in meta:
        return live
    return {**live, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


def _about(applied: Object) -> str:
    meta = applied.get("metadata") or {}
    group, _, version = str(applied.get("apiVersion", "")).rpartition("/")
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}; {group}/{version}, Kind={applied.get('kind', '')}"


def _check(view: View, live: Object, new: Object, others: list[Entry], changed: Set) -> None:
    found: list[Conflict] = []
    versions: dict[str, Set] = {view.api_version: changed}
    for entry in others:
        if entry.api_version not in versions:
            change = updating.in_version(view, live, new, entry.api_version)
            versions[entry.api_version] = change[0] if change is not None else {}
        taken = sets.intersection(entry.fields, versions[entry.api_version])
        found += [Conflict(entry, path) for path in sets.paths(taken)]
    if found:
        raise ApplyConflict(found)


def _is_own_past(view: View, live: Object, conflict: ApplyConflict) -> bool:
    """Whether all fields in conflict are what the same user's client-side apply wrote; else narrows the conflict."""
    allowed = lastapplied.fields(view, live)
    if allowed is None:
        return False
    left = [one for one in conflict.conflicts if not sets.has(allowed, one.path)]
    if left:
        raise ApplyConflict(left)
    return True


def _pruned(view: View, merged: Object, mine: Entry, before: Entry, others: list[Entry]) -> Object:
    """Without what this manager applied before, applies no more, and nobody else owns.

    Each owner is asked in the version it wrote in, the version of the last apply first.
    """
    past = _in_version(view, merged, before.api_version)
    if past is None:
        return merged
    if before.api_version == mine.api_version and not sets.difference(before.fields, mine.fields):
        # All that was applied before is applied again.
        return merged
    shape, there = past
    last = removing.with_named(shape, before.fields)
    pruned = removing.remove(shape, there, last)
    if pruned is there:
        return merged
    owned: dict[str, Set] = {before.api_version: {}}
    for entry in (mine, *others):
        owned[entry.api_version] = sets.union(owned.get(entry.api_version, {}), entry.fields)
    for version, fields in owned.items():
        pruned = _with_owned(view, merged, pruned, version, fields)
    back = _in_version(view, pruned, before.api_version)
    if back is None:
        return merged
    # What is gone now but was never this manager's comes back.
    gone = sets.difference(_all(shape, there), _all(shape, back[1]))
    pruned = removing.remove(shape, there, sets.intersection(gone, last))
    result = _in_version(view, pruned, view.api_version)
    return result[1] if result is not None else merged


def _with_owned(view: View, merged: Object, pruned: Object, version: str, owned: Set) -> Object:
    """``pruned`` with those of its lost fields that ``owned`` names in ``version``; in that version."""
    whole, left = _in_version(view, merged, version), _in_version(view, pruned, version)
    if whole is None or left is None:
        return pruned
    shape, there = whole
    kept = sets.union(_all(shape, left[1]), removing.with_named(shape, owned))
    return removing.remove(shape, there, sets.difference(_all(shape, there), kept))


def _all(shape: Shape, obj: Object) -> Set:
    return removing.with_named(shape, comparing.collect(shape, obj))


def _in_version(view: View, obj: Object, version: str) -> tuple[Shape, Object] | None:
    if version == view.api_version and obj.get("apiVersion", version) == version:
        return view.shape, obj
    return view.convert(obj, version) if view.convert is not None else None
