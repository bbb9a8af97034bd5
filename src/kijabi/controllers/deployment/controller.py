"""Carries out what ``plan`` decides for each Deployment."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from kijabi.api import errors, kinds, labels
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.client import events, informer
from kijabi.controllers import contract, freshness, podset
from kijabi.controllers.deployment import plan as plans
from kijabi.controllers.deployment import status as statuses
from kijabi.controllers.deployment import view as views
from kijabi.controllers.deployment.view import View

SCALED = "ScalingReplicaSet"


class Deployments(contract.KeyedController):
    name = "deployment-controller"
    account = "deployment-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        by_controller = {podset.CONTROLLER: podset.by_controller}
        self._deployments = context.informers.of(kinds.DEPLOYMENTS)
        self._replica_sets = context.informers.of(kinds.REPLICA_SETS, indexes=by_controller)
        self._pods = context.informers.of(kinds.PODS, indexes=by_controller)
        self._seen = freshness.Freshness(self._replica_sets)
        self._ownership = podset.Ownership(self.client, kinds.REPLICA_SETS, kinds.DEPLOYMENTS)

    def watch(self) -> list[informer.Informer]:
        self._deployments.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._replica_sets.subscribe(podset.wake_owners(self, self._deployments, self._selects))
        self._pods.subscribe(self._pod_changed)
        return [self._deployments, self._replica_sets, self._pods]

    @staticmethod
    def _selects(deployment: Object, replica_set: Object) -> bool:
        selector = labels.from_label_selector(deployment["spec"]["selector"])
        return selector.matches(replica_set["metadata"].get("labels"))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        # Only Recreate waits for pods, and only for their end; the rest shows in the ReplicaSets.
        pod = new or old or {}
        if new is not None and not pods_.is_terminal(new):
            return
        reference = contract.controller_of(pod)
        if reference is None or reference["kind"] != kinds.REPLICA_SETS.kind:
            return
        replica_set = self._replica_sets.get(reference["name"], pod["metadata"]["namespace"])
        above = contract.controller_of(replica_set) if replica_set is not None else None
        deployment = self._deployments.get(above["name"], pod["metadata"]["namespace"]) if above is not None else None
        if deployment is not None and not views.of(deployment, ()).rolling:
            self.enqueue(deployment)

    async def reconcile(self, key: str) -> float | None:
        deployment = self._deployments.by_key(key)
        if deployment is None:
            self._seen.forget(key)
            return None
        if not self._seen.caught_up(key):
            return freshness.LOOK_AGAIN
        selector = labels.from_label_selector(deployment["spec"]["selector"])
        if selector.everything:
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self.recorder.record(deployment, events.WARNING, "SelectingAll", message)
            return None
        among = podset.candidates(self._replica_sets, deployment)
        owned = await self._ownership.claim(deployment, selector, among)
        view = views.of(deployment, owned)
        steps = plans.plan(view, self._old_pods_running(view))
        status = statuses.status(plans.applied(view, steps), self.clock.time())
        status = await self._carry_out(view, steps, status)
        await self._write(view, status)
        return statuses.overdue(view, status.get("conditions") or [], self.clock.time()) or None

    def _old_pods_running(self, view: View) -> bool:
        if views.total(view.old, "replicas"):
            return True
        uids = [replica_set["metadata"]["uid"] for replica_set in view.old]
        pods = [pod for uid in uids for pod in self._pods.by_index(podset.CONTROLLER, uid)]
        return any(not pods_.is_terminal(pod) for pod in pods)

    async def _carry_out(self, view: View, steps: Sequence[plans.Step], status: Object) -> Object:
        key = informer.key_of(view.deployment)
        for step in steps:
            if isinstance(step, plans.Create):
                status = await self._create(view, step.replica_set, status)
            elif isinstance(step, plans.Update):
                self._seen.wrote(key, await self.client.update(kinds.REPLICA_SETS, step.replica_set))
                self._tell_scaled(view, step.replica_set, step.before)
            else:
                await self._delete(step.replica_set)
        return status

    async def _create(self, view: View, replica_set: Object, status: Object) -> Object:
        """Make the new ReplicaSet; gives the status with the condition that tells of it."""
        name, now = replica_set["metadata"]["name"], self.clock.time()
        listed = [dict(condition) for condition in status.get("conditions") or ()]
        try:
            made = await self.client.create(kinds.REPLICA_SETS, replica_set)
        except errors.AlreadyExists:
            return await self._taken(view, replica_set, status)
        except errors.ApiError as error:
            if not podset.namespace_terminating(error):
                message = f'Failed to create new replica set "{name}": {error}'
                self.recorder.record(view.deployment, events.WARNING, "ReplicaSetCreateError", message)
                if view.deadline is not None:
                    statuses.put(listed, "Progressing", "False", "ReplicaSetCreateError", message, now)
                    await self._write(view, {**status, "conditions": listed})
            raise
        self._seen.wrote(informer.key_of(view.deployment), made)
        self._tell_scaled(view, made, 0)
        if view.deadline is not None:
            statuses.put(
                listed, "Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"', now
            )
        return {**status, "conditions": listed}

    async def _taken(self, view: View, replica_set: Object, status: Object) -> Object:
        """The name is taken: by our own ReplicaSet (seen late), or by a template with the same hash."""
        meta = replica_set["metadata"]
        there = await self.client.get(kinds.REPLICA_SETS, meta["name"], meta["namespace"])
        self._seen.wrote(informer.key_of(view.deployment), there)
        if contract.owned_by(there, view.deployment) and views.same_template(view.deployment, there):
            return status
        return {**status, "collisionCount": views.count(view.deployment, "collisionCount") + 1}

    async def _delete(self, replica_set: Object) -> None:
        meta = replica_set["metadata"]
        try:
            await self.client.delete(kinds.REPLICA_SETS, meta["name"], meta["namespace"], uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return

    def _tell_scaled(self, view: View, replica_set: Object, before: int) -> None:
        size = views.replicas(replica_set)
        if size == before:
            return
        direction = "up" if size > before else "down"
        message = f"Scaled {direction} replica set {replica_set['metadata']['name']} from {before} to {size}"
        self.recorder.record(view.deployment, events.NORMAL, SCALED, message)

    async def _write(self, view: View, status: Object) -> None:
        """Bring status and the revision annotation up to date, in one write and only if one of them differs.

        An update of the status may change annotations too; upstream relies on the same.
        """
        deployment, shown = view.deployment, _revision_shown(view)
        marked = not shown or views.notes(deployment).get(views.REVISION) == shown
        if marked and status == (deployment.get("status") or {}):
            return
        fresh = copy.copy(deployment)
        fresh["status"] = status
        if not marked:
            annotated = {**views.notes(deployment), views.REVISION: shown}
            fresh["metadata"] = {**deployment["metadata"], "annotations": annotated}
        await self.client.update(kinds.DEPLOYMENTS, fresh, subresource="status")


def _revision_shown(view: View) -> str:
    """The revision that the Deployment should name: the new ReplicaSet's, once there is one."""
    if view.new is None:
        return ""
    return str(max(views.revision(view.new), view.next_revision))
