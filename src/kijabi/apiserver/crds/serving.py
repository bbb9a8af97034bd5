"""Follows the definitions: serves what they define, and keeps their conditions.

One loop handles one definition at a time, because names are given in turn. What is to be served is served before the
definition says that it is Established, so that nobody who waits for that is too early. Level-driven: each turn looks at
the definition as it is, and a definition is looked at again whenever it, or a neighbour in its group, changes.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kijabi.api import conditions, errors
from kijabi.api.apiextensions import customresourcedefinition
from kijabi.api.resource import Object
from kijabi.apiserver import contract, discovery, openapi
from kijabi.apiserver.crds import conditions as decided
from kijabi.apiserver.crds import finalizing, served
from kijabi.apiserver.crds.conversion import Caller, Converter, Webhook
from kijabi.apiserver.registry import registry
from kijabi.kit import clock, tasks

log = logging.getLogger(__name__)

CRDS = customresourcedefinition.RESOURCE
# Seconds; what fails for a reason of its own fails again, and need not fill the log.
_RETRY_AFTER = 5.0


@dataclass(frozen=True, slots=True)
class Means:
    """What serving needs of others: the definitions that documents share, and a way to webhooks."""

    common: Callable[[], Mapping[str, Object]]
    call: Caller
    timepiece: clock.Clock = clock.SYSTEM


class CustomResources:
    """``start`` when the caches are loaded; afterwards everything there is is served, and followed."""

    def __init__(
        self,
        reg: registry.Registry,
        access: contract.Access,
        found: discovery.Discovery,
        documents: openapi.OpenApi,
        means: Means,
    ) -> None:
        self._reg = reg
        self._access = access
        self._discovery = found
        self._openapi = documents
        self._means = means
        self._clock = means.timepiece
        self._served: dict[str, served.Served] = {}
        self._waiting: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._finalizer = finalizing.Finalizer(access, means.timepiece)
        self._merged: dict[str, tuple[list[int], Object]] = {}

    async def start(self, owner: tasks.Nursery) -> None:
        """Raises what the store raises."""
        self._access.subscribe(CRDS, self._told)
        while self._waiting:
            await self._turn(owner)
        owner.keep(lambda: self._run(owner), "custom-resources")

    def _told(self, old: Object | None, new: Object | None) -> None:
        crd = new or old
        assert crd is not None
        self._wake(crd["metadata"]["name"])

    def _wake(self, name: str) -> None:
        self._waiting[name] = None
        self._woken.set()

    async def _run(self, owner: tasks.Nursery) -> None:
        while True:
            if not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            await self._turn(owner)

    async def _turn(self, owner: tasks.Nursery) -> None:
        name = next(iter(self._waiting))
        del self._waiting[name]
        try:
            await self._look(name, owner)
        except errors.ApiError as error:
            log.warning("%s could not be brought up to date and is tried again: %s", name, error.message)
            owner.start(self._again(name), f"retry-{name}")
        except Exception:
            # One definition that cannot be served must not keep the others, nor the server, from coming up.
            log.exception("%s could not be brought up to date and is tried again", name)
            owner.start(self._again(name), f"retry-{name}")

    async def _again(self, name: str) -> None:
        await self._clock.sleep(_RETRY_AFTER)
        self._wake(name)

    async def _look(self, name: str, owner: tasks.Nursery) -> None:
        crd = self._access.get_nowait(CRDS, name)
        if crd is None:
            self._withdraw(name)
            # Its names are free now.
            for other in await self._neighbours(name.partition(".")[2], name):
                self._wake(other["metadata"]["name"])
            return
        others = await self._neighbours(crd["spec"]["group"], name)
        status = decided.desired(crd, others, self._clock.time())
        seen = {**crd, "status": status} if status is not None else crd
        if any(conditions.is_true(seen, kind) for kind in (decided.NAMES_ACCEPTED, decided.ESTABLISHED)):
            await self._serve(name, seen)
        else:
            self._withdraw(name)
        if status is not None:
            await self._write(name, others)
        self._finalizer.look(crd, owner)

    async def _neighbours(self, group: str, name: str) -> list[Object]:
        found = await self._access.list(CRDS)
        return [crd for crd in found if crd["spec"]["group"] == group and crd["metadata"]["name"] != name]

    async def _write(self, name: str, others: list[Object]) -> None:
        def change(crd: Object) -> None:
            status = decided.desired(crd, others, self._clock.time())
            if status is not None:
                crd["status"] = status

        try:
            await self._access.mutate(CRDS, name, "", change, subresource="status")
        except errors.NotFound:
            return
        for other in others:
            # A name may have been given up.
            if not conditions.is_true(other, decided.NAMES_ACCEPTED):
                self._wake(other["metadata"]["name"])

    # --- serving

    async def _serve(self, name: str, crd: Object) -> None:
        before = self._served.get(name)
        if before is not None and before.is_as(crd):
            if before.is_terminating != conditions.is_true(crd, decided.TERMINATING):
                self._retell(before, crd)
            return
        made = served.make(copy.deepcopy(crd), self._converter(crd))
        await self._reg.add(made.added)
        self._served[name] = made
        self._publish()

    def _retell(self, known: served.Served, crd: Object) -> None:
        """Terminating has begun: no new objects, but nobody is cut off."""
        known.crd = copy.deepcopy(crd)
        for one in known.added:
            what = one.strategy.resource
            endpoint = self._reg.endpoints.get((what.group, what.version, what.plural))
            if endpoint is not None:
                endpoint.hooks = served.hooks_of(crd, what)
        self._publish()

    def _withdraw(self, name: str) -> None:
        known = self._served.pop(name, None)
        if known is not None:
            self._reg.withdraw(known.group, known.plural)
            self._publish()

    def _converter(self, crd: Object) -> Converter | None:
        conversion = crd["spec"].get("conversion") or {}
        if conversion.get("strategy") != "Webhook":
            return None
        webhook = conversion.get("webhook") or {}
        config = {"name": f"conversion_webhook_for_{crd['metadata']['name']}", **(webhook.get("clientConfig") or {})}
        return Webhook(config, tuple(webhook.get("conversionReviewVersions") or ()), self._means.call)

    def _publish(self) -> None:
        known = list(self._served.values())
        self._discovery.offer(discovery.CRDS, served.offered(known))
        by_path: dict[str, list[Object]] = {}
        for one in sorted(known, key=lambda one: one.plural):
            for version, document in served.documents(one, self._means.common()).items():
                by_path.setdefault(f"apis/{one.group}/{version}", []).append(document)
        self._openapi.offer(discovery.CRDS, {path: self._document(path, found) for path, found in by_path.items()})

    def _document(self, path: str, found: list[Object]) -> Object:
        """Merged, and the same object as before where its parts are."""
        parts = [id(one) for one in found]
        known = self._merged.get(path)
        if known is None or known[0] != parts:
            known = self._merged[path] = (parts, served.merged(found))
        return known[1]
