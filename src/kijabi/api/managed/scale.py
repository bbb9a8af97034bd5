"""Managed fields between an object and its Scale, which share but one field: the replicas.

Source: k8s.io/apimachinery util/managedfields, ScaleHandler.
"""

from __future__ import annotations

from collections.abc import Mapping as Map

from kijabi.api.managed import entries, sets
from kijabi.api.managed.entries import Entry, Object

API_VERSION = "autoscaling/v1"
REPLICAS = ("f:spec", "f:replicas")
# The replicas' path by version of the object; None: that version has no scale.
Mapping = Map[str, tuple[str, ...] | None]


def to_scale(raws: list[Object] | None, mapping: Mapping) -> list[Object]:
    """The entries that own the replicas, as entries of the Scale."""
    found = []
    for entry in entries.stored(raws):
        path = mapping.get(entry.api_version)
        if path is not None and sets.has(entry.fields, path):
            found.append(_as(entry, API_VERSION, REPLICAS, entry.time))
    return entries.encode(found)


def _as(entry: Entry, version: str, path: tuple[str, ...], time: str) -> Entry:
    return Entry(entry.manager, entry.operation, version, entry.subresource, time, sets.single(path))


def _bare(entry: Entry) -> tuple[str, str, str]:
    # Without the version, which is another one on either side.
    return entry.manager, entry.operation, entry.subresource


def to_parent(
    raws: list[Object] | None, scale: list[Object] | None, mapping: Mapping, api_version: str
) -> list[Object]:
    """The object's entries after the Scale's changed: who lost the replicas there loses them here."""
    owners = {_bare(entry): entry for entry in entries.stored(scale)}
    found = []
    for entry in entries.stored(raws):
        if entry.api_version not in mapping:
            continue
        path = mapping[entry.api_version]
        if path is None or not sets.has(entry.fields, path):
            found.append(entry)
        elif _bare(entry) in owners:
            del owners[_bare(entry)]
            found.append(entry)
        else:
            left = sets.difference(entry.fields, sets.single(path))
            if left:
                found.append(entry.limited(left))
    path = mapping.get(api_version)
    for entry in owners.values():
        if path is not None and sets.has(entry.fields, REPLICAS):
            # Upstream loses the time on the way here, and clients see none.
            found.append(_as(entry, api_version, path, ""))
    return entries.encode(found)
