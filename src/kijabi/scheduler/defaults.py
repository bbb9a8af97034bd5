"""Which pods belong together when a pod does not say: those of its Services and of its owner.

Source: upstream's system default for PodTopologySpread (``buildDefaultConstraints``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from kijabi.api import kinds, labels
from kijabi.api.predicates import pods
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.scheduler.podinfo import PodInfo

_OWNERS = (kinds.REPLICA_SETS, kinds.STATEFUL_SETS, kinds.REPLICATION_CONTROLLERS)
REMEMBERED = 4096


class Companions:
    """Finds selectors in informers of Services and of the kinds that own pods. What it found for one pod holds for
    all of that shape and owner, until a selector changes."""

    def __init__(self, informers: informer.Informers) -> None:
        self._services = informers.of(kinds.SERVICES)
        self._owners = {resource.kind: informers.of(resource) for resource in _OWNERS}
        self._found: dict[Hashable, labels.Selector | None] = {}

    def follow(self) -> None:
        """From now on notice when selectors change."""
        for followed in (self._services, *self._owners.values()):
            followed.subscribe(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or old["spec"].get("selector") != new["spec"].get("selector"):
            self._found.clear()

    def selector(self, pod: PodInfo) -> labels.Selector | None:
        """All selectors that speak for the pod, in one; None when none does."""
        owner = pods.controller(pod.object)
        key = (pod.shape, owner["kind"] if owner else "", owner["name"] if owner else "")
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[key] = self._look(pod, owner)
            return found

    def _look(self, pod: PodInfo, reference: Mapping[str, Any] | None) -> labels.Selector | None:
        found: list[labels.Requirement] = []
        for service in self._services.items(pod.namespace):
            chosen = service["spec"].get("selector")
            if chosen:
                selector = labels.from_set(chosen)
                if selector.matches(pod.shape.labels):
                    found += selector.requirements
        if reference is not None and reference["kind"] in self._owners:
            owner = self._owners[reference["kind"]].get(reference["name"], pod.namespace)
            if owner is not None:
                found += _of_owner(owner).requirements
        return labels.Selector(tuple(dict.fromkeys(found))) if found else None


def _of_owner(owner: Object) -> labels.Selector:
    selector = owner["spec"].get("selector")
    if owner["kind"] == kinds.REPLICATION_CONTROLLERS.kind:
        return labels.from_set(selector)
    return labels.from_label_selector(selector)
