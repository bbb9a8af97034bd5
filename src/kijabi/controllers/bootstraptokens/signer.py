"""Signs ``kube-public/cluster-info`` with every bootstrap token that may sign, for those who are about to join."""

from __future__ import annotations

from kijabi.api import errors, kinds
from kijabi.client import informer, rest
from kijabi.controllers import contract
from kijabi.controllers.bootstraptokens import tokens

_NAMESPACE, _NAME = "kube-public", "cluster-info"


class BootstrapSigner(contract.KeyedController):
    name = "bootstrap-signer-controller"
    account = "bootstrap-signer"
    workers = 1

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._secrets = context.informers.of(kinds.SECRETS, rest.Selection(tokens.NAMESPACE))
        self._maps = context.informers.of(kinds.CONFIG_MAPS, rest.Selection(_NAMESPACE))

    def watch(self) -> list[informer.Informer]:
        # All that changes leads to one object.
        self._secrets.subscribe(lambda old, new: self.queue.add(f"{_NAMESPACE}/{_NAME}"))
        self._maps.subscribe(lambda old, new: self.queue.add(f"{_NAMESPACE}/{_NAME}"))
        return [self._secrets, self._maps]

    async def reconcile(self, key: str) -> float | None:
        info = self._maps.by_key(key)
        if info is None or tokens.KUBECONFIG not in (info.get("data") or {}):
            return None
        now = self.clock.time()
        secrets = self._secrets.items()
        wanted = tokens.signed(info["data"], tokens.signing(secrets, now))
        if wanted != info["data"]:
            try:
                await self.client.update(kinds.CONFIG_MAPS, {**info, "data": wanted})
            except (errors.Conflict, errors.NotFound):
                # The copy is behind; what it hears next brings us here again.
                return None
        ends = [left for left in (tokens.time_left(secret, now) for secret in secrets) if left is not None and left > 0]
        return min(ends, default=None)
