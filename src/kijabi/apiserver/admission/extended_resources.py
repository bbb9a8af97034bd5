"""ExtendedResourceToleration: who asks for a device tolerates the taint that keeps others off it. Off by default."""

from __future__ import annotations

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

_NATIVE = "kubernetes.io/"


class ExtendedResourceToleration(plugin.Plugin):
    name = "ExtendedResourceToleration"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and operation in (contract.CREATE, contract.UPDATE) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        spec = (attributes.object or {}).get("spec") or {}
        wanted = {
            name
            for group in ("containers", "initContainers")
            for container in spec.get(group) or ()
            for name in (container.get("resources") or {}).get("requests") or ()
            if is_extended(name)
        }
        there = spec.get("tolerations") or []
        for name in sorted(wanted):
            toleration = {"key": name, "operator": "Exists", "effect": "NoSchedule"}
            if toleration not in there:
                there = [*there, toleration]
        if there:
            spec["tolerations"] = there


def is_extended(name: str) -> bool:
    """Whether a resource is somebody else's than Kubernetes' own: named under a domain, and no quota's word."""
    return "/" in name and _NATIVE not in name and not name.startswith("requests.")
