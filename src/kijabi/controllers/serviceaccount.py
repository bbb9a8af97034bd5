"""The ``default`` service account of every namespace."""

from __future__ import annotations

from kijabi.api import errors, kinds
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract, podset

DEFAULT = "default"


class ServiceAccounts(contract.KeyedController):
    """Keys are names of namespaces."""

    name = "serviceaccount-controller"
    account = "service-account-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._namespaces = context.informers.of(kinds.NAMESPACES)
        self._accounts = context.informers.of(kinds.SERVICE_ACCOUNTS)

    def watch(self) -> list[informer.Informer]:
        self._namespaces.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._accounts.subscribe(self._account_changed)
        return [self._namespaces, self._accounts]

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None and old["metadata"]["name"] == DEFAULT:
            self.queue.add(old["metadata"]["namespace"])

    async def reconcile(self, key: str) -> float | None:
        if not active(self._namespaces.by_key(key)) or self._accounts.get(DEFAULT, key) is not None:
            return None
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT, "namespace": key}}
        await make(self, account)
        return None


async def make(controller: contract.KeyedController, obj: Object) -> None:
    """Create an object that every namespace has; one that is there, or a namespace that is going, is no failure."""
    resource = kinds.SERVICE_ACCOUNTS if obj["kind"] == "ServiceAccount" else kinds.CONFIG_MAPS
    try:
        await controller.client.create(resource, obj)
    except errors.AlreadyExists:
        return
    except errors.ApiError as error:
        if not podset.namespace_terminating(error) and not isinstance(error, errors.NotFound):
            raise


def active(namespace: Object | None) -> bool:
    return namespace is not None and (namespace.get("status") or {}).get("phase", "Active") == "Active"
