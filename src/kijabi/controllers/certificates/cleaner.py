"""Deletes signing requests that have served their time."""

from __future__ import annotations

from kijabi.api import errors, kinds
from kijabi.controllers import contract
from kijabi.controllers.certificates import requests

PERIOD = 3600.0


class Cleaner:
    name = "certificatesigningrequest-cleaner-controller"
    account = "certificate-controller"

    def __init__(self, context: contract.Context) -> None:
        self._client = context.client_of(self.account)
        self._clock = context.clock
        self._requests = context.informers.of(kinds.CERTIFICATE_SIGNING_REQUESTS)

    async def run(self) -> None:
        await self._requests.wait_synced()
        while True:
            for request in self._requests.items():
                if requests.is_outdated(request, self._clock.time()):
                    await self._delete(request["metadata"]["name"], request["metadata"]["uid"])
            await self._clock.sleep(PERIOD)

    async def _delete(self, name: str, uid: str) -> None:
        try:
            await self._client.delete(kinds.CERTIFICATE_SIGNING_REQUESTS, name, uid=uid)
        except (errors.NotFound, errors.Conflict):
            return
