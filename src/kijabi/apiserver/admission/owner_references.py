"""OwnerReferencesPermissionEnforcement: who names an owner must be allowed what that brings about. Off by default.

To change references of an object is to decide on its deletion; to block the deletion of an owner takes the right to
update that owner's finalizers. Source: the documentation of admission controllers.
"""

from __future__ import annotations

from collections.abc import Iterator

from kijabi.api import resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

Object = contract.Object


class OwnerReferencesPermissionEnforcement(plugin.Plugin):
    name = "OwnerReferencesPermissionEnforcement"

    def __init__(self, access: contract.Access, authorizer: contract.Authorizer) -> None:
        self._access = access
        self._authorizer = authorizer

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        if plugin.is_kind(what, resource.Resource("", "v1", "pods", "Pod")) and subresource == "status":
            return False
        return operation in (contract.CREATE, contract.UPDATE)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        ours, theirs = _owners(attributes.object), _owners(attributes.old_object)
        if ours == theirs:
            return
        if attributes.operation != contract.CREATE:
            what = attributes.resource
            decision = await self._may(attributes, "delete", what, attributes.name, attributes.subresource)
            if decision.verdict is not contract.Verdict.ALLOW:
                why = "cannot set an ownerRef on a resource you can't delete"
                raise plugin.refused(attributes, f"{why}: {decision.reason}, <nil>")
        blocked = {one.get("uid") for one in theirs if one.get("blockOwnerDeletion")}
        for reference in ours:
            if reference.get("blockOwnerDeletion") and reference.get("uid") not in blocked:
                await self._check_blocking(attributes, reference)

    async def _check_blocking(self, attributes: contract.AdmissionAttributes, reference: Object) -> None:
        kinds = list(self._kinds(reference))
        if not kinds:
            named = f"APIVersion {reference.get('apiVersion')} Kind {reference.get('kind')}"
            why = f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for {named}"
            raise plugin.refused(attributes, f'{why}: no matches for kind "{reference.get("kind")}"')
        for what in kinds:
            decision = await self._may(attributes, "update", what, reference.get("name", ""), "finalizers")
            if decision.verdict is not contract.Verdict.ALLOW:
                why = "refers to a resource you can't set finalizers on"
                subject = "cannot set blockOwnerDeletion if an ownerReference"
                raise plugin.refused(attributes, f"{subject} {why}: {decision.reason}, <nil>")

    def _kinds(self, reference: Object) -> Iterator[resource.Resource]:
        group, _, version = str(reference.get("apiVersion", "")).rpartition("/")
        found = self._access.by_kind(group, version, str(reference.get("kind", "")))
        if found is not None:
            yield found.resource

    async def _may(
        self, attributes: contract.AdmissionAttributes, verb: str, what: resource.Resource, name: str, subresource: str
    ) -> contract.Decision:
        asked = contract.Attributes(
            attributes.user,
            verb,
            attributes.namespace if what.namespaced else "",
            what.group,
            what.version,
            what.plural,
            subresource,
            name,
        )
        return await self._authorizer.authorize(asked)


def _owners(obj: Object | None) -> list[Object]:
    return list(((obj or {}).get("metadata") or {}).get("ownerReferences") or ())
