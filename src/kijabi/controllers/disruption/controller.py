"""Writes what ``plan`` counts for each budget, and takes back what evictions announced but never did."""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.api import conditions, errors, kinds, labels
from kijabi.api.resource import Object
from kijabi.client import events, informer, workqueue
from kijabi.controllers import contract
from kijabi.controllers.disruption import plan as plans
from kijabi.controllers.disruption import scales
from kijabi.kit import tasks


class Disruption(contract.KeyedController):
    name = "disruption-controller"
    account = "disruption-controller"
    component = "controllermanager"
    workers = 1

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._budgets = context.informers.of(kinds.POD_DISRUPTION_BUDGETS)
        self._pods = context.informers.of(kinds.PODS)
        self._scales = scales.Scales(self.client, context.informers)
        self._stale = context.queue("stale_pod_disruption")

    def watch(self) -> list[informer.Informer]:
        self._budgets.subscribe(lambda old, new: self.enqueue(new) if new is not None else None)
        self._pods.subscribe(self._pod_changed)
        for copy in self._scales.informers:
            copy.subscribe(self._owner_changed)
        return [self._budgets, self._pods, *self._scales.informers]

    async def run(self) -> None:
        async with tasks.nursery("disruption", self.clock) as nursery:
            nursery.keep(lambda: workqueue.run(self._stale, self._clear), "stale disruptions")
            await super().run()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pods = [pod for pod in (old, new) if pod is not None]
        matching = [
            budget
            for budget in self._budgets.items(pods[0]["metadata"]["namespace"])
            if any(selector(budget).matches(pod["metadata"].get("labels")) for pod in pods)
        ]
        for budget in matching:
            self.enqueue(budget)
        if new is None:
            return
        if len(matching) > 1 and old is None:
            meta = new["metadata"]
            message = f'Pod "{meta["namespace"]}"/"{meta["name"]}" matches multiple PodDisruptionBudgets.  '
            message += f'Chose "{matching[0]["metadata"]["name"]}" arbitrarily.'
            self.recorder.record(new, events.WARNING, "MultiplePodDisruptionBudgets", message)
        if plans.stale_after(new, self.clock.time()) is not None:
            self._stale.add(informer.key_of(new))

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and old["spec"].get("replicas") == new["spec"].get("replicas"):
            return
        owner = new or old or {}
        for budget in self._budgets.items(owner["metadata"]["namespace"]):
            if plans.needs_scale(budget):
                self.enqueue(budget)

    async def reconcile(self, key: str) -> float | None:
        budget = self._budgets.by_key(key)
        if budget is None:
            return None
        matching = selector(budget)
        found = self._pods.items(budget["metadata"]["namespace"])
        pods = [pod for pod in found if matching.matches(pod["metadata"].get("labels"))]
        if not pods:
            self.recorder.record(budget, events.NORMAL, "NoPods", "No matching pods found")
        now = self.clock.time()
        try:
            should = await self._expected(budget, pods)
        except scales.NoController as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self.recorder.record(budget, events.WARNING, "CalculateExpectedPodCountFailed", message)
            await self._write(budget, plans.failed(budget, str(error), now))
            return None
        going = plans.disrupted(budget, pods, now)
        for pod in going.overdue:
            namespace = budget["metadata"]["namespace"]
            message = f"Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't"
            self.recorder.record(pod, events.WARNING, "NotDeleted", message)
        current = plans.healthy(pods, going.kept)
        await self._write(budget, plans.status(budget, should, current, going.kept, now))
        return going.again

    async def _expected(self, budget: Object, pods: Sequence[Object]) -> plans.Expected:
        wanted = 0
        if plans.needs_scale(budget):
            wanted, unmanaged = await self._scales.total(pods)
            if unmanaged:
                shown = labels.format_label_selector((budget.get("spec") or {}).get("selector"))
                message = (
                    f"Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. As a "
                    "result, the status of the PDB cannot be calculated correctly, which may result in undefined "
                    'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an '
                    "integer value."
                )
                self.recorder.record(budget, events.WARNING, "UnmanagedPods", message)
        return plans.expected(budget, pods, wanted)

    async def _write(self, budget: Object, new: Object) -> None:
        if new == (budget.get("status") or {}):
            return
        # With the version that was looked at: an eviction granted meanwhile makes this a conflict, and we look again.
        try:
            fresh = {**budget, "status": new}
            await self.client.update(kinds.POD_DISRUPTION_BUDGETS, fresh, subresource="status")
        except errors.NotFound:
            return

    async def _clear(self, key: str) -> float | None:
        """Take back the announcement of a disruption that did not come."""
        pod = self._pods.by_key(key)
        left = plans.stale_after(pod, self.clock.time()) if pod is not None else None
        if pod is None or left is None or left > 0:
            return left
        fresh = {**pod, "status": {**pod["status"]}}
        fresh["status"]["conditions"] = [dict(item) for item in pod["status"]["conditions"]]
        conditions.put(fresh, {"type": "DisruptionTarget", "status": "False"}, self.clock.time())
        try:
            await self.client.update(kinds.PODS, fresh, subresource="status")
        except errors.NotFound:
            return None
        return None


def selector(budget: Object) -> labels.Selector:
    """What the budget selects; one that cannot be read selects nothing."""
    try:
        return labels.from_label_selector((budget.get("spec") or {}).get("selector"))
    except labels.Malformed:
        return labels.NOTHING
