"""Not acting twice on the same news.

A controller that has just created a pod must not count its pods again before its own informer has seen that pod, or it
creates another. Resource versions of one resource only grow, so it is enough to remember the newest version written for
each key and to wait until the informer is as far; a deletion is awaited by the object's uid.

Upstream counts expectations instead (and lately compares versions too: KEP-5647). Versions are simpler, and cannot be
left over by a missed event: whatever the informer lists or watches moves its version on.
"""

from __future__ import annotations

from kijabi.api.resource import Object
from kijabi.client import informer


class Freshness:
    """For one informer: what was written for each key and has not come back yet."""

    def __init__(self, copy: informer.Informer) -> None:
        self._copy = copy
        self._written: dict[str, int] = {}
        self._deleted: dict[str, dict[str, str]] = {}

    def wrote(self, key: str, obj: Object) -> None:
        """``obj`` is the answer to a create, update or patch made for ``key``."""
        version = int(obj["metadata"]["resourceVersion"])
        self._written[key] = max(version, self._written.get(key, 0))

    def deleting(self, key: str, obj: Object) -> None:
        """``obj`` was just deleted for ``key``."""
        self._deleted.setdefault(key, {})[obj["metadata"]["uid"]] = informer.key_of(obj)

    def caught_up(self, key: str) -> bool:
        """Whether the informer shows everything that was written and deleted for ``key``."""
        if int(self._copy.resource_version or 0) < self._written.get(key, 0):
            return False
        self._written.pop(key, None)
        waiting = self._deleted.get(key)
        if waiting:
            for uid, name in list(waiting.items()):
                shown = self._copy.by_key(name)
                if shown is None or shown["metadata"]["uid"] != uid or shown["metadata"].get("deletionTimestamp"):
                    del waiting[uid]
            if waiting:
                return False
            del self._deleted[key]
        return True

    def forget(self, key: str) -> None:
        """The object of ``key`` is gone."""
        self._written.pop(key, None)
        self._deleted.pop(key, None)


# An informer that is behind will tell of the missing event; this is for the case that it comes as a bookmark only.
LOOK_AGAIN = 1.0
