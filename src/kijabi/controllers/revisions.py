"""ControllerRevisions: what a DaemonSet's or StatefulSet's pod template was, so that it can be gone back to.

``plan`` says which revision the present template is; ``Store`` makes, renumbers and deletes. A revision's name follows
from the template, so making it twice does no harm. Source: KEP-0503 (controller history), ``kubectl rollout undo``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kijabi.api import errors, kinds
from kijabi.api.resource import Object
from kijabi.client import informer, rest
from kijabi.controllers import contract, digests, freshness

# On pods: a DaemonSet's say the hash, a StatefulSet's the revision's name.
HASH_LABEL = "controller-revision-hash"
_LONGEST_PREFIX = 223


@dataclass(frozen=True, slots=True)
class History:
    """``current`` is the revision of the present template (None: to be made), to be numbered ``number``."""

    current: Object | None
    old: list[Object]
    number: int


def data(owner: Object) -> Object:
    """A strategic merge patch that brings the template back (what kubectl applies for ``rollout undo``)."""
    return {"spec": {"template": {**copy.deepcopy(owner["spec"]["template"]), "$patch": "replace"}}}


def template(revision: Object) -> Object:
    """The pod template that a revision keeps."""
    kept = {name: value for name, value in revision["data"]["spec"]["template"].items() if name != "$patch"}
    return copy.deepcopy(kept)


def plan(owner: Object, found: Iterable[Object]) -> History:
    ordered = sorted(found, key=lambda item: (item.get("revision", 0), item["metadata"]["name"]))
    wanted = data(owner)
    same = [item for item in ordered if item.get("data") == wanted]
    current = same[-1] if same else None
    old = [item for item in ordered if item is not current]
    newest = max((item.get("revision", 0) for item in old), default=0)
    number = current["revision"] if current is not None and current.get("revision", 0) > newest else newest + 1
    return History(current, old, number)


def superfluous(old: Sequence[Object], limit: int, live: set[str], *, live_count: bool) -> list[Object]:
    """Revisions to delete, oldest first; ``live`` are names and hashes that pods still carry, which are kept.

    ``live_count``: whether those count towards the limit (a DaemonSet's do, a StatefulSet's do not).
    """
    idle = [item for item in old if not {item["metadata"]["name"], _hash(item)} & live]
    ordered = sorted(idle, key=lambda item: item.get("revision", 0))
    return ordered[: max(0, len(old if live_count else idle) - limit)]


def _hash(revision: Object) -> str:
    return str((revision["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def new(owner: Object, number: int, collisions: int, label: str) -> Object:
    """``label`` is the name under which the revision itself carries its hash."""
    digest = digests.of(owner["spec"]["template"], collisions)
    meta = owner["metadata"]
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{meta['name'][:_LONGEST_PREFIX]}-{digest}",
            "namespace": meta["namespace"],
            "labels": {**((owner["spec"]["template"].get("metadata") or {}).get("labels") or {}), label: digest},
            "ownerReferences": [contract.owner_reference(owner)],
        },
        "data": data(owner),
        "revision": number,
    }
    if meta.get("annotations"):
        made["metadata"]["annotations"] = dict(meta["annotations"])
    return made


class Store:
    """Writes revisions for owners of one kind."""

    def __init__(self, client: rest.Client, seen: freshness.Freshness, label: str) -> None:
        self._client = client
        self._seen = seen
        self._label = label

    async def settle(self, owner: Object, history: History) -> tuple[Object, int]:
        """The current revision, made or renumbered if need be, and the owner's count of collisions."""
        collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
        current = history.current
        if current is None:
            return await self._make(owner, history.number, collisions)
        if current.get("revision", 0) != history.number:
            current = await self._client.update(kinds.CONTROLLER_REVISIONS, {**current, "revision": history.number})
            self._seen.wrote(informer.key_of(owner), current)
        return current, collisions

    async def _make(self, owner: Object, number: int, collisions: int) -> tuple[Object, int]:
        while True:
            wanted = new(owner, number, collisions, self._label)
            try:
                made = await self._client.create(kinds.CONTROLLER_REVISIONS, wanted)
            except errors.AlreadyExists:
                meta = wanted["metadata"]
                made = await self._client.get(kinds.CONTROLLER_REVISIONS, meta["name"], meta["namespace"])
                if made.get("data") != wanted["data"] or not contract.owned_by(made, owner):
                    collisions += 1
                    continue
            self._seen.wrote(informer.key_of(owner), made)
            return made, collisions

    async def delete(self, revisions: Iterable[Object]) -> None:
        for revision in revisions:
            meta = revision["metadata"]
            try:
                await self._client.delete(kinds.CONTROLLER_REVISIONS, meta["name"], meta["namespace"], uid=meta["uid"])
            except (errors.NotFound, errors.Conflict):
                continue
