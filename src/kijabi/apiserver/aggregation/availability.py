"""The ``Available`` condition of APIServices: the Service is there, has endpoints, and answers.

``decide`` looks at objects alone; ``Availability`` asks the servers and writes what came of it. Checked at once when an
APIService, its Service or its EndpointSlices change, and every half minute, for a network tells nobody that it broke.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from kijabi.api import conditions, errors, kinds
from kijabi.api.apiregistration import apiservice
from kijabi.apiserver import contract
from kijabi.apiserver.aggregation import forwarding, metrics
from kijabi.apiserver.aggregation.remotes import API_SERVICES, Remote, Remotes, remote_of
from kijabi.apiserver.aggregation.rounds import Rounds
from kijabi.apiserver.outbound import services
from kijabi.kit import clock

log = logging.getLogger(__name__)

Object = contract.Object
EVERY = 30.0
_ATTEMPTS = 5

PASSED: Object = {
    "type": "Available",
    "status": conditions.TRUE,
    "reason": "Passed",
    "message": "all checks passed",
}


def _no(reason: str, message: str) -> Object:
    return {"type": "Available", "status": conditions.FALSE, "reason": reason, "message": message}


def decide(remote: Remote, service: Object | None, slices: Iterable[Object]) -> Object | None:
    """The condition, as far as objects tell; None where only the server itself can say more."""
    where = f'service/{remote.service} in "{remote.namespace}"'
    if service is None:
        return _no("ServiceNotFound", f"{where} is not present")
    spec = service.get("spec") or {}
    if (spec.get("type") or "ClusterIP") != "ClusterIP":
        return None
    port = next((one for one in spec.get("ports") or () if one.get("port") == remote.port), None)
    if port is None:
        return _no("ServicePortError", f"{where} is not listening on port {remote.port}")
    listed = list(slices)
    if not listed:
        return _no("EndpointsNotFound", f"cannot find endpointslices for {where}")
    name = port.get("name") or ""
    if not services.ready(listed, name):
        return _no("MissingEndpoints", f'endpointslices for {where} have no addresses with port name "{name}"')
    return None


class Availability:
    def __init__(
        self,
        access: contract.Access,
        table: Remotes,
        sender: forwarding.Sender,
        counts: metrics.Metrics,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._access = access
        self._counts = counts
        self._table = table
        self._sender = sender
        self._clock = timepiece
        self._rounds = Rounds(timepiece, EVERY)
        table.listen(self._told)
        access.subscribe(kinds.SERVICES, self._service_changed)
        access.subscribe(kinds.ENDPOINT_SLICES, self._slice_changed)

    # --- what to look at

    def _told(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or old.get("spec") != new.get("spec")):
            self._rounds.add(new["metadata"]["name"])

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        # Asked for every change of a Service or of endpoints: nothing to do in most clusters.
        if self._table.by_version:
            meta = (new or old or {})["metadata"]
            self._touch(meta["namespace"], meta["name"])

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        if self._table.by_version:
            meta = (new or old or {})["metadata"]
            self._touch(meta["namespace"], (meta.get("labels") or {}).get("kubernetes.io/service-name", ""))

    def _touch(self, namespace: str, service: str) -> None:
        for remote in self._table.by_version.values():
            if (remote.namespace, remote.service) == (namespace, service):
                self._rounds.add(remote.name)

    # --- looking

    async def keep(self) -> None:
        def everyone() -> Iterable[str]:
            return [remote.name for remote in self._table.by_version.values()]

        await self._rounds.run(self.check, everyone)

    async def check(self, name: str) -> bool:
        """Bring one condition up to date; whether all is well."""
        found = self._table.objects.get(name)
        if found is None:
            return True
        remote = remote_of(found)
        wanted: Object = dict(apiservice.LOCAL) if remote is None else await self._condition(remote)
        known = conditions.get(found, "Available") or {}
        if any(known.get(key) != wanted[key] for key in ("status", "reason", "message")):
            await self._write(name, wanted)
            if wanted["status"] != conditions.TRUE and known.get("status") in (None, conditions.TRUE):
                self._counts.lost(name, wanted["reason"])
        return bool(wanted["status"] == conditions.TRUE)

    async def _condition(self, remote: Remote) -> Object:
        service = self._access.get_nowait(kinds.SERVICES, remote.service, remote.namespace)
        label = f"kubernetes.io/service-name={remote.service}"
        slices = await self._access.list(kinds.ENDPOINT_SLICES, remote.namespace, label)
        found = decide(remote, service, slices)
        if found is not None:
            return found
        asked = [asyncio.ensure_future(self._ask(remote)) for _ in range(_ATTEMPTS)]
        why: str | None = None
        try:
            # Each may go to another endpoint; one that answers is enough.
            for attempt in asyncio.as_completed(asked):
                why = await attempt
                if why is None:
                    return PASSED
        finally:
            for one in asked:
                one.cancel()
        return _no("FailedDiscoveryCheck", why or "")

    async def _ask(self, remote: Remote) -> str | None:
        """None where the server answers, else why it does not."""
        try:
            answer = await self._sender.fetch(remote, remote.root)
        except forwarding.Unreachable as error:
            return f"failing or missing response from {error.url}: {error}"
        if 200 <= answer.status < 300:
            return None
        url = f"https://{remote.host}:{remote.port}{remote.root}"
        return f"failing or missing response from {url}: bad status from {url}: {answer.status}"

    async def _write(self, name: str, wanted: Object) -> None:
        def change(obj: Object) -> None:
            conditions.put(obj, wanted, self._clock.time())

        try:
            await self._access.mutate(API_SERVICES, name, "", change, subresource="status")
        except errors.NotFound:
            log.debug("APIService %s has gone", name)
