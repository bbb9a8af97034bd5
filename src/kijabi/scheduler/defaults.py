"""Which pods belong together when a pod does not say: those of its Services and of its owner.

Source: upstream's system default for PodTopologySpread (``buildDefaultConstraints``).
"""

from __future__ import annotations

from kijabi.api import kinds, labels
from kijabi.api.resource import Object
from kijabi.client import informer

_OWNERS = (kinds.REPLICA_SETS, kinds.STATEFUL_SETS, kinds.REPLICATION_CONTROLLERS)


class Companions:
    """Finds selectors in informers of Services and of the kinds that own pods."""

    def __init__(self, informers: informer.Informers) -> None:
        self._services = informers.of(kinds.SERVICES)
        self._owners = {resource.kind: informers.of(resource) for resource in _OWNERS}

    def selector(self, pod: Object) -> labels.Selector | None:
        """All selectors that speak for the pod, in one; None when none does."""
        meta = pod["metadata"]
        own = meta.get("labels") or {}
        found: list[labels.Requirement] = []
        for service in self._services.items(meta["namespace"]):
            chosen = service["spec"].get("selector")
            if chosen:
                selector = labels.from_set(chosen)
                if selector.matches(own):
                    found += selector.requirements
        for reference in meta.get("ownerReferences") or ():
            if reference.get("controller") and reference["kind"] in self._owners:
                owner = self._owners[reference["kind"]].get(reference["name"], meta["namespace"])
                if owner is not None:
                    found += self._of_owner(owner).requirements
        if not found:
            return None
        return labels.Selector(tuple(dict.fromkeys(found)))

    @staticmethod
    def _of_owner(owner: Object) -> labels.Selector:
        selector = owner["spec"].get("selector")
        if owner["kind"] == kinds.REPLICATION_CONTROLLERS.kind:
            return labels.from_set(selector)
        return labels.from_label_selector(selector)
