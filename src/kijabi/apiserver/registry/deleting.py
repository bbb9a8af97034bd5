"""Delete: at once, after a grace period, or when the finalizers are gone.

Three decisions are made on the stored object and the DeleteOptions (``decide``): is there still to wait for a grace
period, which finalizers does the propagation policy add or take away, and is the object then removed or only marked.
Source: k8s.io/apiserver registry/rest/delete.go, registry/generic/registry/store.go; "Garbage Collection".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from kijabi.api import errors, timestamps
from kijabi.apiserver import contract
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import registry
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry, Stored
from kijabi.apiserver.watchcache.entry import Entry
from kijabi.store import contract as store_contract

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_ORPHANED = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the object. ``marked`` is its new state to store first; ``remove``: it goes, now."""

    marked: Object | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """The answer: the object's last state, and whether it is gone."""

    stored: Stored
    gone: bool


def decide(endpoint: Endpoint, obj: Object, options: Object, now: float) -> Verdict:
    """Pure: ``obj`` is a copy and is changed into the marked state. Raises Conflict for a failed precondition."""
    meta = obj["metadata"]
    _check_preconditions(endpoint, meta, options)
    graceful, pending = _grace(endpoint, obj, options, now)
    if pending:
        # A deletion is under way already, and this one does not make it any shorter.
        return Verdict()
    before = list(meta.get("finalizers") or [])
    after = finalizers(endpoint, before, options)
    if set(after) != set(before):
        _set(meta, "finalizers", after)
    else:
        after = before
    if graceful:
        waits = bool(after) or meta["deletionGracePeriodSeconds"] > 0
        return Verdict(obj, remove=not waits)
    if after:
        _mark(meta, now)
        return Verdict(obj)
    return Verdict(remove=True)


def _set(meta: Object, key: str, values: list[str]) -> None:
    if values:
        meta[key] = values
    else:
        meta.pop(key, None)


def _check_preconditions(endpoint: Endpoint, meta: Object, options: Object) -> None:
    wanted = options.get("preconditions") or {}
    what, name = endpoint.resource, meta.get("name", "")
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    # Upstream names the kind here, not the resource.
    if uid is not None and uid != meta.get("uid"):
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({meta.get('uid')}). "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict(what.kind, name, what.group, why)
    if version is not None and version != meta.get("resourceVersion"):
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({meta.get('resourceVersion')}). The object might have been modified"
        )
        raise errors.conflict(what.kind, name, what.group, why)


def _grace(endpoint: Endpoint, obj: Object, options: Object, now: float) -> tuple[bool, bool]:
    """(is graceful, is already pending). Sets the deletion's time and period on a graceful start."""
    period_of = endpoint.strategy.grace_period
    if period_of is None:
        return False, False
    meta = obj["metadata"]
    asked: int | None = options.get("gracePeriodSeconds")
    if asked is not None and asked < 0:
        asked = 1
    if meta.get("deletionTimestamp"):
        return _shorten(meta, asked, now)
    period = period_of(obj, asked)
    meta["deletionTimestamp"] = timestamps.format_time(now + period)
    meta["deletionGracePeriodSeconds"] = period
    _bump_generation(meta)
    return True, False


def _shorten(meta: Object, asked: int | None, now: float) -> tuple[bool, bool]:
    current = meta.get("deletionGracePeriodSeconds")
    if not current:
        # Marked and due, but a crash came between mark and removal: finish it.
        return False, False
    if asked is None or asked >= current:
        return False, True
    due = timestamps.parse(meta["deletionTimestamp"]) - current + asked
    if due < now:
        due = now
        asked = 1 if asked else 0
    meta["deletionTimestamp"] = timestamps.format_time(due)
    meta["deletionGracePeriodSeconds"] = asked
    return True, False


def _mark(meta: Object, now: float) -> None:
    """An object without graceful deletion that must wait for finalizers."""
    due = meta.get("deletionTimestamp")
    if not due:
        _bump_generation(meta)
    if not due or timestamps.parse(due) > now:
        meta["deletionTimestamp"] = timestamps.format_time(now)
    meta["deletionGracePeriodSeconds"] = 0


def _bump_generation(meta: Object) -> None:
    if meta.get("generation", 0) > 0:
        meta["generation"] += 1


def finalizers(endpoint: Endpoint, before: list[str], options: Object) -> list[str]:
    """The finalizers after the propagation policy had its say."""
    if not endpoint.traits.collected:
        return [name for name in before if name not in (ORPHAN, FOREGROUND)]
    orphan, policy = options.get("orphanDependents"), options.get("propagationPolicy")
    if orphan is not None:
        wanted = ORPHAN if orphan else ""
    elif policy is not None:
        wanted = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy, "")
    else:
        # Nothing asked for: what stands on the object holds, and then the custom of its kind.
        custom = ORPHAN if endpoint.traits.orphans else ""
        wanted = next((name for name in before if name in (ORPHAN, FOREGROUND)), custom)
    kept = [name for name in before if name not in (ORPHAN, FOREGROUND)]
    return [*kept, wanted] if wanted else kept


async def delete(
    reg: Registry, context: RequestContext, endpoint: Endpoint, namespace: str, name: str, options: Object
) -> Deleted:
    """Raises NotFound, Conflict, or what admission raises."""
    silent = bool(options.keys() & {"propagationPolicy", "orphanDependents"})
    if endpoint.resource.qualified == "jobs.batch" and not silent and _ORPHANED not in context.warnings:
        context.warnings.append(_ORPHANED)
    there = endpoint.cache.get(namespace, name)
    certain = not reg.feed.shared
    while True:
        try:
            try:
                if there is None:
                    raise endpoint.not_found(name)
                return await _try(reg, context, endpoint, there, options)
            except errors.ApiError:
                if not certain:
                    await reg.confirm(endpoint.cache.key(namespace, name), there)
                raise
        except store_contract.Conflict as conflict:
            there, certain = reg.entry(endpoint, conflict), True


async def _try(reg: Registry, context: RequestContext, endpoint: Endpoint, there: Entry, options: Object) -> Deleted:
    if endpoint.remote is not None:
        await endpoint.remote.ready((there.value,))
    obj = endpoint.codec.decode(there.value, there.revision)
    mark = endpoint.strategy.extra.get("mark_deleted")
    if endpoint.resource.plural == "namespaces" and not endpoint.resource.group:
        verdict = _decide_namespace(endpoint, obj, options, reg.clock.time())
    elif mark is not None and not obj["metadata"].get("deletionTimestamp"):
        _check_preconditions(endpoint, obj["metadata"], options)
        verdict = Verdict(mark(obj, reg.clock.time()))
    else:
        verdict = decide(endpoint, obj, options, reg.clock.time())
    if verdict.marked is None and not verdict.remove:
        return Deleted(Stored(there.value, there.revision), False)
    await _admit(reg, context, endpoint, there, options)
    value, revision = there.value, there.revision
    if verdict.marked is not None:
        value = await endpoint.encode(verdict.marked)
        if not context.dry_run and not verdict.remove and value != there.value:
            revision = await reg.put(endpoint, there.key, value, revision)
    if not verdict.remove:
        return Deleted(Stored(value, revision), False)
    if not context.dry_run:
        # The marked state is not written when it would be removed in the same breath; watchers see one deletion.
        revision = await reg.remove(there.key, revision)
        if not revision:
            raise endpoint.not_found(there.name)
        last = endpoint.codec.decode(value, revision)
        for hook in endpoint.hooks:
            await hook.after_delete(context, last)
    return Deleted(Stored(value, revision), True)


def _decide_namespace(endpoint: Endpoint, obj: Object, options: Object, now: float) -> Verdict:
    """A namespace is first marked Terminating; its controller empties it and takes ``spec.finalizers`` away."""
    meta = obj["metadata"]
    _check_preconditions(endpoint, meta, options)
    if meta.get("deletionTimestamp"):
        if (obj.get("spec") or {}).get("finalizers"):
            return Verdict()
        return decide(endpoint, obj, options, now)
    meta["deletionTimestamp"] = timestamps.format_time(now)
    obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    _set(meta, "finalizers", finalizers(endpoint, list(meta.get("finalizers") or []), options))
    return Verdict(obj)


async def _admit(reg: Registry, context: RequestContext, endpoint: Endpoint, there: Entry, options: Object) -> None:
    plugins = reg.plugins(endpoint, contract.DELETE, "")
    if not plugins:
        return
    attributes = contract.AdmissionAttributes(
        contract.DELETE,
        endpoint.resource,
        "",
        there.name,
        there.namespace or (there.name if endpoint.resource.plural == "namespaces" else ""),
        None,
        endpoint.codec.decode(there.value, there.revision),
        options,
        context.user,
        context.dry_run,
        context.warnings,
    )
    await registry.admit(plugins, attributes)
    await registry.validate(plugins, attributes)


async def delete_all(
    reg: Registry, context: RequestContext, endpoint: Endpoint, entries: list[Entry], options: Object
) -> None:
    """Delete each; those that are gone already are no error. Raises the first other error, when all were tried."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(entry: Entry) -> None:
        async with turn:
            try:
                await delete(reg, context, endpoint, entry.namespace, entry.name, dict(options))
            except errors.NotFound:
                return

    results: list[Any] = await asyncio.gather(*(one(entry) for entry in entries), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


# Deletions of one collection that are under way together: enough for the store to commit them in groups.
_AT_ONCE = 64


def status_of(endpoint: Endpoint, stored: Stored) -> Object:
    """The Status that most kinds answer a deletion with."""
    what, meta = endpoint.resource, endpoint.decode(stored)["metadata"]
    details = {"name": meta["name"], "group": what.group, "kind": what.plural, "uid": meta.get("uid", "")}
    if not what.group:
        del details["group"]
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
