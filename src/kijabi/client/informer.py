"""A local copy of a resource that follows the server: list once, then watch, for ever.

Guarantees: handlers run synchronously, one event at a time, in the order the server gives; each is told of every object
exactly once as added, however late it subscribes; after a lost watch or a relist, what changed meanwhile is told as
ordinary changes and what vanished as deletions, so a handler never has to know that the connection broke.

Objects handed out are shared by all readers. Nobody changes them.
Source: client-go's reflector and shared informer (behaviour only).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from kijabi.api import errors
from kijabi.api.resource import Object, Resource
from kijabi.client import rest, transport
from kijabi.kit import backoff, clock, tasks

log = logging.getLogger(__name__)

# Called with (old, new): old is None for an addition, new for a deletion. Must not block and must not change objects.
Handler = Callable[[Object | None, Object | None], None]
Index = Callable[[Object], Iterable[str]]

RETRY = backoff.Policy(base=0.2, ceiling=30.0, jitter=0.5)
PAGE = 500


def key_of(obj: Object) -> str:
    """``namespace/name``, or ``name`` for what has no namespace."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name); the namespace is empty for cluster-scoped objects."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


class Informer:
    """The copy of one resource (or a selection of it). ``run`` keeps it up to date until cancelled."""

    def __init__(
        self,
        client: rest.Client,
        resource: Resource,
        select: rest.Selection = rest.EVERYTHING,
        *,
        indexes: Mapping[str, Index] | None = None,
        transform: Callable[[Object], Object] | None = None,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self.resource = resource
        self._client = client
        self._select = select
        self._clock = timepiece
        self._transform = transform
        self._objects: dict[str, Object] = {}
        self._namespaces: dict[str, dict[str, Object]] = {}
        self._indexes: dict[str, tuple[Index, dict[str, dict[str, Object]]]] = {}
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self.resource_version = ""
        for name, index in (indexes or {}).items():
            self.add_index(name, index)

    @property
    def synced(self) -> bool:
        """Whether the first list is in."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def get(self, name: str, namespace: str = "") -> Object | None:
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def by_key(self, key: str) -> Object | None:
        return self._objects.get(key)

    def items(self, namespace: str = "") -> list[Object]:
        """All objects, or those of a namespace; in no particular order."""
        return list((self._namespaces.get(namespace, {}) if namespace else self._objects).values())

    def by_index(self, index: str, value: str) -> list[Object]:
        """The objects for which the index function gave ``value``."""
        return list(self._indexes[index][1].get(value, {}).values())

    def add_index(self, name: str, index: Index) -> None:
        """Index what is there and what is to come. The same name again replaces nothing."""
        if name in self._indexes:
            return
        buckets: dict[str, dict[str, Object]] = {}
        self._indexes[name] = (index, buckets)
        for key, obj in self._objects.items():
            for value in index(obj):
                buckets.setdefault(value, {})[key] = obj

    def subscribe(self, handler: Handler) -> None:
        """Tell ``handler`` of every object there is, and of every change from now on."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(None, obj)

    async def run(self) -> None:
        """List and watch until cancelled; unreachable or refusing servers are tried again with back-off."""
        failures = 0
        while True:
            began = self.resource_version
            try:
                if not self.resource_version:
                    await self._list()
                await self._watch()
                failures = 0
                continue
            except (errors.Expired, errors.Gone):
                # What happened since is no longer kept: start from a new list, at once.
                self.resource_version = ""
                continue
            except transport.Unreachable as error:
                # A connection that brought something was good; only those that bring nothing add up.
                failures = failures + 1 if self.resource_version == began else 1
                log.info("%s: watch broke: %s", self.resource, error)
            except errors.ApiError as error:
                failures += 1
                self.resource_version = ""
                log.warning("%s: %s", self.resource, error)
            await self._clock.sleep(RETRY.delay(failures))

    async def _list(self) -> None:
        found: dict[str, Object] = {}
        token = ""
        while True:
            page = await self._client.list(self.resource, self._select, limit=PAGE, continue_=token)
            for obj in page["items"]:
                self._name_type(obj)
                found[key_of(obj)] = obj
            token = page["metadata"].get("continue", "")
            if not token:
                break
        for key in self._objects.keys() - found.keys():
            self._replace(key, None)
        for key, obj in found.items():
            self._replace(key, obj)
        self.resource_version = page["metadata"]["resourceVersion"]
        self._synced.set()

    def _name_type(self, obj: Object) -> None:
        # Items of a list do not carry their type; events refer to objects by it.
        obj.setdefault("apiVersion", self.resource.api_version)
        obj.setdefault("kind", self.resource.kind)

    async def _watch(self) -> None:
        async for event in self._client.watch(self.resource, self._select, resource_version=self.resource_version):
            if event.type != rest.BOOKMARK:
                self._replace(key_of(event.object), None if event.type == rest.DELETED else event.object)
            self.resource_version = event.object["metadata"]["resourceVersion"]

    def _replace(self, key: str, new: Object | None) -> None:
        if new is not None and self._transform is not None:
            new = self._transform(new)
        old = self._objects.get(key)
        if old is None and new is None:
            return
        if old is not None and new is not None:
            if old["metadata"].get("resourceVersion") == new["metadata"].get("resourceVersion"):
                return
            if old["metadata"].get("uid") != new["metadata"].get("uid"):
                # Deleted and made again while nobody looked: a handler must see both.
                self._replace(key, None)
                old = None
        self._store(key, old, new)
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception:
                log.exception("%s: a handler failed on %s", self.resource, key)

    def _store(self, key: str, old: Object | None, new: Object | None) -> None:
        namespace = key.rpartition("/")[0]
        if new is None:
            del self._objects[key]
            self._namespaces[namespace].pop(key, None)
        else:
            self._objects[key] = new
            self._namespaces.setdefault(namespace, {})[key] = new
        for index, buckets in self._indexes.values():
            before = set(index(old)) if old is not None else set()
            after = set(index(new)) if new is not None else set()
            for value in before - after:
                buckets[value].pop(key, None)
                if not buckets[value]:
                    del buckets[value]
            if new is not None:
                for value in after:
                    buckets.setdefault(value, {})[key] = new


class Informers:
    """One informer per resource and selection, shared by everything in a process."""

    def __init__(self, client: rest.Client, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._client = client
        self._clock = timepiece
        self._informers: dict[tuple[Resource, rest.Selection], Informer] = {}
        self._nursery: tasks.Nursery | None = None

    def of(
        self,
        resource: Resource,
        select: rest.Selection = rest.EVERYTHING,
        *,
        indexes: Mapping[str, Index] | None = None,
    ) -> Informer:
        """The shared informer; made, and started if the others run, when asked for the first time."""
        informer = self._informers.get((resource, select))
        if informer is None:
            informer = Informer(self._client, resource, select, timepiece=self._clock)
            self._informers[resource, select] = informer
            if self._nursery is not None:
                self._nursery.keep(informer.run, str(resource))
        for name, index in (indexes or {}).items():
            informer.add_index(name, index)
        return informer

    def shared(self, resource: Resource) -> Informer | None:
        """The informer of a whole resource, if anybody asked for it already."""
        return self._informers.get((resource, rest.EVERYTHING))

    def start(self, nursery: tasks.Nursery) -> None:
        """Run every informer there is and every one asked for later."""
        self._nursery = nursery
        for informer in self._informers.values():
            nursery.keep(informer.run, str(informer.resource))

    async def wait_synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.wait_synced()
