"""Each controller under its own service account, so that each may do only what its own role says.

Source: kube-controller-manager's ``--use-service-account-credentials``; the accounts live in ``kube-system``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api import errors, kinds, timestamps
from kijabi.api.resource import Object
from kijabi.client import kubeconfig, rest, transport
from kijabi.kit import backoff, clock

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
SECONDS = 3600
RETRY = backoff.Policy(base=0.1, ceiling=10.0)


@dataclass(slots=True)
class _Account:
    name: str
    client: rest.Client
    token: str = ""
    renew_at: float = 0.0


class Accounts:
    """Clients by account. ``prepare`` must have succeeded before they are used; ``renew`` runs as long as they are."""

    def __init__(self, client: rest.Client, config: str, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._client = client
        self._config = config
        self._clock = timepiece
        self._accounts: dict[str, _Account] = {}

    def client_of(self, name: str) -> rest.Client:
        account = self._accounts.get(name)
        if account is None:
            wire = kubeconfig.load_with_token(self._config, lambda: self._accounts[name].token, user_agent=name)
            account = self._accounts[name] = _Account(name, rest.Client(wire, "kube-controller-manager"))
        return account.client

    async def prepare(self, names: Iterable[str]) -> None:
        """Get a token for every account, trying until the server gives them."""
        for name in names:
            self.client_of(name)
        await asyncio.gather(*(self._fetch(account) for account in self._accounts.values()))

    async def renew(self) -> None:
        """Renew tokens when 80 % of their time is over."""
        while True:
            due = min(account.renew_at for account in self._accounts.values()) if self._accounts else SECONDS
            await self._clock.sleep(max(1.0, due - self._clock.time()))
            now = self._clock.time()
            late = [account for account in self._accounts.values() if account.renew_at <= now]
            await asyncio.gather(*(self._fetch(account) for account in late))

    async def _fetch(self, account: _Account) -> None:
        failures = 0
        while True:
            try:
                await self._request(account)
                return
            except (errors.ApiError, transport.Unreachable) as error:
                failures += 1
                log.info("no token for %s yet: %s", account.name, error)
                await self._clock.sleep(RETRY.delay(failures))

    async def _request(self, account: _Account) -> None:
        body: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": SECONDS},
        }
        try:
            answer = await self._ask(account, body)
        except errors.NotFound:
            made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account.name}}
            try:
                await self._client.create(kinds.SERVICE_ACCOUNTS, made, namespace=NAMESPACE)
            except errors.AlreadyExists:
                log.debug("%s was made by somebody else", account.name)
            answer = await self._ask(account, body)
        now = self._clock.time()
        expires = timestamps.parse(answer["status"]["expirationTimestamp"])
        account.token = answer["status"]["token"]
        account.renew_at = now + (expires - now) * 0.8

    async def _ask(self, account: _Account, body: Object) -> Object:
        return await self._client.create(
            kinds.SERVICE_ACCOUNTS, body, namespace=NAMESPACE, name=account.name, subresource="token"
        )

    async def close(self) -> None:
        for account in self._accounts.values():
            await account.client.wire.close()
