"""Leader election by a Lease: of several copies, one leads.

A holder renews every ``retry`` seconds and gives up when it could not for ``renew`` seconds; another takes over when
the Lease has not changed for ``duration`` seconds *by its own clock* (clocks of machines are never compared).
Source: client-go's leaderelection; coordination.k8s.io/v1 Lease.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from kijabi.api import errors, kinds
from kijabi.api.resource import Object
from kijabi.client import rest, transport
from kijabi.kit import clock

log = logging.getLogger(__name__)


def micro_time(seconds: float) -> str:
    """A MicroTime: RFC 3339 with six digits."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Elector:
    """Stands for election under ``identity``. Times are in seconds."""

    def __init__(
        self,
        client: rest.Client,
        name: str,
        namespace: str,
        identity: str,
        *,
        duration: float = 15.0,
        renew: float = 10.0,
        retry: float = 2.0,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self.identity = identity
        self._duration = duration
        self._renew = renew
        self._retry = retry
        self._clock = timepiece
        self._seen: Any = None
        self._seen_at = 0.0
        self.leading = False

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait to be elected, run ``lead`` while leading, and return when the lead is lost or ``lead`` ends.

        Cancelled while leading, it gives the Lease up, so that the next leader need not wait.
        """
        while not await self._try():
            await self._clock.sleep(self._retry)
        log.info("%s/%s: %s leads", self._namespace, self._name, self.identity)
        self.leading = True
        work = asyncio.ensure_future(lead())
        renewal = asyncio.ensure_future(self._hold())
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leading = False
            for task in (work, renewal):
                task.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
            await self._release()
        if work.done() and not work.cancelled():
            work.result()

    async def _hold(self) -> None:
        renewed = self._clock.monotonic()
        while self._clock.monotonic() - renewed < self._renew:
            await self._clock.sleep(self._retry)
            if await self._try():
                renewed = self._clock.monotonic()
        log.warning("%s/%s: %s lost the lead", self._namespace, self._name, self.identity)

    async def _try(self) -> bool:
        """Take or renew the Lease; False when another holds it or the server cannot be asked."""
        try:
            async with asyncio.timeout(self._renew):
                return await self._take()
        except (errors.ApiError, transport.Unreachable, TimeoutError) as error:
            log.debug("%s/%s: %s", self._namespace, self._name, error)
            return False

    async def _take(self) -> bool:
        now = micro_time(self._clock.time())
        try:
            lease = await self._client.get(kinds.LEASES, self._name, self._namespace)
        except errors.NotFound:
            await self._client.create(kinds.LEASES, self._new(now))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        record = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._clock.monotonic()
        if holder not in ("", self.identity):
            patience = float(spec.get("leaseDurationSeconds") or self._duration)
            if self._clock.monotonic() - self._seen_at < patience:
                return False
        fresh: Object = {**lease, "spec": {**spec, **self._spec(now)}}
        if holder != self.identity:
            fresh["spec"]["acquireTime"] = now
            fresh["spec"]["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        await self._client.update(kinds.LEASES, fresh)
        return True

    def _spec(self, now: str) -> Object:
        return {"holderIdentity": self.identity, "leaseDurationSeconds": int(self._duration), "renewTime": now}

    def _new(self, now: str) -> Object:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**self._spec(now), "acquireTime": now, "leaseTransitions": 0},
        }

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(2):
                lease = await self._client.get(kinds.LEASES, self._name, self._namespace)
                if (lease.get("spec") or {}).get("holderIdentity") != self.identity:
                    return
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.update(kinds.LEASES, {**lease, "spec": spec})
        except (errors.ApiError, transport.Unreachable, TimeoutError) as error:
            # It expires by itself; giving it up only saves the next leader the wait.
            log.info("%s/%s was not given up: %s", self._namespace, self._name, error)
