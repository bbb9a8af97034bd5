"""What admission plugins share: a base that does nothing, upstream's refusal, and watched kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kijabi.api import errors, resource
from kijabi.apiserver import contract

Object = contract.Object


class Plugin:
    """Handles nothing and allows all; a plugin overrides what it needs."""

    name = ""

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return False

    admit = contract.indifferent
    validate = contract.indifferent


def refused(attributes: contract.AdmissionAttributes, why: str) -> errors.Forbidden:
    """403 as upstream words it; an object without a name yet is called by its generateName."""
    meta = (attributes.object or {}).get("metadata") or {}
    name = attributes.name or meta.get("name") or meta.get("generateName") or "Unknown"
    return errors.forbidden(attributes.resource.plural, name, why, attributes.resource.group)


def is_kind(what: resource.Resource, wanted: resource.Resource) -> bool:
    return (what.group, what.plural) == (wanted.group, wanted.plural)


class Watched:
    """The objects of one kind, by namespace and name, as the watch cache tells of them. Shared: not to be changed."""

    def __init__(self, access: contract.Access, what: resource.Resource) -> None:
        self._objects: dict[str, dict[str, Object]] = {}
        access.subscribe(what, self._changed)

    def items(self, namespace: str = "") -> Iterator[Object]:
        yield from self._objects.get(namespace, {}).values()

    def get(self, name: str, namespace: str = "") -> Object | None:
        return self._objects.get(namespace, {}).get(name)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            meta = new["metadata"]
            self._objects.setdefault(meta.get("namespace", ""), {})[meta["name"]] = new
        elif old is not None:
            meta = old["metadata"]
            there = self._objects.get(meta.get("namespace", ""), {})
            there.pop(meta["name"], None)
            if not there:
                self._objects.pop(meta.get("namespace", ""), None)


def newest_default(classes: Iterable[Object], annotations: tuple[str, ...]) -> Object | None:
    """The class marked as default; of several the newest, of equally old ones the first by name."""
    marked = [
        one
        for one in classes
        if any((one["metadata"].get("annotations") or {}).get(key) == "true" for key in annotations)
    ]
    marked.sort(key=lambda one: one["metadata"]["name"])
    # RFC 3339 in UTC sorts as text; max takes the first of equals.
    return max(marked, key=lambda one: one["metadata"].get("creationTimestamp") or "", default=None)
