"""The ConfigMap ``kube-root-ca.crt`` of every namespace: by what pods know the API server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract, serviceaccount

NAME = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class RootCaPublisher(contract.KeyedController):
    """Keys are names of namespaces."""

    name = "root-ca-certificate-publisher-controller"
    account = "root-ca-cert-publisher"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._namespaces = context.informers.of(kinds.NAMESPACES)
        self._maps = context.informers.of(kinds.CONFIG_MAPS)
        path = context.options.root_ca_file
        self._bundle = Path(path).read_text() if path else ""

    def watch(self) -> list[informer.Informer]:
        self._namespaces.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._maps.subscribe(self._map_changed)
        return [self._namespaces, self._maps]

    def _map_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        if obj["metadata"]["name"] == NAME:
            self.queue.add(obj["metadata"]["namespace"])

    async def run(self) -> None:
        if not self._bundle:
            # Nothing to publish (upstream does not start this controller either).
            await asyncio.Event().wait()
        await super().run()

    async def reconcile(self, key: str) -> float | None:
        if not serviceaccount.active(self._namespaces.by_key(key)):
            return None
        current = self._maps.get(NAME, key)
        wanted = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": NAME,
                "namespace": key,
                "annotations": {"kubernetes.io/description": DESCRIPTION},
            },
            "data": {"ca.crt": self._bundle},
        }
        if current is None:
            await serviceaccount.make(self, wanted)
        elif current.get("data") != wanted["data"]:
            await self.client.update(kinds.CONFIG_MAPS, {**current, "data": wanted["data"]})
        return None
