"""How much of a quota is used: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kijabi.api import quantity, quotas
from kijabi.api.resource import Object, Resource


def limits(quota: Object) -> quotas.Amounts:
    return quantity.resource_list((quota.get("spec") or {}).get("hard"))


def counted(quota: Object, resources: Iterable[Resource]) -> list[Resource]:
    """Those resources whose objects the quota counts."""
    hard = limits(quota)
    return [
        resource
        for resource in resources
        if resource.namespaced
        and (resource.group, resource.plural) not in quotas.IGNORED
        and quotas.watched_resources(resource, hard)
    ]


def status(quota: Object, objects: Mapping[Resource, Iterable[Object]]) -> Object:
    """``objects`` are all of the namespace, of each resource that is ``counted``."""
    hard = limits(quota)
    before = quantity.resource_list((quota.get("status") or {}).get("used"))
    used = {name: amount for name, amount in before.items() if name in hard}
    for resource, listed in objects.items():
        used |= _sum(quota, resource, listed, hard)
    return {"hard": quantity.texts(hard), "used": quantity.texts(used)}


def _sum(quota: Object, resource: Resource, listed: Iterable[Object], hard: quotas.Amounts) -> quotas.Amounts:
    total = dict.fromkeys(quotas.watched_resources(resource, hard), quantity.ZERO)
    for obj in listed:
        if quotas.in_scope(quota, resource, obj):
            for name, amount in quotas.usage(resource, obj).items():
                if name in total:
                    total[name] = total[name] + amount
    return total


def lowers(quota: Object, new: Object) -> bool:
    """Whether the new status says of anything that less is used than now."""
    before = quantity.resource_list((quota.get("status") or {}).get("used"))
    after = quantity.resource_list(new["used"])
    return any(after.get(name, quantity.ZERO) < amount for name, amount in before.items())
