"""Create: defaults, admission, system fields, hooks, validation, and the key that must not exist yet."""

from __future__ import annotations

import copy

from kijabi.api import errors
from kijabi.api import metadata as object_meta
from kijabi.apiserver import contract, params
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import metadata, ownership, registry
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry, Stored
from kijabi.store import contract as store_contract

# With five random letters, eight tries keep a prefix of a million names below one failure in a thousand.
_NAME_TRIES = 8


async def create(
    reg: Registry, context: RequestContext, endpoint: Endpoint, obj: Object, options: params.WriteOptions
) -> Stored:
    """``obj`` (decoded and checked; it is changed) becomes a stored object of ``context.info.namespace``.

    Raises AlreadyExists, Invalid, BadRequest, or what admission and hooks raise.
    """
    meta = metadata.of(obj)
    metadata.wipe(meta)
    if meta.pop("resourceVersion", "") not in ("", "0"):
        # Upstream gives this one no reason.
        error = errors.ApiError("resourceVersion should not be set on objects to be created")
        error.reason = ""
        raise error
    metadata.ensure_namespace(meta, context.info.namespace if endpoint.resource.namespaced else "")
    metadata.dedup_owners(meta, context.warnings, after_admission=False)
    endpoint.strategy.default(obj)
    ownership.created(reg, endpoint, obj, ownership.writer(context, options))
    before = meta.get("managedFields")
    attributes = contract.AdmissionAttributes(
        contract.CREATE,
        endpoint.resource,
        "",
        meta.get("name", ""),
        meta.get("namespace", "") or _own_namespace(endpoint, meta),
        obj,
        None,
        options.object,
        context.user,
        context.dry_run,
        context.warnings,
    )
    plugins = reg.plugins(endpoint, contract.CREATE, "")
    if plugins.admit:
        await registry.admit(plugins, attributes)
        ownership.admitted(obj, before, context.warnings)
        metadata.dedup_owners(metadata.of(obj), context.warnings, after_admission=True)
    if meta.get("generateName") and not meta.get("name"):
        return await _with_generated_name(reg, context, endpoint, obj, attributes)
    return await store_new(reg, context, endpoint, obj, attributes)


def _own_namespace(endpoint: Endpoint, meta: Object) -> str:
    # A Namespace is admitted as belonging to itself.
    return meta.get("name", "") if endpoint.resource.plural == "namespaces" else ""


async def _with_generated_name(
    reg: Registry,
    context: RequestContext,
    endpoint: Endpoint,
    obj: Object,
    attributes: contract.AdmissionAttributes,
) -> Stored:
    for attempt in range(1, _NAME_TRIES + 1):
        candidate = copy.deepcopy(obj) if attempt < _NAME_TRIES else obj
        meta = metadata.of(candidate)
        meta["name"] = object_meta.generate_name(meta["generateName"])
        attributes.object, attributes.name = candidate, meta["name"]
        try:
            return await store_new(reg, context, endpoint, candidate, attributes)
        except errors.AlreadyExists as error:
            if attempt == _NAME_TRIES:
                raise _no_unique_name(endpoint, meta["name"]) from error
    raise AssertionError("unreachable: the last try returns or raises")


def _no_unique_name(endpoint: Endpoint, name: str) -> errors.AlreadyExists:
    what = endpoint.resource
    details = {"name": name, "group": what.group, "kind": what.plural, "retryAfterSeconds": 1}
    if not what.group:
        del details["group"]
    why = "already exists, the server was not able to generate a unique name for the object"
    return errors.AlreadyExists(f'{what.qualified} "{name}" {why}', details=details)


async def store_new(
    reg: Registry,
    context: RequestContext,
    endpoint: Endpoint,
    obj: Object,
    attributes: contract.AdmissionAttributes,
) -> Stored:
    """From an admitted object on: also the second half of a PUT that creates."""
    metadata.fill(metadata.of(obj), reg.clock.time())
    begun: list[contract.StorageHook] = []
    try:
        for hook in endpoint.hooks:
            await hook.before_create(context, obj)
            begun.append(hook)
        prepare(endpoint, obj, context.info.namespace)
        context.warnings.extend(endpoint.strategy.warn_create(obj))
        attributes.name = attributes.name or obj["metadata"]["name"]
        await registry.validate(reg.plugins(endpoint, contract.CREATE, ""), attributes)
        stored = await _put_new(reg, context, endpoint, obj)
    except BaseException:
        # Whatever went wrong (a cancelled request too), what the hooks have taken must be given back.
        for hook in reversed(begun):
            await hook.after_failed_create(context, obj)
        raise
    for hook in begun:
        await hook.after_create(context, obj)
    return stored


def prepare(endpoint: Endpoint, obj: Object, namespace: str) -> None:
    """Bring the object into its first state and validate it. Raises Invalid or BadRequest."""
    strategy, meta = endpoint.strategy, obj["metadata"]
    metadata.ensure_namespace(meta, namespace if endpoint.resource.namespaced else "")
    if strategy.generation:
        meta["generation"] = 1
    strategy.prepare_create(obj)
    problems = strategy.validate_create(obj)
    if problems:
        raise endpoint.invalid(meta.get("name", ""), problems)


async def _put_new(reg: Registry, context: RequestContext, endpoint: Endpoint, obj: Object) -> Stored:
    meta = obj["metadata"]
    name: str = meta["name"]
    key = endpoint.cache.key(meta.get("namespace", ""), name)
    value = await endpoint.encode(obj)
    try:
        if context.dry_run:
            if key in endpoint.cache.entries:
                raise _exists(endpoint, name, endpoint.cache.entries[key].value)
            return Stored(value, 0, True)
        return Stored(value, await reg.put(endpoint, key, value, 0, registry.Change(endpoint.codec, value, obj)), True)
    except store_contract.Conflict as conflict:
        raise _exists(endpoint, name, conflict.current.value if conflict.current else b"") from conflict


def _exists(endpoint: Endpoint, name: str, value: bytes) -> errors.AlreadyExists:
    error = errors.already_exists(endpoint.resource.plural, name, endpoint.resource.group)
    if b'"deletionTimestamp":' in value and endpoint.codec.decode(value, 0)["metadata"].get("deletionTimestamp"):
        error.message = f"object is being deleted: {error.message}"
    return error
