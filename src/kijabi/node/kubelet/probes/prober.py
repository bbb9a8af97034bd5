"""The loops that ask: one per running container and kind of probe, for as long as the container runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kijabi.kit import clock, tasks
from kijabi.node.kubelet import decide, observed, pods
from kijabi.node.kubelet.probes import check, state

KINDS = (decide.STARTUP, decide.LIVENESS, decide.READINESS)

Record = Callable[[pods.Object, str, str, str, str], None]  # pod, container, type, reason, message


@dataclass(slots=True)
class _Watched:
    """One running container. ``started`` wakes the probes that wait for the startup probe."""

    uid: str
    pod: pods.Object
    target: check.Target
    started: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict)


class Prober:
    """``on_verdict`` is called with a pod's uid whenever a verdict about one of its containers changes."""

    def __init__(
        self,
        checker: check.Checker,
        nursery: tasks.Nursery,
        record: Record,
        on_verdict: Callable[[str], None],
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._checker = checker
        self._nursery = nursery
        self._record = record
        self._on_verdict = on_verdict
        self._clock = timepiece
        self._began = timepiece.time()
        self._watched: dict[str, _Watched] = {}
        self._by_pod: dict[str, set[str]] = {}
        self._seeds: dict[str, tuple[bool, bool]] = {}
        self.verdicts: dict[tuple[str, str], bool] = {}

    def seed(self, container_id: str, started: bool, ready: bool) -> None:
        """What the previous kubelet told of a container; it stays true until a probe says otherwise."""
        self._seeds[container_id] = (started, ready)

    def follow(self, pod: pods.Object, runtime: observed.PodRuntime, address: str) -> None:
        """Probe exactly the containers that run now. A pod that is being deleted is only asked whether it is ready."""
        uid = pods.uid(pod)
        running = {found.id: found for found in runtime.containers if found.running}
        for container_id in self._by_pod.get(uid, set()) - running.keys():
            self._stop(container_id)
        for container, role in pods.every_container(pod):
            found = runtime.latest(container["name"])
            if found is None or not found.running or role in (pods.INIT, pods.EPHEMERAL):
                continue
            watched = self._watched.get(found.id)
            if watched is None:
                if not any(container.get(state.field(kind)) for kind in KINDS):
                    continue
                self._begin(pod, container, found, address)
            else:
                watched.pod = pod
                watched.target.address = address
        if pods.is_deleted(pod):
            self._quieten(uid)

    def _begin(self, pod: pods.Object, container: pods.Object, found: observed.Container, address: str) -> None:
        uid = pods.uid(pod)
        watched = _Watched(uid, pod, check.Target(found.id, container, address))
        self._watched[found.id] = watched
        self._by_pod.setdefault(uid, set()).add(found.id)
        started, ready = self._seeds.pop(found.id, (False, False))
        if started or not container.get("startupProbe"):
            watched.started.set()
        if started and container.get("startupProbe"):
            self.verdicts[found.id, decide.STARTUP] = True
        if ready:
            self.verdicts[found.id, decide.READINESS] = True
        for kind in KINDS:
            probe = container.get(state.field(kind))
            if probe and not (kind == decide.STARTUP and started):
                watched.tasks[kind] = self._nursery.start(
                    self._run(watched, kind, probe, found.started_at), f"{kind} {container['name']}"
                )

    def _quieten(self, uid: str) -> None:
        for container_id in self._by_pod.get(uid, ()):
            for kind in (decide.LIVENESS, decide.STARTUP):
                task = self._watched[container_id].tasks.pop(kind, None)
                if task is not None:
                    task.cancel()
                    self.verdicts[container_id, kind] = True

    def _stop(self, container_id: str) -> None:
        watched = self._watched.pop(container_id)
        self._by_pod[watched.uid].discard(container_id)
        for task in watched.tasks.values():
            task.cancel()
        for kind in KINDS:
            self.verdicts.pop((container_id, kind), None)

    def forget(self, uid: str) -> None:
        for container_id in tuple(self._by_pod.get(uid, ())):
            self._stop(container_id)
        self._by_pod.pop(uid, None)

    def started(self, container: pods.Object, container_id: str) -> bool:
        return not container.get("startupProbe") or self.verdicts.get((container_id, decide.STARTUP), False)

    def ready(self, container: pods.Object, container_id: str) -> bool:
        return not container.get("readinessProbe") or self.verdicts.get((container_id, decide.READINESS), False)

    async def _run(self, watched: _Watched, kind: str, probe: dict[str, Any], started_at: float) -> None:
        spec = state.Spec.of(probe)
        progress = state.State(spec)
        adopted = started_at < self._began and self._clock.time() - self._began < spec.period
        running_for = self._clock.time() - started_at
        await self._clock.sleep(state.first_delay(spec, running_for, adopted, random.random()))
        while True:
            if kind != decide.STARTUP:
                await watched.started.wait()
            success = await self._ask(watched, kind, probe, spec.timeout)
            verdict = None if success is None else progress.observe(success)
            if verdict is not None:
                self._tell(watched, kind, verdict)
                if state.is_final(kind, verdict):
                    return
            await self._clock.sleep(spec.period)

    async def _ask(self, watched: _Watched, kind: str, probe: dict[str, Any], timeout: float) -> bool | None:
        title = kind.capitalize()
        name = watched.target.container["name"]
        try:
            result = await self._checker.ask(probe, watched.target, timeout)
        except check.Errored as error:
            text = f"{title} probe errored and resulted in unknown state: {error}"
            self._record(watched.pod, name, "Warning", "Unhealthy", text)
            return None
        if result.warning:
            self._record(watched.pod, name, "Warning", "ProbeWarning", f"{title} probe warning: {result.output}")
        elif not result.success:
            self._record(watched.pod, name, "Warning", "Unhealthy", f"{title} probe failed: {result.output}")
        return result.success

    def _tell(self, watched: _Watched, kind: str, verdict: bool) -> None:
        key = (watched.target.container_id, kind)
        if kind == decide.STARTUP and verdict:
            watched.started.set()
        if self.verdicts.get(key) is not verdict:
            self.verdicts[key] = verdict
            self._on_verdict(watched.uid)
