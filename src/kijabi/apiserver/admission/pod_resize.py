"""PodResizeValidator: no pod is resized to more than its node could ever give, nor on a node that cannot.

Source: KEP-1287.
"""

from __future__ import annotations

from kijabi.api import errors, kinds, quantity, resource
from kijabi.api.predicates import fit
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

_OS = "kubernetes.io/os"


class PodResizeValidator(plugin.Plugin):
    name = "PodResizeValidator"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and (operation, subresource) == (contract.UPDATE, "resize")

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        pod, old = attributes.object or {}, attributes.old_object or {}
        name = pod["spec"].get("nodeName", "")
        if not name or pod["spec"] == old.get("spec"):
            return
        node = self._access.peek(kinds.NODES, name)
        if node is None:
            raise plugin.refused(attributes, f'node "{name}" not found')
        system = (node["metadata"].get("labels") or {}).get(_OS, "linux")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{name}" is "{system}"'
            raise _because(plugin.refused(attributes, why), "UnsupportedPlatform")
        short = _lacking(pod, quantity.resource_list((node.get("status") or {}).get("allocatable")))
        if short:
            why = f"node didn't have enough allocatable resources: {'; '.join(short)}"
            raise _because(plugin.refused(attributes, why), "NodeCapacity")


def _because(error: errors.Forbidden, reason: str) -> errors.Forbidden:
    error.details = {**(error.details or {}), "causes": [{"reason": reason}]}
    return error


def _lacking(pod: contract.Object, allocatable: dict[str, quantity.Quantity]) -> list[str]:
    wanted = fit.pod_requests(pod)
    found = []
    for name, shown in (("cpu", quantity.Quantity.milli), ("memory", quantity.Quantity.value)):
        asked, there = wanted.get(name, quantity.ZERO), allocatable.get(name, quantity.ZERO)
        if asked > there:
            found.append(f"{name}, requested: {shown(asked)}, allocatable: {shown(there)}")
    return found
