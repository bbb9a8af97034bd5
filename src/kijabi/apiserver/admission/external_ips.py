"""DenyServiceExternalIPs: no Service may take addresses that it was not given before. Off by default."""

from __future__ import annotations

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin


class DenyServiceExternalIPs(plugin.Plugin):
    name = "DenyServiceExternalIPs"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        writes = operation in (contract.CREATE, contract.UPDATE)
        return writes and plugin.is_kind(what, kinds.SERVICES) and not subresource

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        if not _addresses(attributes.object) <= _addresses(attributes.old_object):
            raise plugin.refused(attributes, "Use of external IPs is denied by admission control")


def _addresses(service: contract.Object | None) -> set[str]:
    return set(((service or {}).get("spec") or {}).get("externalIPs") or ())
