"""A node starts as not ready, so that nothing is scheduled to it before it says otherwise."""

from __future__ import annotations

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

NOT_READY = "node.kubernetes.io/not-ready"


class TaintNodesByCondition(plugin.Plugin):
    name = "TaintNodesByCondition"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and plugin.is_kind(what, kinds.NODES) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None:
            return
        spec = attributes.object.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any((taint.get("key"), taint.get("effect")) == (NOT_READY, "NoSchedule") for taint in taints):
            spec["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]
