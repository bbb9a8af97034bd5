"""Deletes bootstrap tokens when they have expired."""

from __future__ import annotations

from kijabi.api import errors, kinds
from kijabi.client import informer, rest
from kijabi.controllers import contract
from kijabi.controllers.bootstraptokens import tokens


class TokenCleaner(contract.KeyedController):
    name = "token-cleaner-controller"
    account = "token-cleaner"
    workers = 1

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._secrets = context.informers.of(kinds.SECRETS, rest.Selection(tokens.NAMESPACE))

    def watch(self) -> list[informer.Informer]:
        self._secrets.subscribe(
            lambda old, new: self.enqueue(new) if new is not None and new.get("type") == tokens.TYPE else None
        )
        return [self._secrets]

    async def reconcile(self, key: str) -> float | None:
        secret = self._secrets.by_key(key)
        left = tokens.time_left(secret, self.clock.time()) if secret is not None else None
        if secret is None or left is None or left > 0:
            return left
        meta = secret["metadata"]
        try:
            await self.client.delete(kinds.SECRETS, meta["name"], meta["namespace"], uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return None
        return None
