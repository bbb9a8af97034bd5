"""Update: read, change, check, write where nobody was quicker; else again from the read.

PUT, every PATCH, ``/status``, ``/scale`` and the server's own mutations all come through ``update``; they differ in
the function that makes the new object from the old, and in the ``Part`` of the object they may change.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kijabi.api import errors
from kijabi.api import field as fields
from kijabi.apiserver import contract, params
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import creating, metadata, ownership, parts, registry
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry, Stored
from kijabi.apiserver.watchcache.entry import Entry
from kijabi.store import contract as store_contract


class Part(enum.Enum):
    """What of an object an update is about. RAW is for subresources whose own code has all the rules."""

    WHOLE = ""
    STATUS = "status"
    RAW = "raw"


# Gives the new object. Gets the stored one (a copy that may be changed), or None where there is none.
Make = Callable[[Object | None], Object]


@dataclass(slots=True)
class Update:
    """``namespace`` and ``name`` are the request's; ``uid`` is a precondition where not empty.

    ``authorize_create`` is asked before a PUT creates.
    """

    namespace: str
    name: str
    make: Make
    options: params.WriteOptions
    part: Part = Part.WHOLE
    subresource: str = ""
    uid: str = ""
    may_create: bool = False
    # An apply creates what is not there, whatever the kind.
    applies: bool = False
    # Who the changed fields belong to from now on; None: ``make`` has seen to that, or nobody.
    manager: str | None = None
    authorize_create: Callable[[], Awaitable[None]] | None = None
    # For RAW parts: puts all but the part back as stored, and says what is wrong with the change.
    take: parts.Take | None = None


async def update(reg: Registry, context: RequestContext, endpoint: Endpoint, wanted: Update) -> Stored:
    """Raises NotFound, Conflict, Invalid, BadRequest, or what admission, hooks and ``make`` raise."""
    cache = endpoint.cache
    there = cache.get(wanted.namespace, wanted.name)
    # Where others write to the store too, the cache's state may be an old one; the store's own never is.
    certain = not reg.feed.shared
    while True:
        try:
            try:
                if there is None:
                    return await _create(reg, context, endpoint, wanted)
                return await _try(reg, context, endpoint, wanted, there)
            except errors.ApiError:
                if not certain:
                    await reg.confirm(cache.key(wanted.namespace, wanted.name), there)
                raise
        except store_contract.Conflict as conflict:
            # Another writer was quicker. A client that named the version it changed is told so by the next try.
            there, certain = reg.entry(endpoint, conflict), True


async def _create(reg: Registry, context: RequestContext, endpoint: Endpoint, wanted: Update) -> Stored:
    if not wanted.may_create or not (wanted.applies or endpoint.traits.create_on_update):
        raise endpoint.not_found(wanted.name)
    obj = wanted.make(None)
    if wanted.applies:
        _check_applied(endpoint, wanted, obj)
    if wanted.uid:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: "
        raise endpoint.conflict(wanted.name, _storage_error(endpoint, wanted, why))
    endpoint.strategy.default(obj)
    if wanted.manager is not None:
        ownership.created(reg, endpoint, obj, wanted.manager)
    before = metadata.of(obj).get("managedFields")
    attributes = _attributes(context, endpoint, wanted, contract.CREATE, obj, None)
    await registry.admit(reg.plugins(endpoint, contract.CREATE, ""), attributes)
    ownership.admitted(obj, before, context.warnings)
    if wanted.authorize_create is not None:
        await wanted.authorize_create()
    metadata.of(obj).pop("resourceVersion", None)
    return await creating.store_new(reg, context, endpoint, obj, attributes)


def _check_applied(endpoint: Endpoint, wanted: Update, obj: Object) -> None:
    meta = metadata.of(obj)
    if meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
        raise endpoint.conflict(wanted.name, why)
    metadata.ensure_namespace(meta, wanted.namespace)
    metadata.check_name(meta, wanted.name)


def _storage_error(endpoint: Endpoint, wanted: Update, why: str) -> str:
    key = endpoint.cache.key(wanted.namespace, wanted.name)
    return f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"


def _attributes(
    context: RequestContext, endpoint: Endpoint, wanted: Update, operation: str, new: Object, old: Object | None
) -> contract.AdmissionAttributes:
    return contract.AdmissionAttributes(
        operation,
        endpoint.resource,
        wanted.subresource,
        wanted.name,
        wanted.namespace or (wanted.name if endpoint.resource.plural == "namespaces" else ""),
        new,
        old,
        wanted.options.object,
        context.user,
        context.dry_run,
        context.warnings,
    )


async def _try(reg: Registry, context: RequestContext, endpoint: Endpoint, wanted: Update, there: Entry) -> Stored:
    """One attempt on one state of the object. Raises the store's Conflict where that is not the newest."""
    if endpoint.remote is not None:
        await endpoint.remote.ready((there.value,))
    old = endpoint.codec.decode(there.value, there.revision)
    _check_uid(endpoint, wanted, old)
    # Parsing twice is quicker than copying: ``make`` gets its own.
    new = wanted.make(endpoint.codec.decode(there.value, there.revision))
    meta = metadata.of(new)
    metadata.ensure_namespace(meta, wanted.namespace)
    metadata.check_name(meta, wanted.name)
    if wanted.part is Part.WHOLE:
        endpoint.strategy.default(new)
    if wanted.manager is not None:
        ownership.updated(reg, endpoint, wanted.subresource, old, new, wanted.manager)
    before = meta.get("managedFields")
    plugins = reg.plugins(endpoint, contract.UPDATE, wanted.subresource)
    attributes = _attributes(context, endpoint, wanted, contract.UPDATE, new, old)
    await registry.admit(plugins, attributes)
    ownership.admitted(new, before, context.warnings)
    metadata.dedup_owners(metadata.of(new), context.warnings, after_admission=bool(plugins))
    _check_version(endpoint, wanted, metadata.of(new), there)
    hooks = endpoint.hooks if wanted.part is Part.WHOLE else ()
    begun: list[contract.StorageHook] = []
    try:
        for hook in hooks:
            await hook.before_update(context, new, old)
            begun.append(hook)
        _prepare(endpoint, wanted, new, old)
        if wanted.part is Part.WHOLE:
            context.warnings.extend(endpoint.strategy.warn_update(new, old))
        elif wanted.part is Part.STATUS:
            context.warnings.extend(endpoint.strategy.warn_status(new, old))
        await registry.validate(plugins, attributes)
        stored = await _write(reg, context, endpoint, new, old, there)
    except BaseException:
        for hook in reversed(begun):
            await hook.after_failed_update(context, new, old)
        raise
    for hook in begun:
        await hook.after_update(context, new, old)
    return stored


def _check_uid(endpoint: Endpoint, wanted: Update, old: Object) -> None:
    uid = old["metadata"].get("uid", "")
    if wanted.uid and wanted.uid != uid:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {uid}"
        raise endpoint.conflict(wanted.name, _storage_error(endpoint, wanted, why))


def _check_version(endpoint: Endpoint, wanted: Update, meta: Object, there: Entry) -> None:
    given = meta.get("resourceVersion")
    if not given or given == "0":
        if not endpoint.traits.unconditional_update and wanted.part is not Part.RAW:
            problem = fields.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            what = endpoint.resource
            raise errors.invalid(what.plural, wanted.name, [problem], what.group)
        meta["resourceVersion"] = str(there.revision)
    elif given != str(there.revision):
        if not isinstance(given, str) or not given.isdecimal():
            # Upstream's versioner says so itself, and nobody makes a reason of it.
            error = errors.ApiError(f'strconv.ParseUint: parsing "{given}": invalid syntax')
            error.reason = ""
            raise error
        raise endpoint.conflict(wanted.name)


def _prepare(endpoint: Endpoint, wanted: Update, new: Object, old: Object) -> None:
    """Keep what an update cannot change, then validate. Raises Invalid."""
    strategy = endpoint.strategy
    # What a part takes may count as a new generation.
    _keep(new["metadata"], old["metadata"], "generation", always=True)
    problems = wanted.take(new, old) if wanted.take is not None else []
    meta, before = new["metadata"], old["metadata"]
    if wanted.part is Part.STATUS:
        for key in new.keys() | old.keys():
            if key not in ("metadata", "status"):
                _keep(new, old, key, always=True)
        strategy.prepare_status(new, old)
    elif wanted.part is Part.WHOLE:
        strategy.prepare_update(new, old)
    meta.setdefault("uid", before.get("uid", ""))
    _keep(meta, before, "creationTimestamp", always=True)
    _keep(meta, before, "deletionTimestamp", always=True)
    if "deletionGracePeriodSeconds" in before:
        meta.setdefault("deletionGracePeriodSeconds", before["deletionGracePeriodSeconds"])
    else:
        meta.pop("deletionGracePeriodSeconds", None)
    if wanted.part is Part.STATUS:
        problems = strategy.validate_status(new, old)
    elif wanted.part is Part.WHOLE:
        problems = strategy.validate_update(new, old)
    if problems:
        raise endpoint.invalid(wanted.name, problems)


def _keep(new: Object, old: Object, key: str, always: bool) -> None:
    if key in old:
        new[key] = old[key]
    elif always:
        new.pop(key, None)


async def _write(
    reg: Registry, context: RequestContext, endpoint: Endpoint, new: Object, old: Object, there: Entry
) -> Stored:
    ownership.keep_times(new, old)
    value = await endpoint.encode(new)
    if is_finished(endpoint, new, old):
        # The last finalizer is gone from an object that waited for it: this update is its deletion.
        if not context.dry_run:
            await reg.remove(there.key, there.revision)
            for hook in endpoint.hooks:
                await hook.after_delete(context, new)
        return Stored(value, there.revision)
    if context.dry_run or (is_same(value, there.value, new, old) and not reg.store.is_stale(there.key)):
        # Nothing changes, so no new revision: controllers that write the same again do not wake each other.
        if reg.feed.shared and not context.dry_run:
            await reg.confirm(there.key, there)
        await reg.feed.seen(there.revision)
        return Stored(value, there.revision)
    change = registry.Change(endpoint.codec, value, new, there.value, old)
    return Stored(value, await reg.put(endpoint, there.key, value, there.revision, change))


def is_same(value: bytes, stored: bytes, new: Object, old: Object) -> bool:
    """Whether two objects are the same but for the order of their keys."""
    # The lengths tell apart what Python thinks equal: true and 1, 1 and 1.0. The heads tell apart an object that is
    # still stored in an older version.
    return value == stored or (len(value) == len(stored) and new == old and _head(value) == _head(stored))


def _head(value: bytes) -> bytes:
    return value.partition(b'"metadata":')[0]


def is_finished(endpoint: Endpoint, new: Object, old: Object) -> bool:
    """Whether an update leaves an object that was only waiting for finalizers, and waits for none any more."""
    meta: dict[str, Any] = old["metadata"]
    if new["metadata"].get("finalizers") or not meta.get("deletionTimestamp"):
        return False
    if endpoint.resource.plural == "namespaces" and (new.get("spec") or {}).get("finalizers"):
        return False
    return not meta.get("deletionGracePeriodSeconds")
