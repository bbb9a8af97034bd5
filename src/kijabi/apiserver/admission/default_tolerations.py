"""Pods tolerate a node that is not ready or unreachable for five minutes, unless they say otherwise."""

from __future__ import annotations

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(plugin.Plugin):
    name = "DefaultTolerationSeconds"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and operation in (contract.CREATE, contract.UPDATE) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None:
            return
        spec = attributes.object["spec"]
        there = spec.get("tolerations") or []
        tolerated = {one.get("key", "") for one in there if one.get("effect", "") in ("", "NoExecute")}
        if "" in tolerated or tolerated.issuperset(_TAINTS):
            return
        added = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
            for key in _TAINTS
            if key not in tolerated
        ]
        if added:
            spec["tolerations"] = [*there, *added]
