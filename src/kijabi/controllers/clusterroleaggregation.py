"""ClusterRoles whose rules are gathered from others by label.

Source: the documentation of RBAC ("Aggregated ClusterRoles").
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api import kinds, labels
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract


def aggregated(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules of every other role that a selector matches, in the order of selectors and names, each once."""
    ordered = sorted(roles, key=lambda item: item["metadata"]["name"])
    rules: list[Object] = []
    for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        matching = labels.from_label_selector(selector)
        for other in ordered:
            if other["metadata"]["name"] == role["metadata"]["name"]:
                continue
            if matching.matches(other["metadata"].get("labels")):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


class ClusterRoleAggregation(contract.KeyedController):
    name = "clusterrole-aggregation-controller"
    account = "clusterrole-aggregation-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._roles = context.informers.of(kinds.CLUSTER_ROLES)

    def watch(self) -> list[informer.Informer]:
        self._roles.subscribe(self._changed)
        return [self._roles]

    def _changed(self, old: Object | None, new: Object | None) -> None:
        # Any role may be part of any aggregation; there are few of those.
        for role in self._roles.items():
            if role.get("aggregationRule"):
                self.enqueue(role)

    async def reconcile(self, key: str) -> float | None:
        role = self._roles.by_key(key)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = aggregated(role, self._roles.items())
        if rules != (role.get("rules") or []):
            await self.client.update(kinds.CLUSTER_ROLES, {**role, "rules": rules})
        return None
