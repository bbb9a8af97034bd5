"""AlwaysAdmit and AlwaysDeny: for trying things out. Both are deprecated upstream; both are off by default."""

from __future__ import annotations

from kijabi.api import resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin


class AlwaysAdmit(plugin.Plugin):
    name = "AlwaysAdmit"


class AlwaysDeny(plugin.Plugin):
    name = "AlwaysDeny"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return True

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        raise plugin.refused(attributes, "admission control is denying all modifications")
