"""LimitPodHardAntiAffinityTopology: no pod keeps others off more than one node. Off by default."""

from __future__ import annotations

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

_HOSTNAME = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(plugin.Plugin):
    name = "LimitPodHardAntiAffinityTopology"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and operation in (contract.CREATE, contract.UPDATE) and not subresource

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        pod = attributes.object or {}
        affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("podAntiAffinity") or {}
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            key = term.get("topologyKey", "")
            if key != _HOSTNAME:
                why = "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey"
                name = pod["metadata"].get("name", "")
                raise errors.forbidden("pods", name, f"{why} {key} but only key {_HOSTNAME} is allowed")
