"""Carries out what ``plan`` decides for each StatefulSet."""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.api import errors, kinds, labels
from kijabi.api.resource import Object
from kijabi.client import events, informer
from kijabi.controllers import contract, freshness, podset, revisions, slowstart
from kijabi.controllers.statefulset import identity
from kijabi.controllers.statefulset import plan as plans
from kijabi.controllers.statefulset import status as statuses

# Under which revisions of this kind carry their own hash.
REVISION_LABEL = "controller.kubernetes.io/hash"


class StatefulSets(contract.KeyedController):
    name = "statefulset-controller"
    account = "statefulset-controller"

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        by_controller = {podset.CONTROLLER: podset.by_controller}
        self._sets = context.informers.of(kinds.STATEFUL_SETS)
        self._pods = context.informers.of(kinds.PODS, indexes=by_controller)
        self._claims = context.informers.of(kinds.PERSISTENT_VOLUME_CLAIMS)
        self._revisions = context.informers.of(kinds.CONTROLLER_REVISIONS, indexes=by_controller)
        # Everything that is written here is read again to decide the next step.
        self._seen_sets = freshness.Freshness(self._sets)
        self._seen_pods = freshness.Freshness(self._pods)
        self._seen_claims = freshness.Freshness(self._claims)
        self._seen_revisions = freshness.Freshness(self._revisions)
        self._all_seen = (self._seen_sets, self._seen_pods, self._seen_claims, self._seen_revisions)
        self._ownership = podset.Ownership(self.client, kinds.PODS, kinds.STATEFUL_SETS)
        self._revision_ownership = podset.Ownership(self.client, kinds.CONTROLLER_REVISIONS, kinds.STATEFUL_SETS)
        self._store = revisions.Store(self.client, self._seen_revisions, REVISION_LABEL)

    def watch(self) -> list[informer.Informer]:
        self._sets.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._pods.subscribe(podset.wake_owners(self, self._sets, _selects))
        self._revisions.subscribe(podset.wake_owners(self, self._sets, _selects))
        self._claims.subscribe(self._claim_changed)
        return [self._sets, self._pods, self._claims, self._revisions]

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        # A claim that goes may be what a new pod waits for.
        if new is None and old is not None:
            for stateful_set in self._sets.items(old["metadata"]["namespace"]):
                if f"-{stateful_set['metadata']['name']}-" in old["metadata"]["name"]:
                    self.enqueue(stateful_set)

    async def reconcile(self, key: str) -> float | None:
        stateful_set = self._sets.by_key(key)
        if stateful_set is None:
            for seen in self._all_seen:
                seen.forget(key)
            return None
        if not all(seen.caught_up(key) for seen in self._all_seen):
            return freshness.LOOK_AGAIN
        selector = labels.from_label_selector(stateful_set["spec"]["selector"])
        found = podset.candidates(self._revisions, stateful_set)
        owned_revisions = await self._revision_ownership.claim(stateful_set, selector, found)
        among = [pod for pod in podset.candidates(self._pods, stateful_set) if identity.is_member(stateful_set, pod)]
        owned = await self._ownership.claim(stateful_set, selector, among)
        history = revisions.plan(stateful_set, owned_revisions)
        update, collisions = await self._store.settle(stateful_set, history)
        view = self._view(stateful_set, update, owned_revisions, owned)
        steps = plans.plan(view)
        failure = await self._carry_out(view, steps)
        await self._write_status(view, statuses.status(view, steps if failure is None else (), collisions))
        await self._clean_up(view, history)
        if failure is not None:
            raise failure
        return podset.until_available(owned, view.minimum, view.now)

    def _view(
        self, stateful_set: Object, update: Object, known: Sequence[Object], owned: Sequence[Object]
    ) -> plans.View:
        name = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((item for item in known if item["metadata"]["name"] == name), update)
        claims = {item["metadata"]["name"]: item for item in self._claims.items(stateful_set["metadata"]["namespace"])}
        return plans.View(stateful_set, current, update, owned, claims, self.clock.time())

    async def _carry_out(self, view: plans.View, steps: Sequence[plans.Step]) -> Exception | None:
        async def take(number: int) -> None:
            await self._take(view.stateful_set, steps[number])

        return (await slowstart.batch(len(steps), take))[1]

    async def _take(self, stateful_set: Object, step: plans.Step) -> None:
        if isinstance(step, plans.Create):
            await self._make_claims(stateful_set, step.pod, step.claims)
            await self._make_pod(stateful_set, step.pod)
        elif isinstance(step, plans.Claims):
            await self._make_claims(stateful_set, step.pod, step.claims)
        elif isinstance(step, plans.Own):
            await self._own(stateful_set, step.claim)
        elif isinstance(step, plans.Label):
            await self._label(stateful_set, step.pod)
        else:
            await self._delete(stateful_set, step.pod)

    async def _make_claims(self, stateful_set: Object, pod: Object, claims: Sequence[Object]) -> None:
        about = f"Pod {pod['metadata']['name']} in StatefulSet {stateful_set['metadata']['name']}"
        for claim in claims:
            name = claim["metadata"]["name"]
            try:
                made = await self.client.create(kinds.PERSISTENT_VOLUME_CLAIMS, claim)
            except errors.AlreadyExists:
                continue
            except errors.ApiError as error:
                message = f"Create Claim {name} for {about} failed error: {error}"
                self.recorder.record(stateful_set, events.WARNING, "FailedCreate", message)
                raise
            self._seen_claims.wrote(informer.key_of(stateful_set), made)
            message = f"Create Claim {name} {about} success"
            self.recorder.record(stateful_set, events.NORMAL, "SuccessfulCreate", message)

    async def _make_pod(self, stateful_set: Object, pod: Object) -> None:
        try:
            made = await self.client.create(kinds.PODS, pod)
        except errors.AlreadyExists:
            # Seen late, or somebody else's, which the next look will tell.
            raise
        except errors.ApiError as error:
            if podset.namespace_terminating(error):
                return
            self._tell(stateful_set, "Create", pod, error)
            raise
        self._seen_pods.wrote(informer.key_of(stateful_set), made)
        self._tell(stateful_set, "Create", pod)

    async def _own(self, stateful_set: Object, claim: Object) -> None:
        try:
            made = await self.client.update(kinds.PERSISTENT_VOLUME_CLAIMS, claim)
        except errors.NotFound:
            return
        self._seen_claims.wrote(informer.key_of(stateful_set), made)

    async def _label(self, stateful_set: Object, pod: Object) -> None:
        meta = pod["metadata"]
        marks = {identity.POD_NAME_LABEL: meta["name"], identity.INDEX_LABEL: str(identity.ordinal(pod))}
        patch = {"metadata": {"uid": meta["uid"], "labels": marks}}
        try:
            made = await self.client.patch(kinds.PODS, meta["name"], meta["namespace"], patch)
        except errors.ApiError as error:
            self._tell(stateful_set, "Update", pod, error)
            raise
        self._seen_pods.wrote(informer.key_of(stateful_set), made)
        self._tell(stateful_set, "Update", pod)

    async def _delete(self, stateful_set: Object, pod: Object) -> None:
        meta = pod["metadata"]
        try:
            await self.client.delete(kinds.PODS, meta["name"], meta["namespace"], uid=meta["uid"])
        except (errors.NotFound, errors.Conflict):
            return
        except errors.ApiError as error:
            self._tell(stateful_set, "Delete", pod, error)
            raise
        self._seen_pods.deleting(informer.key_of(stateful_set), pod)
        self._tell(stateful_set, "Delete", pod)

    def _tell(self, stateful_set: Object, verb: str, pod: Object, error: Exception | None = None) -> None:
        subject = f"{verb} Pod {pod['metadata']['name']} in StatefulSet {stateful_set['metadata']['name']}"
        if error is None:
            self.recorder.record(stateful_set, events.NORMAL, f"Successful{verb}", f"{subject} successful")
        else:
            message = f"{subject} failed error: {error}"
            self.recorder.record(stateful_set, events.WARNING, f"Failed{verb}", message)

    async def _write_status(self, view: plans.View, new: Object) -> None:
        if new == (view.stateful_set.get("status") or {}):
            return
        fresh = {**view.stateful_set, "status": new}
        try:
            made = await self.client.update(kinds.STATEFUL_SETS, fresh, subresource="status")
        except errors.NotFound:
            return
        self._seen_sets.wrote(informer.key_of(view.stateful_set), made)

    async def _clean_up(self, view: plans.View, history: revisions.History) -> None:
        live = {identity.revision(pod) for pod in view.pods}
        live |= {view.current["metadata"]["name"], view.update["metadata"]["name"]}
        limit = view.stateful_set["spec"].get("revisionHistoryLimit", 10)
        await self._store.delete(revisions.superfluous(history.old, limit, live, live_count=False))


def _selects(stateful_set: Object, obj: Object) -> bool:
    return labels.from_label_selector(stateful_set["spec"]["selector"]).matches(obj["metadata"].get("labels"))
