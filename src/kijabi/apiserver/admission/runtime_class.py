"""A pod that names a RuntimeClass gets the overhead and the scheduling constraints of it."""

from __future__ import annotations

from kijabi.api import kinds, quantity, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

Object = contract.Object

RUNTIME_CLASSES = resource.Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", False)
_MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


class RuntimeClass(plugin.Plugin):
    name = "RuntimeClass"

    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and plugin.is_kind(what, kinds.PODS) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None:
            return
        spec = attributes.object["spec"]
        found = self._class(attributes, spec)
        overhead = ((found or {}).get("overhead") or {}).get("podFixed")
        if overhead is not None:
            if spec.get("overhead") and not _equal(spec["overhead"], overhead):
                raise plugin.refused(attributes, _MISMATCH)
            spec["overhead"] = dict(overhead)
        scheduling = (found or {}).get("scheduling")
        if scheduling:
            _schedule(attributes, spec, scheduling)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None:
            return
        spec = attributes.object["spec"]
        found = self._class(attributes, spec)
        overhead = (found or {}).get("overhead")
        if overhead is not None:
            if not _equal(spec.get("overhead") or {}, overhead.get("podFixed") or {}):
                raise plugin.refused(attributes, _MISMATCH)
        elif spec.get("overhead") is not None:
            raise plugin.refused(
                attributes, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )

    def _class(self, attributes: contract.AdmissionAttributes, spec: Object) -> Object | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        found = self._access.peek(RUNTIME_CLASSES, name)
        if found is None:
            raise plugin.refused(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _equal(left: Object, right: Object) -> bool:
    return quantity.resource_list(left) == quantity.resource_list(right)


def _schedule(attributes: contract.AdmissionAttributes, spec: Object, scheduling: Object) -> None:
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.get(key, value) != value:
            raise plugin.refused(
                attributes,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}",
            )
        selector[key] = value
    if selector:
        spec["nodeSelector"] = selector
    tolerations = list(spec.get("tolerations") or ())
    tolerations += [dict(one) for one in scheduling.get("tolerations") or () if one not in tolerations]
    if tolerations:
        spec["tolerations"] = tolerations
