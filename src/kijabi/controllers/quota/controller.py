"""Follows what quotas count, and writes their status."""

from __future__ import annotations

from kijabi.api import errors, kinds, quotas
from kijabi.api.resource import Object, Resource
from kijabi.client import discovery, informer
from kijabi.controllers import contract
from kijabi.controllers.garbage import controller as garbage
from kijabi.controllers.quota import plan as plans
from kijabi.kit import tasks

# How long a quota must not have been charged before its usage is lowered.
QUIET = 0.5
# Charges for what was never made are found no later than this.
RESYNC = 300.0
REDISCOVER = 30.0
# Of these more counts than that they exist, so the whole object is kept.
_WHOLE = (kinds.PODS, kinds.SERVICES, kinds.PERSISTENT_VOLUME_CLAIMS)


class ResourceQuotas(contract.KeyedController):
    name = "resourcequota-controller"
    account = "resourcequota-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._quotas = context.informers.of(kinds.RESOURCE_QUOTAS)
        self._followed: dict[Resource, informer.Informer] = {}
        self._resources: list[Resource] = []
        # What a quota was charged with, and since when we have seen that.
        self._charged: dict[str, tuple[Object, float]] = {}
        self._nursery = tasks.Nursery(self.name, self.clock)

    def watch(self) -> list[informer.Informer]:
        self._quotas.subscribe(self._quota_changed)
        return [self._quotas]

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        quota = new or old or {}
        if new is None:
            self._charged.pop(informer.key_of(quota), None)
            return
        used = (quota.get("status") or {}).get("used") or {}
        key = informer.key_of(quota)
        if key not in self._charged or self._charged[key][0] != used:
            self._charged[key] = (used, self.clock.monotonic())
        self.enqueue(quota)

    async def run(self) -> None:
        self._nursery = tasks.Nursery(self.name, self.clock)
        try:
            self._nursery.keep(self._discover_for_ever, "discovery")
            await super().run()
        finally:
            await self._nursery.aclose()
            self._followed.clear()

    async def _discover_for_ever(self) -> None:
        while True:
            found = await discovery.preferred(self.client)
            self._resources = [
                garbage.bare(resource) for resource in found.resources if {"list", "watch"} <= set(resource.verbs)
            ]
            for quota in self._quotas.items():
                self.enqueue(quota)
            await self.clock.sleep(REDISCOVER)

    def _follow(self, resource: Resource) -> informer.Informer:
        followed = self._followed.get(resource)
        if followed is not None:
            return followed
        shared = self.context.informers.of(resource) if resource in _WHOLE else self.context.informers.shared(resource)
        if shared is None:
            shared = informer.Informer(self.client, resource, transform=garbage.metadata_only, timepiece=self.clock)
            self._nursery.keep(shared.run, str(resource))

        def changed(old: Object | None, new: Object | None) -> None:
            if old is not None and new is not None and quotas.usage(resource, old) == quotas.usage(resource, new):
                return
            for quota in self._quotas.items((new or old or {})["metadata"]["namespace"]):
                self.enqueue(quota)

        shared.subscribe(changed)
        self._followed[resource] = shared
        return shared

    async def reconcile(self, key: str) -> float | None:
        quota = self._quotas.by_key(key)
        if quota is None or not self._resources:
            # Discovery looks at all quotas when it is done.
            return None
        objects: dict[Resource, list[Object]] = {}
        for resource in plans.counted(quota, self._resources):
            followed = self._follow(resource)
            await followed.wait_synced()
            objects[resource] = followed.items(quota["metadata"]["namespace"])
        new = plans.status(quota, objects)
        if new == (quota.get("status") or {}):
            return RESYNC
        if plans.lowers(quota, new):
            left = self._charged[key][1] + QUIET - self.clock.monotonic() if key in self._charged else 0.0
            if left > 0:
                return left
        # With the version that was counted for: a charge made meanwhile makes this a conflict.
        try:
            await self.client.update(kinds.RESOURCE_QUOTAS, {**quota, "status": new}, subresource="status")
        except errors.NotFound:
            return None
        return RESYNC
