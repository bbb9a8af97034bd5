"""Carries out what ``plan`` decides for each DaemonSet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from kijabi.api import errors, kinds, labels
from kijabi.api.resource import Object
from kijabi.client import events, informer
from kijabi.controllers import contract, freshness, podset, revisions, slowstart
from kijabi.controllers.daemonset import nodes as nodes_
from kijabi.controllers.daemonset import plan as plans
from kijabi.controllers.daemonset import status as statuses
from kijabi.kit import backoff

_BACKOFF = backoff.Policy(base=1.0, ceiling=900.0)


@dataclass(slots=True)
class _Failure:
    """How often the pod of a node has failed lately, and when one was last deleted for it."""

    count: int
    at: float


class DaemonSets(contract.KeyedController):
    name = "daemonset-controller"
    account = "daemon-set-controller"
    workers = 2

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        by_controller = {podset.CONTROLLER: podset.by_controller}
        self._sets = context.informers.of(kinds.DAEMON_SETS)
        self._pods = context.informers.of(kinds.PODS, indexes=by_controller)
        self._nodes = context.informers.of(kinds.NODES)
        self._revisions = context.informers.of(kinds.CONTROLLER_REVISIONS, indexes=by_controller)
        self._seen = freshness.Freshness(self._pods)
        self._seen_revisions = freshness.Freshness(self._revisions)
        self._ownership = podset.Ownership(self.client, kinds.PODS, kinds.DAEMON_SETS)
        self._revision_ownership = podset.Ownership(self.client, kinds.CONTROLLER_REVISIONS, kinds.DAEMON_SETS)
        self._store = revisions.Store(self.client, self._seen_revisions, revisions.HASH_LABEL)
        self._control = podset.PodControl(self.client, self.recorder, self._seen, self.clock)
        self._failures: dict[tuple[str, str], _Failure] = {}

    def watch(self) -> list[informer.Informer]:
        self._sets.subscribe(lambda old, new: self.enqueue(new or old or {}))
        self._pods.subscribe(podset.wake_owners(self, self._sets, _selects))
        self._revisions.subscribe(podset.wake_owners(self, self._sets, _selects))
        self._nodes.subscribe(self._node_changed)
        return [self._sets, self._pods, self._nodes, self._revisions]

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        for daemon_set in self._sets.items():
            prepared = nodes_.template(daemon_set)
            before = nodes_.fit(prepared, old) if old is not None else nodes_.NOWHERE
            after = nodes_.fit(prepared, new) if new is not None else nodes_.NOWHERE
            if before != after:
                self.enqueue(daemon_set)

    async def reconcile(self, key: str) -> float | None:
        daemon_set = self._sets.by_key(key)
        if daemon_set is None:
            self._seen.forget(key)
            self._seen_revisions.forget(key)
            return None
        if not self._seen.caught_up(key) or not self._seen_revisions.caught_up(key):
            return freshness.LOOK_AGAIN
        selector = labels.from_label_selector(daemon_set["spec"]["selector"])
        if selector.everything:
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.record(daemon_set, events.WARNING, "SelectingAll", message)
            return None
        if daemon_set["metadata"].get("deletionTimestamp"):
            # Its revisions may be gone before its pods, so nothing that could be said would be right.
            return None
        found = podset.candidates(self._revisions, daemon_set)
        history = revisions.plan(daemon_set, await self._revision_ownership.claim(daemon_set, selector, found))
        current, collisions = await self._store.settle(daemon_set, history)
        digest = (current["metadata"].get("labels") or {}).get(revisions.HASH_LABEL, "")
        among = podset.candidates(self._pods, daemon_set)
        owned = await self._ownership.claim(daemon_set, selector, among)
        view = self._view(daemon_set, digest, owned)
        made = plans.plan(view)
        failure = await self._carry_out(view, made)
        await self._clean_up(daemon_set, history, owned)
        await self._write_status(view, collisions)
        if failure is not None:
            raise failure
        return self._next_look(view, made)

    def _view(self, daemon_set: Object, digest: str, owned: list[Object]) -> plans.View:
        prepared = nodes_.template(daemon_set)
        fits = {node["metadata"]["name"]: nodes_.fit(prepared, node) for node in self._nodes.items()}
        uid, now = daemon_set["metadata"]["uid"], self.clock.time()
        held = {
            node: failure.at + _BACKOFF.delay(failure.count) - now
            for (owner, node), failure in self._failures.items()
            if owner == uid
        }
        return plans.View(daemon_set, digest, fits, nodes_.by_node(owned), now, held)

    async def _carry_out(self, view: plans.View, made: plans.Plan) -> Exception | None:
        daemon_set = view.daemon_set
        meta = daemon_set["metadata"]
        for pod in made.failed:
            self._tell(view, pod, events.WARNING, "FailedDaemonPod", "Found failed", "will try to kill it")
            self._count_failure(meta["uid"], nodes_.target(pod), view.now)
        for pod in made.succeeded:
            self._tell(view, pod, events.NORMAL, "SucceededDaemonPod", "Found succeeded", "will try to delete it")
        prepared = nodes_.template(daemon_set, view.digest)

        async def make(number: int) -> None:
            pinned = nodes_.pinned(prepared, made.create[number])
            await self._control.create(daemon_set, podset.from_template(pinned, daemon_set, meta["namespace"]))

        failure = (await slowstart.batch(len(made.create), make))[1]
        results = await asyncio.gather(
            *(self._control.delete(daemon_set, pod) for pod in made.delete), return_exceptions=True
        )
        return failure or next((result for result in results if isinstance(result, Exception)), None)

    def _tell(self, view: plans.View, pod: Object, kind: str, reason: str, found: str, then: str) -> None:
        meta = pod["metadata"]
        message = f"{found} daemon pod {meta['namespace']}/{meta['name']} on node {nodes_.target(pod)}, {then}"
        self.recorder.record(view.daemon_set, kind, reason, message)

    def _count_failure(self, uid: str, node: str, now: float) -> None:
        failure = self._failures.get((uid, node))
        if failure is None or now - failure.at > 2 * _BACKOFF.ceiling:
            failure = self._failures[uid, node] = _Failure(0, now)
        failure.count, failure.at = failure.count + 1, now
        self._failures = {mark: kept for mark, kept in self._failures.items() if now - kept.at <= 2 * _BACKOFF.ceiling}

    async def _clean_up(self, daemon_set: Object, history: revisions.History, owned: list[Object]) -> None:
        live = {(pod["metadata"].get("labels") or {}).get(revisions.HASH_LABEL, "") for pod in owned}
        limit = daemon_set["spec"].get("revisionHistoryLimit", 10)
        await self._store.delete(revisions.superfluous(history.old, limit, live, live_count=True))

    async def _write_status(self, view: plans.View, collisions: int) -> None:
        new = statuses.status(view, collisions)
        if new == (view.daemon_set.get("status") or {}):
            return
        try:
            await self.client.update(kinds.DAEMON_SETS, {**view.daemon_set, "status": new}, subresource="status")
        except errors.NotFound:
            return

    def _next_look(self, view: plans.View, made: plans.Plan) -> float | None:
        waits = [made.again] if made.again is not None else []
        minimum = view.daemon_set["spec"].get("minReadySeconds") or 0
        pods = [pod for there in view.pods.values() for pod in there]
        wait = podset.until_available(pods, minimum, view.now)
        return min([*waits, *([wait] if wait is not None else [])], default=None)


def _selects(daemon_set: Object, obj: Object) -> bool:
    return labels.from_label_selector(daemon_set["spec"]["selector"]).matches(obj["metadata"].get("labels"))
