"""Who owns whom, by uid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kijabi.api.resource import Object, Resource

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(frozen=True, slots=True)
class Reference:
    """An owner as a dependent names it."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool


@dataclass(slots=True)
class Node:
    """An object, with what matters of its metadata."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    owners: tuple[Reference, ...]
    deleting: bool
    finalizers: tuple[str, ...]

    @property
    def deletes_dependents(self) -> bool:
        """It is deleted in the foreground and waits for its dependents."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers

    def is_called(self, reference: Reference, namespace: str) -> bool:
        """Whether a dependent in ``namespace`` that says ``reference`` means this object."""
        group = reference.api_version.rpartition("/")[0]
        same_place = not self.resource.namespaced or self.namespace == namespace
        return same_place and (self.resource.group, self.resource.kind, self.name) == (
            group,
            reference.kind,
            reference.name,
        )


def node(resource: Resource, obj: Object) -> Node:
    meta = obj["metadata"]
    owners = tuple(
        Reference(
            owner["uid"], owner["apiVersion"], owner["kind"], owner["name"], bool(owner.get("blockOwnerDeletion"))
        )
        for owner in meta.get("ownerReferences") or ()
    )
    return Node(
        resource,
        meta.get("namespace", ""),
        meta["name"],
        meta["uid"],
        owners,
        bool(meta.get("deletionTimestamp")),
        tuple(meta.get("finalizers") or ()),
    )


class Graph:
    """Nodes and the dependents of each. ``put`` and ``remove`` give the uids that deserve another look."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def dependents(self, uid: str) -> Iterator[Node]:
        for dependent in self._dependents.get(uid, ()):
            yield self.nodes[dependent]

    def put(self, new: Node) -> set[str]:
        old = self.nodes.get(new.uid)
        self.nodes[new.uid] = new
        before = {owner.uid: owner for owner in old.owners} if old is not None else {}
        after = {owner.uid: owner for owner in new.owners}
        for uid in before.keys() - after.keys():
            self._unlink(uid, new.uid)
        for uid in after:
            self._dependents.setdefault(uid, set()).add(new.uid)
        look: set[str] = set()
        if any(not self._knows(owner, new) for uid, owner in after.items() if uid not in before):
            look.add(new.uid)
        # An owner that waits for its dependents may have one less to wait for.
        released = {uid for uid, owner in before.items() if owner.blocks and not after.get(uid, _FREE).blocks}
        look |= {uid for uid in released if uid in self.nodes and self.nodes[uid].deletes_dependents}
        waiting = any(uid in self.nodes and self.nodes[uid].deletes_dependents for uid in after)
        if waiting and (old is None or new.deletes_dependents != old.deletes_dependents):
            look.add(new.uid)
        if new.deletes_dependents or new.orphans_dependents:
            look.add(new.uid)
            look |= {dependent.uid for dependent in self.dependents(new.uid)}
        return look

    def _knows(self, owner: Reference, dependent: Node) -> bool:
        found = self.nodes.get(owner.uid)
        return found is not None and found.is_called(owner, dependent.namespace)

    def remove(self, uid: str) -> set[str]:
        gone = self.nodes.pop(uid, None)
        if gone is None:
            return set()
        look = set(self._dependents.get(uid, ()))
        for owner in gone.owners:
            self._unlink(owner.uid, uid)
            if owner.uid in self.nodes and self.nodes[owner.uid].deletes_dependents:
                look.add(owner.uid)
        return look

    def _unlink(self, owner: str, dependent: str) -> None:
        there = self._dependents.get(owner)
        if there is not None:
            there.discard(dependent)
            if not there:
                del self._dependents[owner]

    def blocking(self, uid: str) -> list[Node]:
        """Dependents that their owner has to wait for."""
        return [
            dependent
            for dependent in self.dependents(uid)
            if any(owner.uid == uid and owner.blocks for owner in dependent.owners)
        ]


_FREE = Reference("", "", "", "", blocks=False)
