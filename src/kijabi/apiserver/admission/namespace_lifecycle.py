"""Nothing is made in a namespace that is not there or is being terminated; three namespaces are never deleted."""

from __future__ import annotations

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class NamespaceLifecycle(plugin.Plugin):
    name = "NamespaceLifecycle"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        if plugin.is_kind(what, kinds.NAMESPACES):
            return operation == contract.DELETE
        # Telling of a namespace by way of a review would leak whether it exists.
        if what.group == "authorization.k8s.io":
            return False
        return what.namespaced and operation in (contract.CREATE, contract.UPDATE)

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.operation == contract.DELETE:
            if attributes.name in IMMORTAL:
                raise errors.forbidden("namespaces", attributes.name, "this namespace may not be deleted")
            return
        if not attributes.namespace:
            return
        namespace = self._access.peek(kinds.NAMESPACES, attributes.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", attributes.namespace)
        phase = (namespace.get("status") or {}).get("phase")
        if attributes.operation == contract.CREATE and phase == "Terminating":
            raise _terminating(attributes)


def _terminating(attributes: contract.AdmissionAttributes) -> errors.Forbidden:
    name = attributes.namespace
    error = plugin.refused(
        attributes, f"unable to create new content in namespace {name} because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {name} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = {**(error.details or {}), "causes": [cause]}
    return error
