"""Zone and region of the node become labels of the pod that is bound to it. Source: KEP-4742."""

from __future__ import annotations

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(plugin.Plugin):
    name = "PodTopologyLabels"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and plugin.is_kind(what, kinds.PODS) and subresource in ("", "binding")

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        obj = attributes.object
        if obj is None:
            return
        if attributes.subresource:
            target = obj.get("target") or {}
            name = target.get("name", "") if target.get("kind", "Node") == "Node" else ""
        else:
            name = obj["spec"].get("nodeName", "")
        found = self._access.peek(kinds.NODES, name) if name else None
        there = ((found or {}).get("metadata") or {}).get("labels") or {}
        copied = {key: there[key] for key in LABELS if key in there}
        if copied:
            meta = obj.setdefault("metadata", {})
            meta["labels"] = {**(meta.get("labels") or {}), **copied}
