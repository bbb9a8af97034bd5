"""Pods get the number and the preemption policy of their priority class; there is one default class at most."""

from __future__ import annotations

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

Object = contract.Object

PREEMPT = "PreemptLowerPriority"


class Priority(plugin.Plugin):
    name = "Priority"

    def __init__(self, access: contract.Access) -> None:
        self._classes = plugin.Watched(access, kinds.PRIORITY_CLASSES)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        ours = plugin.is_kind(what, kinds.PODS) or plugin.is_kind(what, kinds.PRIORITY_CLASSES)
        return ours and operation in (contract.CREATE, contract.UPDATE) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.object is None or not plugin.is_kind(attributes.resource, kinds.PODS):
            return
        spec = attributes.object["spec"]
        if attributes.operation == contract.UPDATE:
            # A client that does not know the fields must not seem to take them away.
            old = (attributes.old_object or {}).get("spec") or {}
            for key in ("priority", "preemptionPolicy"):
                if spec.get(key) is None and old.get(key) is not None:
                    spec[key] = old[key]
            return
        self._resolve(attributes, spec)

    def _resolve(self, attributes: contract.AdmissionAttributes, spec: Object) -> None:
        name = spec.get("priorityClassName", "")
        found = self._classes.get(name) if name else self._default()
        if name and found is None:
            raise plugin.refused(attributes, f"no PriorityClass with name {name} was found")
        value = found.get("value", 0) if found is not None else 0
        policy = found.get("preemptionPolicy", PREEMPT) if found is not None else PREEMPT
        if spec.get("priority") is not None and spec["priority"] != value:
            raise plugin.refused(
                attributes,
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority "
                f"admission controller computed {value} from the given PriorityClass name",
            )
        if spec.get("preemptionPolicy") is not None and spec["preemptionPolicy"] != policy:
            raise plugin.refused(
                attributes,
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        if found is not None:
            spec["priorityClassName"] = found["metadata"]["name"]
        spec["priority"], spec["preemptionPolicy"] = value, policy

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        one = attributes.object
        if one is None or not plugin.is_kind(attributes.resource, kinds.PRIORITY_CLASSES):
            return
        default = self._default()
        if not one.get("globalDefault") or default is None:
            return
        there = default["metadata"]["name"]
        if attributes.operation == contract.CREATE or there != one["metadata"].get("name"):
            raise plugin.refused(
                attributes, f"PriorityClass {there} is already marked as default. Only one default can exist"
            )

    def _default(self) -> Object | None:
        # Two defaults can only come of a race; the lower counts then.
        marked = (one for one in self._classes.items() if one.get("globalDefault"))
        return min(marked, key=lambda one: int(one.get("value", 0)), default=None)
