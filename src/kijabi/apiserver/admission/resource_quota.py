"""ResourceQuotas: a write that would use more than a namespace's hard limits is refused; what is granted is charged.

Requests of one namespace are decided one after another, those waiting together in one batch with one write per quota,
so a quota is never over-committed by concurrent creations; against other servers each write is conditional on the usage
it was decided on. What a failed creation was charged for comes back when usage is next recalculated, as upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from kijabi.api import errors, kinds, quantity, resource
from kijabi.api import quotas as quotas_
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

Object = contract.Object
Amounts = quotas_.Amounts

_TRIES = 4


@dataclass(slots=True, eq=False)
class _Waiter:
    attributes: contract.AdmissionAttributes
    decided: bool = False
    refusal: errors.ApiError | None = None


@dataclass(slots=True)
class _Line:
    """Those of one namespace who wait for a decision."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Waiter] = field(default_factory=list)


class ResourceQuota(plugin.Plugin):
    name = "ResourceQuota"

    def __init__(self, access: contract.Access) -> None:
        self._access = access
        self._quotas = plugin.Watched(access, kinds.RESOURCE_QUOTAS)
        self._lines: dict[str, _Line] = {}

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        if (what.group, what.plural) in quotas_.IGNORED or not what.namespaced:
            return False
        if plugin.is_kind(what, kinds.PODS) and (operation, subresource) == (contract.UPDATE, "resize"):
            return True
        updates = {("", "pods"), ("", "services"), ("", "persistentvolumeclaims")}
        if operation == contract.UPDATE:
            return (what.group, what.plural) in updates and not subresource
        return operation == contract.CREATE and not subresource

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        namespace = attributes.namespace
        if attributes.object is None or next(self._quotas.items(namespace), None) is None:
            return
        line = self._lines.setdefault(namespace, _Line())
        waiter = _Waiter(attributes)
        line.waiting.append(waiter)
        async with line.lock:
            # Whoever comes first decides for all who wait by then.
            if not waiter.decided:
                batch, line.waiting = line.waiting, []
                await self._decide(namespace, batch)
        if not line.waiting and not line.lock.locked():
            self._lines.pop(namespace, None)
        if waiter.refusal is not None:
            raise waiter.refusal

    async def _decide(self, namespace: str, batch: list[_Waiter]) -> None:
        try:
            for _ in range(_TRIES):
                if await self._try(namespace, batch):
                    return
            raise errors.conflict("resourcequotas", namespace)
        except errors.ApiError as error:
            for waiter in batch:
                waiter.refusal = waiter.refusal or error
        finally:
            for waiter in batch:
                waiter.decided = True

    async def _try(self, namespace: str, batch: list[_Waiter]) -> bool:
        """Decide for the batch and charge. False when a quota changed meanwhile."""
        quotas = await self._access.list(kinds.RESOURCE_QUOTAS, namespace)
        used = {one["metadata"]["name"]: _amounts(one, "used") for one in quotas}
        before = {name: dict(amounts) for name, amounts in used.items()}
        for waiter in batch:
            waiter.refusal = None
            decided = decide(waiter.attributes, quotas, used)
            if isinstance(decided, str):
                waiter.refusal = plugin.refused(waiter.attributes, decided)
            elif not waiter.attributes.dry_run:
                used.update(decided)
        for one in quotas:
            name = one["metadata"]["name"]
            if used[name] != before[name] and not await self._charge(one, before[name], used[name]):
                return False
        return True

    async def _charge(self, quota: Object, before: Amounts, used: Amounts) -> bool:
        meta = quota["metadata"]

        def change(obj: Object) -> None:
            if _amounts(obj, "used") != before:
                raise errors.conflict("resourcequotas", meta["name"])
            obj["status"] = {**(obj.get("status") or {}), "used": quantity.texts(used)}

        try:
            await self._access.mutate(
                kinds.RESOURCE_QUOTAS, meta["name"], meta["namespace"], change, subresource="status"
            )
        except errors.Conflict:
            return False
        except errors.NotFound:
            # A quota that is gone limits nothing.
            return True
        return True


def _amounts(quota: Object, key: str) -> Amounts:
    return quantity.resource_list((quota.get("status") or {}).get(key))


def decide(
    attributes: contract.AdmissionAttributes, quotas: list[Object], used: Mapping[str, Amounts]
) -> dict[str, Amounts] | str:
    """The usage after this write, of each quota that it changes; a text says why it is refused."""
    obj = attributes.object or {}
    what = attributes.resource
    concerned = []
    for quota in quotas:
        name = quota["metadata"]["name"]
        hard = _amounts(quota, "hard")
        watched = quotas_.watched_resources(what, hard)
        if not watched or not quotas_.in_scope(quota, what, obj):
            continue
        if what == kinds.PODS or (what.group, what.plural) == ("", "pods"):
            why = quotas_.lacking(obj, watched)
            if why:
                return f"failed quota: {name}: {why}"
        if not watched <= used[name].keys():
            return f"status unknown for quota: {name}, resources: {','.join(sorted(watched))}"
        concerned.append((quota, hard))
    if not concerned:
        return {}
    wanted = quotas_.usage(what, obj)
    negative = sorted(name for name, amount in wanted.items() if amount < quantity.ZERO)
    if negative:
        return f"quota usage is negative for resource(s): {','.join(negative)}"
    return _charged(attributes, wanted, concerned, used)


def _charged(
    attributes: contract.AdmissionAttributes,
    wanted: Amounts,
    concerned: list[tuple[Object, Amounts]],
    used: Mapping[str, Amounts],
) -> dict[str, Amounts] | str:
    result: dict[str, Amounts] = {}
    for quota, hard in concerned:
        name = quota["metadata"]["name"]
        more = _more(attributes, wanted, quota)
        asked = {key: amount for key, amount in more.items() if amount and key in hard}
        after = {key: used[name].get(key, quantity.ZERO) + amount for key, amount in asked.items()}
        over = sorted(key for key, amount in after.items() if amount > hard[key])
        if over:
            return (
                f"exceeded quota: {name}, requested: {_pretty(asked, over)}, "
                f"used: {_pretty(used[name], over)}, limited: {_pretty(hard, over)}"
            )
        if asked:
            result[name] = {**used[name], **after}
    return result


def _more(attributes: contract.AdmissionAttributes, wanted: Amounts, quota: Object) -> Amounts:
    """What the write adds; an update adds the difference to what the object used before, never less than nothing."""
    old = attributes.old_object
    if attributes.operation != contract.UPDATE or old is None:
        return wanted
    if not quotas_.in_scope(quota, attributes.resource, old):
        return wanted
    previous = quotas_.usage(attributes.resource, old)
    difference = {key: amount - previous.get(key, quantity.ZERO) for key, amount in wanted.items()}
    return {key: amount if amount > quantity.ZERO else quantity.ZERO for key, amount in difference.items()}


def _pretty(amounts: Mapping[str, quantity.Quantity], names: list[str]) -> str:
    return ",".join(f"{name}={amounts.get(name, quantity.ZERO)}" for name in names)
