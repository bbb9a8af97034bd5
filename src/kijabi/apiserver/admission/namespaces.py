"""NamespaceAutoProvision and NamespaceExists: what is made in a namespace that is not there. Off by default."""

from __future__ import annotations

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin


class NamespaceAutoProvision(plugin.Plugin):
    name = "NamespaceAutoProvision"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and what.namespaced

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        name = attributes.namespace
        if attributes.dry_run or not name or self._access.peek(kinds.NAMESPACES, name) is not None:
            return
        made = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        try:
            await self._access.create(kinds.NAMESPACES, made)
        except errors.AlreadyExists:
            return
        except errors.ApiError as error:
            raise plugin.refused(attributes, error.message) from error


class NamespaceExists(plugin.Plugin):
    name = "NamespaceExists"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation in (contract.CREATE, contract.UPDATE, contract.DELETE) and what.namespaced

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        name = attributes.namespace
        if name and await self._access.get(kinds.NAMESPACES, name) is None:
            raise errors.not_found("namespaces", name)
