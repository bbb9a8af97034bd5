"""The actor: follows pods and nodes, decides one pod after the other, and has written what was decided.

A decision counts at once (the pod is *assumed*), while its binding is on the way; when the binding is refused the pod
is taken out again and queued with back-off. Bindings are written side by side, decisions are not. A pod that fits
nowhere may have others evicted; it is *nominated* for their node, waits for them to leave, and pods of less priority do
not take what becomes free.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping

from kijabi.api import errors, kinds
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.client import informer, rest, transport
from kijabi.kit import backoff, clock, tasks
from kijabi.scheduler import cluster, cycle, deeds, defaults, explain, metrics, plugins, podinfo, preemption, queue
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import PodInfo
from kijabi.scheduler.profiles import Configuration, Profile

log = logging.getLogger(__name__)

# After this many decisions in a row other tasks get their turn.
TURN = 20
BINDINGS = 100
# What refuses a pod where there is no node at all.
NO_NODES = "no nodes"


class Scheduler:
    """Places the pods of its profiles. ``run`` works until cancelled."""

    def __init__(
        self,
        client: rest.Client,
        informers: informer.Informers,
        configuration: Configuration | None = None,
        timepiece: clock.Clock = clock.SYSTEM,
        chance: random.Random | None = None,
    ) -> None:
        chosen = configuration or Configuration()
        self._profiles: dict[str, Profile] = {profile.name: profile for profile in chosen.profiles}
        self._clock = timepiece
        self._chance = chance or random.Random()
        self._pods = informers.of(kinds.PODS)
        self._nodes = informers.of(kinds.NODES)
        self._namespaces = informers.of(kinds.NAMESPACES)
        self._budgets = informers.of(kinds.POD_DISRUPTION_BUDGETS)
        self._companions = defaults.Companions(informers)
        self._informers = informers
        self._deeds = deeds.Deeds(client, self._profiles, timepiece)
        self.cluster = cluster.Cluster()
        interests = {rule.name: rule.retry_on for rule in plugins.FILTERS}
        interests[NO_NODES] = frozenset({contract.NODE_ADDED})
        policy = backoff.Policy(chosen.initial_backoff, chosen.max_backoff)
        self.queue = queue.SchedulingQueue(interests, timepiece, policy)
        self.history = explain.History()
        self._binding = asyncio.Semaphore(BINDINGS)
        # Pods whose victims are being evicted: they are in no queue until that is done.
        self._preempting: set[str] = set()

    async def run(self) -> None:
        metrics.watch(self.queue.counts, self.cluster.counts)
        self._companions.follow()
        self._namespaces.subscribe(self._namespace_changed)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        async with tasks.nursery("scheduler", self._clock) as nursery:
            self._deeds.start(nursery)
            await self._informers.wait_synced()
            await self._schedule_for_ever(nursery)

    async def _schedule_for_ever(self, nursery: tasks.Nursery) -> None:
        in_a_row = 0
        while True:
            await self._binding.acquire()
            queued = self.queue.take_nowait()
            if queued is None:
                queued = await self.queue.take()
                in_a_row = 0
            self._schedule(queued, nursery)
            in_a_row += 1
            if in_a_row % TURN == 0:
                await asyncio.sleep(0)

    def decide(self, pod: PodInfo) -> cycle.Decision:
        """Where the pod would go now, by its own profile or else the first. Changes nothing."""
        profile = self._profiles.get(pod.spec.get("schedulerName", "")) or next(iter(self._profiles.values()))
        view = contract.View(
            pod=pod,
            columns=self.cluster.columns,
            tallies=self.cluster.tallies,
            namespace_labels=self._namespace_labels,
            default_selector=self._companions.selector,
        )
        return cycle.decide(view, profile.rules, self._chance, self.cluster.nominated_before(pod))

    def _schedule(self, queued: queue.Queued, nursery: tasks.Nursery) -> None:
        pod = queued.pod
        profile = self._profile(pod)
        began = self._clock.monotonic()
        decision = self.decide(pod)
        metrics.ALGORITHM_SECONDS.observe(self._clock.monotonic() - began)
        if decision.row is None:
            self._refuse(queued, decision, profile, nursery, began)
            return
        self.history.note(explain.note(decision, self._clock.time(), queued.attempts))
        node = self.cluster.columns.name(decision.row)
        self.cluster.place(node, pod)
        nursery.start(self._bind(queued, node, profile, began), f"bind {pod.key}")

    def _profile(self, pod: PodInfo) -> Profile:
        return self._profiles[pod.spec["schedulerName"]]

    async def _bind(self, queued: queue.Queued, node: str, profile: Profile, began: float) -> None:
        pod = queued.pod
        try:
            await self._deeds.bind(pod, node)
        except errors.NotFound:
            self.cluster.unplace(pod.uid)
        except (errors.ApiError, transport.Unreachable) as error:
            log.info("binding %s to %s: %s", pod.key, node, error)
            self._spent(metrics.ERROR, profile, began)
            await self._unbind(queued, profile, error)
        else:
            self._spent(metrics.SCHEDULED, profile, began)
            metrics.scheduled(queued.attempts, self._clock.monotonic() - queued.since)
            self._deeds.tell_placed(profile.name, pod, node)
        finally:
            self._binding.release()

    async def _unbind(self, queued: queue.Queued, profile: Profile, error: Exception) -> None:
        self.cluster.unplace(queued.pod.uid)
        current = self._current(queued.pod)
        if current is None:
            return
        if current["spec"].get("nodeName"):
            # The answer was lost, not the binding.
            self._pod_changed(None, current)
            return
        queued.pod = podinfo.of(current)
        self.queue.put_back(queued, frozenset())
        # What it had assumed is free again.
        self._happened(contract.POD_GONE)
        message = f'binding rejected: running Bind plugin "DefaultBinder": {error}'
        await self._tell(profile, queued.pod, message, reason=deeds.SCHEDULER_ERROR)

    def _current(self, pod: PodInfo) -> Object | None:
        """The pod as it is now, if it still is."""
        current = self._pods.by_key(pod.key)
        if current is None or current["metadata"]["uid"] != pod.uid or pods_.is_terminal(current):
            return None
        return current

    def _refuse(
        self, queued: queue.Queued, decision: cycle.Decision, profile: Profile, nursery: tasks.Nursery, began: float
    ) -> None:
        self._binding.release()
        self._spent(metrics.UNSCHEDULABLE, profile, began)
        pod, message = queued.pod, cycle.message(decision)
        outcome = self._preempt(decision, profile)
        if outcome.message:
            message = f"{message} preemption: {outcome.message}"
        self.history.note(explain.note(decision, self._clock.time(), queued.attempts, message=message))
        refused_by = decision.refused_by or frozenset({NO_NODES})
        if outcome.chosen is None:
            self.queue.put_back(queued, refused_by)
            if not outcome.keep:
                self.cluster.nominate(pod, "")
            nominate = None if outcome.keep else ""
            nursery.start(self._tell(profile, pod, message, nominate=nominate), f"refuse {pod.key}")
            return
        self._preempting.add(pod.uid)
        metrics.VICTIMS.observe(len(outcome.chosen.victims))
        work = self._make_room(queued, outcome.chosen, profile, message, refused_by)
        nursery.start(work, f"make room for {pod.key}")

    def _preempt(self, decision: cycle.Decision, profile: Profile) -> preemption.Outcome:
        if not profile.preempts:
            return preemption.Outcome(None, keep=True)
        metrics.PREEMPTIONS.inc()
        return preemption.decide(
            decision,
            profile.rules.filters,
            self._budgets.items(),
            self._clock.time(),
            self.cluster.nominated_before(decision.view.pod),
            profile.limits,
        )

    async def _make_room(
        self,
        queued: queue.Queued,
        candidate: preemption.Candidate,
        profile: Profile,
        message: str,
        refused_by: frozenset[str],
    ) -> None:
        pod, node = queued.pod, self.cluster.columns.name(candidate.row)
        below = self.cluster.nominated_below(pod.priority, node)
        nominated_before = pod.nominated
        self.cluster.nominate(pod, node)
        failed = False
        try:
            for other in below:
                # What it waited for will not be its own: it may find another place sooner.
                self.cluster.nominate(other, "")
                await self._deeds.clear_nomination(other)
                self.queue.activate(other.uid)
            pod.nominated = nominated_before
            await self._tell(profile, pod, message, nominate=node)
            pod.nominated = node
            await asyncio.gather(*(self._deeds.evict(profile.name, victim, pod, node) for victim in candidate.victims))
        except (errors.ApiError, transport.Unreachable) as error:
            log.warning("making room for %s on %s: %s", pod.key, node, error)
            failed = True
        finally:
            self._preempting.discard(pod.uid)
        self._requeue(queued, candidate, refused_by, at_once=failed)

    def _requeue(
        self, queued: queue.Queued, candidate: preemption.Candidate, refused_by: frozenset[str], *, at_once: bool
    ) -> None:
        current = self._current(queued.pod)
        if current is None or current["spec"].get("nodeName"):
            self.cluster.nominate(queued.pod, "")
            return
        nominated = queued.pod.nominated
        queued.pod = podinfo.of(current)
        self.cluster.nominate(queued.pod, nominated)
        self.queue.put_back(queued, refused_by)
        # A victim that left while the others were being evicted has been told of before the pod was waiting for it.
        if at_once or any(not self.cluster.has(victim.uid) for victim in candidate.victims):
            self.queue.activate(queued.pod.uid)

    async def _tell(
        self,
        profile: Profile,
        pod: PodInfo,
        message: str,
        *,
        reason: str = deeds.UNSCHEDULABLE,
        nominate: str | None = None,
    ) -> None:
        try:
            await self._deeds.tell_refused(profile.name, pod, message, reason=reason, nominate=nominate)
        except (errors.ApiError, transport.Unreachable) as error:
            # The next attempt says it again.
            log.info("status of %s: %s", pod.key, error)

    def _spent(self, result: str, profile: Profile, began: float) -> None:
        metrics.attempt(result, profile.name, self._clock.monotonic() - began)

    def _happened(self, event: str | None) -> None:
        if event is not None:
            self.queue.happened(event)

    def _namespace_labels(self, name: str) -> Mapping[str, str]:
        namespace = self._namespaces.get(name)
        return (namespace["metadata"].get("labels") or {}) if namespace is not None else {}

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or old["metadata"].get("labels") != new["metadata"].get("labels"):
            self.cluster.tallies.forget()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        self._happened(self.cluster.node(old, new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or pods_.is_terminal(new):
            uid = (new or old or {})["metadata"]["uid"]
            self.queue.remove(uid)
            self._happened(self.cluster.gone(uid))
        elif new["spec"].get("nodeName"):
            self.queue.remove(new["metadata"]["uid"])
            self._happened(self.cluster.assigned(new))
        elif new["spec"].get("schedulerName") in self._profiles:
            self._unassigned(new)

    def _unassigned(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if self.cluster.has(uid) or uid in self._preempting:
            # Assumed, or about to be queued again: whoever has it in hand looks at the newest form.
            return
        if pod["metadata"].get("deletionTimestamp"):
            self.queue.remove(uid)
            self.cluster.nominate(podinfo.of(pod), "")
        else:
            parsed = podinfo.of(pod)
            self.cluster.nominate(parsed, parsed.nominated)
            self.queue.update(parsed)
