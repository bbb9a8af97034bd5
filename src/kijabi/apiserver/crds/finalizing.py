"""The end of a definition: all its objects are deleted before it goes.

Source: apiextensions-apiserver pkg/controller/finalizer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from kijabi.api import conditions, errors, resource
from kijabi.api.apiextensions import customresourcedefinition, definition
from kijabi.api.resource import Object
from kijabi.apiserver import contract
from kijabi.apiserver.crds import kind
from kijabi.apiserver.crds.conditions import ESTABLISHED, TERMINATING, set_condition
from kijabi.kit import clock, tasks

log = logging.getLogger(__name__)

CRDS, FINALIZER = customresourcedefinition.RESOURCE, customresourcedefinition.FINALIZER
# How long upstream waits for objects that have finalizers of their own before it says so.
PATIENCE = 60.0
_AT_ONCE = 32


class Finalizer:
    def __init__(self, access: contract.Access, timepiece: clock.Clock) -> None:
        self._access = access
        self._clock = timepiece
        self._busy: set[str] = set()

    def look(self, crd: Object, owner: tasks.Nursery) -> None:
        """Begin to empty a definition that is being deleted; does nothing where that is under way."""
        meta = crd["metadata"]
        if not meta.get("deletionTimestamp") or FINALIZER not in (meta.get("finalizers") or ()):
            return
        identity = f"{meta['name']}/{meta.get('uid', '')}"
        if identity not in self._busy:
            self._busy.add(identity)
            owner.start(self._finish(meta["name"], identity), f"finalize-{meta['name']}")

    async def _finish(self, name: str, identity: str) -> None:
        try:
            while not await self._try(name):
                continue
        except errors.NotFound:
            return
        finally:
            self._busy.discard(identity)

    async def _try(self, name: str) -> bool:
        """One round; whether the definition is done with. Raises NotFound when it is gone."""
        crd = await self._access.get(CRDS, name)
        if crd is None or FINALIZER not in (crd["metadata"].get("finalizers") or ()):
            return True
        if not conditions.is_true(crd, ESTABLISHED):
            await self._leave(name, "NeverEstablished", "resource was never established")
            return True
        await self._say(name, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
        what = _any_version(crd)
        try:
            await self._delete_all(what)
        except errors.ApiError as error:
            text = f"could not issue all deletes: {error.message}"
            await self._say(name, "True", "InstanceDeletionFailed", text)
            await self._clock.sleep(1.0)
            return False
        if not await self._is_empty(what):
            text = "could not confirm zero CustomResources remaining: context deadline exceeded"
            await self._say(name, "True", "InstanceDeletionCheck", text)
            return False
        await self._leave(name, "InstanceDeletionCompleted", "removed all instances")
        return True

    async def _delete_all(self, what: resource.Resource) -> None:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(obj: Object) -> None:
            meta = obj["metadata"]
            async with turn:
                with contextlib.suppress(errors.NotFound):
                    await self._access.delete(what, meta["name"], meta.get("namespace", ""))

        results = await asyncio.gather(*map(one, await self._access.list(what)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _is_empty(self, what: resource.Resource) -> bool:
        """Wait until the last object is gone; False when that takes too long."""
        gone = asyncio.Event()
        self._access.subscribe(what, lambda old, new: gone.set())
        waited = self._clock.monotonic() + PATIENCE
        while await self._access.list(what):
            gone.clear()
            left = waited - self._clock.monotonic()
            if left <= 0:
                return False
            waiter = asyncio.ensure_future(gone.wait())
            sleeper = asyncio.ensure_future(self._clock.sleep(left))
            try:
                await asyncio.wait((waiter, sleeper), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiter.cancel()
                sleeper.cancel()
        return True

    async def _say(self, name: str, value: str, reason: str, message: str) -> None:
        def change(crd: Object) -> None:
            set_condition(crd.setdefault("status", {}), TERMINATING, value, reason, message, self._clock.time())

        await self._access.mutate(CRDS, name, "", change, subresource="status")

    async def _leave(self, name: str, reason: str, message: str) -> None:
        """Take the finalizer away, which is the definition's end where nobody else has one."""

        def change(crd: Object) -> None:
            meta, status = crd["metadata"], crd.setdefault("status", {})
            set_condition(status, TERMINATING, "False", reason, message, self._clock.time())
            meta["finalizers"] = [one for one in meta.get("finalizers") or () if one != FINALIZER]

        await self._access.mutate(CRDS, name, "", change, subresource="finalize")


def _any_version(crd: Object) -> resource.Resource:
    """A version that is served, or the one that is stored."""
    listed = definition.versions(crd["spec"])
    chosen = next((one for one in listed if one.get("served")), None)
    return kind.resource_of(crd, chosen or next(one for one in listed if one.get("storage")))
