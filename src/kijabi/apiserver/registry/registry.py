"""Endpoints, and the one road from them to the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from kijabi.api import errors, managed, resource, schema
from kijabi.api.schema import types
from kijabi.apiserver import contract
from kijabi.apiserver.registry import traits
from kijabi.apiserver.watchcache import codec, listing
from kijabi.apiserver.watchcache.cache import Cache
from kijabi.apiserver.watchcache.entry import Entry
from kijabi.apiserver.watchcache.feed import Feed
from kijabi.kit import clock
from kijabi.store import contract as store_contract

Object = resource.Object


class Catalog(Protocol):
    def by_path(self, group: str, version: str, plural: str) -> resource.Strategy | None: ...

    def strategies(self) -> Iterable[resource.Strategy]: ...


class Typing(Protocol):
    """What is known of the types of an endpoint's objects: ``schema.Schemas`` for built-in kinds."""

    def check(self, gvk: schema.Kind, obj: Object) -> list[schema.Problem]:
        """Problems with a decoded object, which is put into the form in which it is stored (see ``Schemas.check``)."""
        ...

    def merge_info(self, gvk: schema.Kind) -> types.Type | None:
        """The type that a strategic merge follows; None where there is none (custom resources)."""
        ...

    def type_of(self, gvk: schema.Kind) -> types.Type | None:
        """The type that server-side apply follows; None: nothing is known, every list is atomic."""
        ...


class Remote(Protocol):
    """The part of a codec that has to wait for somebody else."""

    async def ready(self, values: Iterable[bytes]) -> None:
        """Make reading these stored values possible. Raises InternalError."""
        ...

    async def stored(self, obj: Object) -> bytes: ...


class Stored(NamedTuple):
    """What a write left: stored bytes and their revision (0: not stored, a dry run of a creation)."""

    value: bytes
    revision: int
    created: bool = False


Step = Callable[[contract.AdmissionAttributes], Awaitable[None]]


class Plugins(NamedTuple):
    """What admission has to say to one kind of write: those plugins' own methods, without the empty ones."""

    admit: tuple[Step, ...]
    validate: tuple[Step, ...]

    def __bool__(self) -> bool:
        return bool(self.admit or self.validate)


class Change(NamedTuple):
    """A write under way, as bytes and as the objects they say: who hears of it need not decode them again."""

    coder: codec.AnyCodec
    value: bytes
    new: Object
    before: bytes = b""
    old: Object | None = None

    def of(self, coder: codec.AnyCodec, entry: Entry) -> Object | None:
        """What the entry says, where this change knows it."""
        if coder is not self.coder:
            return None
        if entry.value is self.value:
            self.new["metadata"]["resourceVersion"] = str(entry.revision)
            return self.new
        return self.old if entry.value is self.before else None


@dataclass(slots=True)
class Endpoint:
    """One served version of a resource, with all that serving it needs, found once per request by its path."""

    strategy: resource.Strategy
    codec: codec.AnyCodec
    cache: Cache
    traits: traits.Traits
    schemas: Typing | None = None
    hooks: tuple[contract.StorageHook, ...] = ()
    admission: dict[tuple[str, str], Plugins] = field(default_factory=dict)
    # By subresource, made as they are asked for (see ``ownership``).
    views: dict[str, managed.View] = field(default_factory=dict)
    # Told to everyone who uses this version.
    warnings: tuple[str, ...] = ()
    # Where other versions come from a webhook: what must be awaited before the codec is asked.
    remote: Remote | None = None

    @property
    def resource(self) -> resource.Resource:
        return self.strategy.resource

    @property
    def gvk(self) -> tuple[str, str, str]:
        what = self.strategy.resource
        return what.group, what.version, what.kind

    def not_found(self, name: str) -> errors.ApiError:
        """BadRequest where nothing can have such a name."""
        wrong = (
            [f"may not be '{name}'"]
            if name in (".", "..")
            else [f"may not contain '{no}'" for no in "/%" if no in name]
        )
        if wrong:
            return errors.BadRequest(f'Name parameter invalid: "{name}": {";".join(wrong)}')
        return errors.not_found(self.resource.plural, name, self.resource.group)

    def conflict(self, name: str, why: str = errors.MODIFIED) -> errors.Conflict:
        return errors.conflict(self.resource.plural, name, self.resource.group, why)

    def invalid(self, name: str, problems: list[Any]) -> errors.Invalid:
        # A kind that is stored as one of another group is known by that.
        group = self.strategy.extra.get("stored", self.resource).group
        return errors.invalid(self.resource.kind, name, problems, group)

    def full(self, stored: Stored) -> bytes:
        """The answer to a write."""
        return self.codec.full(stored.value, stored.revision)

    async def encode(self, obj: Object) -> bytes:
        """``obj`` as it is stored. Raises InternalError where a webhook cannot convert it."""
        return self.codec.encode(obj) if self.remote is None else await self.remote.stored(obj)

    def decode(self, stored: Stored) -> Object:
        return self.codec.decode(stored.value, stored.revision)


@dataclass(slots=True)
class Added:
    """One version of a resource that is served from now on. ``reader`` says what selectors may ask of stored objects
    (the first version's counts)."""

    strategy: resource.Strategy
    codec: codec.AnyCodec | None = None
    schemas: Typing | None = None
    reader: resource.Strategy | None = None
    hooks: tuple[contract.StorageHook, ...] = ()
    warnings: tuple[str, ...] = ()
    remote: Remote | None = None


def is_stored(strategy: resource.Strategy) -> bool:
    """Whether objects of the kind are kept; reviews and bindings are only answered."""
    return "watch" in strategy.resource.verbs


@dataclass(slots=True)
class Parts:
    """What a registry is made of, beside the store."""

    catalog: Catalog
    schemas: schema.Schemas | None = None
    admission: Sequence[contract.Admission] = ()
    clock: clock.Clock = clock.SYSTEM
    # Seconds until an Event is forgotten.
    event_ttl: float = 3600.0


class Registry:
    def __init__(self, store: store_contract.Store, parts: Parts) -> None:
        self.store = store
        self.parts = parts
        self.clock = parts.clock
        self.endpoints: dict[tuple[str, str, str], Endpoint] = {}
        self.caches: dict[str, Cache] = {}
        # By key.
        self.under_way: dict[str, Change] = {}
        for strategy in parts.catalog.strategies():
            if is_stored(strategy):
                self._add(strategy)
        self.feed = Feed(store, self.caches)
        self.lister = listing.Lister(store, self.feed)

    def _add(self, strategy: resource.Strategy) -> None:
        what = strategy.resource
        prefix = traits.prefix(strategy.extra.get("stored", what))
        cache = self.caches.get(prefix)
        if cache is None:
            # Selectors ask what is stored, so a version that is stored as another one reads by that one's rules.
            stored = strategy.extra.get("stored", what)
            reader = self.parts.catalog.by_path(stored.group, stored.version, stored.plural) or strategy
            cache = self.caches[prefix] = Cache(prefix, reader)
        self.endpoints[what.group, what.version, what.plural] = Endpoint(
            strategy,
            _codec(strategy),
            cache,
            traits.of(what),
            self.parts.schemas,
            warnings=strategy.extra.get("warnings", ()),
        )

    # --- what comes and goes while the server runs

    async def add(self, added: Sequence[Added]) -> None:
        """Serve these versions of one resource, in place of those of it that are served now.

        Returns when the resource's objects are loaded. Those who watch them in a version served before are cut off, and
        come back to the new state.
        """
        what = added[0].strategy.resource
        prefix = traits.prefix(what)
        reader = added[0].reader or added[0].strategy
        cache = self.caches.get(prefix)
        if cache is None:
            cache = Cache(prefix, reader)
            await self.feed.join(cache)
        else:
            cache.reread(reader)
        self._take_out(what.group, what.plural)
        for one in added:
            row = one.strategy.resource
            made = Endpoint(
                one.strategy, one.codec or _codec(one.strategy), cache, traits.of(row), one.schemas, one.hooks
            )
            made.warnings, made.remote = one.warnings, one.remote
            self.endpoints[row.group, row.version, row.plural] = made

    def withdraw(self, group: str, plural: str) -> None:
        """Serve a resource no longer, in any version. What is stored stays."""
        endpoint = self._take_out(group, plural)
        if endpoint is not None:
            self.feed.leave(endpoint.cache)

    def _take_out(self, group: str, plural: str) -> Endpoint | None:
        found = None
        for key in [key for key in self.endpoints if key[0] == group and key[2] == plural]:
            found = self.endpoints.pop(key)
        return found

    def endpoint(self, what: resource.Resource) -> Endpoint:
        """Raises NotFound for a resource that is not stored here."""
        found = self.endpoints.get((what.group, what.version, what.plural))
        if found is None:
            raise errors.NotFound("the server could not find the requested resource")
        return found

    def equip(
        self,
        admission: Sequence[contract.Admission],
        hooks: Iterable[Mapping[tuple[str, str], contract.StorageHook]],
    ) -> None:
        """Add what is itself built upon this registry. Called once, before the first request."""
        self.parts.admission = admission
        for mapping in hooks:
            for (group, plural), hook in mapping.items():
                for endpoint in self.endpoints.values():
                    if (endpoint.resource.group, endpoint.resource.plural) == (group, plural):
                        endpoint.hooks += (hook,)

    # --- the store

    async def put(self, endpoint: Endpoint, key: str, value: bytes, expect: int, change: Change | None = None) -> int:
        """Write and wait until this server's cache has it. Raises the store's Conflict.

        The objects of ``change`` are shared from here on: not to be changed any more.
        """
        ttl = self.parts.event_ttl if endpoint.resource.plural == "events" else None
        if change is not None:
            self.under_way[key] = change
        try:
            revision = await self.store.put(key, value, expect=expect, ttl=ttl)
            await self.feed.seen(revision)
        finally:
            self.under_way.pop(key, None)
        return revision

    async def remove(self, key: str, expect: int) -> int:
        """Delete and wait until this server's cache knows; 0 where the key was gone. Raises the store's Conflict."""
        revision, _ = await self.store.delete(key, expect=expect)
        await self.feed.seen(revision)
        return revision

    def entry(self, endpoint: Endpoint, conflict: store_contract.Conflict) -> Entry | None:
        """What a refused write found in its way: newer than the cache, perhaps."""
        there = conflict.current
        return endpoint.cache.entry_of(there.key, there.value, there.revision) if there is not None else None

    async def confirm(self, key: str, there: Entry | None) -> None:
        """Raise the store's Conflict where the cache's state of a key, ``there``, is behind what is stored.

        A decision that ends in no write was checked by nobody: made on a lagging cache, it may be wrong.
        """
        stored = await self.store.get(key)
        if (stored.revision if stored else 0) != (there.revision if there else 0):
            raise store_contract.Conflict(key, stored)

    def missing(self, endpoint: Endpoint, namespace: str, name: str) -> errors.ApiError:
        """Why an object is not in the cache: it does not exist, or its value cannot be decrypted."""
        why = self.store.unreadable.get(endpoint.cache.key(namespace, name))
        return errors.InternalError(f"Internal error occurred: {why}") if why else endpoint.not_found(name)

    def check_readable(self, endpoint: Endpoint, namespace: str) -> None:
        """Raises InternalError where a list would lack an object whose value cannot be decrypted."""
        prefix = f"{endpoint.cache.prefix}{namespace}/" if namespace else endpoint.cache.prefix
        for key, why in self.store.unreadable.items():
            if key.startswith(prefix):
                raise errors.InternalError(f'Internal error occurred: unable to transform key "{key}": {why}')

    # --- admission

    def plugins(self, endpoint: Endpoint, operation: str, subresource: str) -> Plugins:
        found = endpoint.admission.get((operation, subresource))
        if found is None:
            found = plugins(self.parts.admission, operation, endpoint.resource, subresource)
            endpoint.admission[operation, subresource] = found
        return found


def plugins(chain: Sequence[contract.Admission], operation: str, what: resource.Resource, subresource: str) -> Plugins:
    chosen = [plugin for plugin in chain if plugin.handles(operation, what, subresource)]
    return Plugins(
        tuple(one.admit for one in chosen if getattr(type(one), "admit", None) is not contract.indifferent),
        tuple(one.validate for one in chosen if getattr(type(one), "validate", None) is not contract.indifferent),
    )


async def admit(chosen: Plugins, attributes: contract.AdmissionAttributes) -> None:
    for step in chosen.admit:
        await step(attributes)
    if attributes.again and not attributes.second_round:
        # Plugins before the one that changed the object have not seen what it became.
        attributes.second_round = True
        for step in chosen.admit:
            await step(attributes)


async def validate(chosen: Plugins, attributes: contract.AdmissionAttributes) -> None:
    for step in chosen.validate:
        await step(attributes)


def _codec(strategy: resource.Strategy) -> codec.AnyCodec:
    """A kind that is stored as another version names it in ``extra``: ``stored`` (a Resource) and both conversions."""
    stored = strategy.extra.get("stored")
    if stored is None:
        return codec.Codec(strategy.resource)
    return codec.Converting(
        strategy.resource, codec.Codec(stored), strategy.extra["from_stored"], strategy.extra["to_stored"]
    )
