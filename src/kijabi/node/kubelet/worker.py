"""One pod, from the first sight of it to its last record: carries out what ``decide`` says, one step after the other.

    syncing  ──deleted, gone, finished, deadline──▶  terminating  ──all stopped──▶  terminated  ──gone from API──▶  end

A step in progress (an image being pulled, a hook that hangs) is cancelled when the pod must stop; what it had begun is
seen in the runtime afterwards and stopped with the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import errors, kinds, timestamps
from kijabi.client import transport
from kijabi.kit import backoff, clock, tasks
from kijabi.node.cri import contract
from kijabi.node.kubelet import (
    cgroups,
    decide,
    killing,
    observed,
    pleg,
    pods,
    starting,
    status,
    status_writer,
)
from kijabi.node.kubelet.probes import prober
from kijabi.node.kubelet.volumes import setup

log = logging.getLogger(__name__)

RETRY = backoff.Policy(base=0.5, ceiling=10.0, jitter=0.1)
RESYNC = 60.0
_STEPS = 100

SYNCING, TERMINATING, TERMINATED = "syncing", "terminating", "terminated"


@dataclass(slots=True)
class Parts:
    """What all workers of a kubelet share."""

    node: starting.Node
    pleg: pleg.Pleg
    prober: prober.Prober
    killer: killing.Killer
    writer: status_writer.StatusWriter
    cgroups: cgroups.Cgroups | None
    nursery: tasks.Nursery
    clock: clock.Clock
    runtime_name: str = "containerd"
    on_stopped: Callable[[str], None] = lambda uid: None
    on_end: Callable[[str], None] = lambda uid: None


@dataclass(slots=True)
class _Stop:
    """Why the pod must stop: ``failure`` goes into its status."""

    failure: status.Reason | None = None


@dataclass(slots=True)
class _Pass:
    """One pass over the instructions."""

    prepared: starting.Prepared = field(default_factory=starting.Prepared)
    failed: set[str] = field(default_factory=set)
    ready: bool = False


class Worker:
    """``rejected`` is why this node does not admit the pod; nothing is then started."""

    def __init__(self, parts: Parts, pod: pods.Object, rejected: status.Reason | None = None) -> None:
        self.pod = pod
        self.uid = pods.uid(pod)
        self.phase = SYNCING
        self.gone = False
        self._parts = parts
        self._wake = asyncio.Event()
        self._stop: _Stop | None = None
        self._step: asyncio.Task[Any] | None = None
        self._alarm: tuple[float, asyncio.Task[Any]] | None = None
        self._reasons: dict[str, status.Reason] = {}
        self._back_offs: dict[str, decide.BackOff] = {}
        self._failures = 0
        if rejected is not None:
            parts.node.record(pod, "", "Warning", rejected.reason, rejected.message)
            parts.writer.set(pod, status.rejected(pod, rejected.reason, rejected.message, parts.clock.time()))
            self.phase = TERMINATED
        self.wake()

    # What the world tells the worker.

    def wake(self) -> None:
        self._wake.set()

    def update(self, pod: pods.Object) -> None:
        before, self.pod = self.pod, pod
        if pods.is_deleted(pod):
            self.stop()
            if pods.grace_seconds(pod) < pods.grace_seconds(before) and self.phase == TERMINATING:
                # Less time than was granted before: start over with what is left.
                self._interrupt()
        self.wake()

    def removed(self, last: pods.Object | None = None) -> None:
        """The pod is no longer in the API (or its file is gone); ``last`` is how it was seen last."""
        self.gone = True
        if last is not None:
            self.update(last)
        self.stop()
        self.wake()

    def stop(self, failure: status.Reason | None = None) -> None:
        if self._stop is None:
            self._stop = _Stop(failure)
            if self.phase == SYNCING:
                self._interrupt()
        self.wake()

    def _interrupt(self) -> None:
        if self._step is not None:
            self._step.cancel()

    # The life of the pod.

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._interruptible(self._advance())
            if self.phase == TERMINATED and self.gone:
                await self._end()
                return

    async def _interruptible(self, work: Any) -> None:
        self._step = asyncio.ensure_future(work)
        try:
            await self._step
        except asyncio.CancelledError:
            # Either this step has been interrupted, or the whole kubelet stops.
            if _cancelling():
                raise
            self.wake()
        except contract.RuntimeFailure as error:
            log.warning("%s: %s", pods.describe(self.pod), error)
            self._retry()
        except Exception:
            log.exception("%s", pods.describe(self.pod))
            self._retry()
        finally:
            self._step = None

    async def _advance(self) -> None:
        if self.phase == SYNCING and self._stop is None:
            await self._sync()
        if self._stop is not None and self.phase != TERMINATED:
            self.phase = TERMINATING
            await self._terminate()
        elif self.phase == TERMINATED and pods.is_deleted(self.pod) and not self.gone:
            await self._delete_from_api()

    def _runtime(self) -> observed.PodRuntime:
        return self._parts.pleg.get(self.uid)

    def _publish(self, *, over: bool = False) -> dict[str, Any]:
        """Generate and tell the status; the status."""
        runtime = self._runtime()
        parts = self._parts
        ready, started = set(), set()
        for container, _ in pods.every_container(self.pod):
            found = runtime.latest(container["name"])
            if found is not None and found.running:
                if parts.prober.started(container, found.id):
                    started.add(found.id)
                if parts.prober.ready(container, found.id):
                    ready.add(found.id)
        made = status.generate(
            status.Facts(
                pod=self.pod,
                runtime=runtime,
                previous=parts.writer.current(self.pod),
                now=parts.clock.time(),
                runtime_name=parts.runtime_name,
                host_ips=parts.node.host_ips(),
                ready=frozenset(ready),
                started=frozenset(started),
                reasons=self._reasons,
                over=over,
                failure=self._stop.failure if self._stop is not None else None,
            )
        )
        parts.writer.set(self.pod, made)
        return made

    async def _sync(self) -> None:
        work = _Pass()
        for _ in range(_STEPS):
            if self._expired():
                return
            runtime = self._runtime()
            self._parts.prober.follow(self.pod, runtime, self._address(runtime))
            made = self._publish()
            if made["phase"] in ("Succeeded", "Failed"):
                self.stop()
                return
            facts = decide.Facts(
                self.pod, runtime, self._parts.clock.time(), self._parts.prober.verdicts, self._back_offs
            )
            if not await self._carry_out(decide.decide(facts), work):
                break
        await self._refresh_volumes(work)
        self._parts.prober.follow(self.pod, self._runtime(), self._address(self._runtime()))
        self._publish()
        if not work.failed:
            self._failures = 0
            self._alarm_at(self._parts.clock.time() + RESYNC)

    def _address(self, runtime: observed.PodRuntime) -> str:
        if pods.is_host_network(self.pod):
            ips = self._parts.node.host_ips()
        else:
            sandbox = runtime.sandbox()
            ips = sandbox.ips if sandbox is not None else ()
        return ips[0] if ips else ""

    def _expired(self) -> bool:
        """Whether activeDeadlineSeconds has passed; wakes the worker when it will."""
        allowed = self.pod["spec"].get("activeDeadlineSeconds")
        start = self._parts.writer.current(self.pod).get("startTime")
        if allowed is None or not start:
            return False
        until = timestamps.parse(start) + float(allowed)
        if self._parts.clock.time() < until:
            self._alarm_at(until)
            return False
        message = "Pod was active on the node longer than the specified deadline"
        self._parts.node.record(self.pod, "", "Normal", "DeadlineExceeded", message)
        self.stop(status.Reason("DeadlineExceeded", message))
        return True

    async def _carry_out(self, instructions: list[decide.Instruction], work: _Pass) -> bool:
        """True when something was done, so that it is worth looking again."""
        done = False
        for instruction in instructions:
            if isinstance(instruction, decide.StopPod):
                await self._parts.killer.pod(self.pod, self._runtime())
                done = True
            elif isinstance(instruction, decide.Kill):
                await self._kill(instruction)
                done = True
            elif isinstance(instruction, decide.Wait):
                self._back_off(instruction)
            elif isinstance(instruction, decide.RunSandbox):
                done = await self._run_sandbox(instruction, work) or done
            elif instruction.name not in work.failed:
                done = await self._start(instruction, work) or done
        if done:
            await self._parts.pleg.look(self.uid)
        return done

    async def _kill(self, kill: decide.Kill) -> None:
        found = next((each for each in self._runtime().containers if each.id == kill.container_id), None)
        if found is not None:
            await self._parts.killer.container(self.pod, found, message=kill.message, reason=kill.reason)

    def _back_off(self, wait: decide.Wait) -> None:
        before = self._reasons.get(wait.name)
        self._reasons[wait.name] = status.Reason("CrashLoopBackOff", wait.message)
        if before is None or before.message != wait.message:
            text = f"Back-off restarting failed container {wait.name} in pod {pods.describe(self.pod)}"
            self._parts.node.record(self.pod, wait.name, "Warning", "BackOff", text)
        self._alarm_at(wait.until)

    async def _prepare(self, work: _Pass) -> bool:
        if work.ready:
            return True
        try:
            work.prepared = await starting.prepare(self._parts.node, self.pod)
        except setup.Failure as error:
            for text in starting.missing(error):
                self._parts.node.record(self.pod, "", "Warning", "FailedMount", text)
            work.failed.add("")
            self._retry()
            return False
        work.ready = True
        return True

    async def _run_sandbox(self, instruction: decide.RunSandbox, work: _Pass) -> bool:
        if "" in work.failed or not await self._prepare(work):
            return False
        parts = self._parts
        runtime = self._runtime()
        if runtime.sandboxes:
            text = "Pod sandbox changed, it will be killed and re-created."
            parts.node.record(self.pod, "", "Normal", "SandboxChanged", text)
            await self._purge_init(runtime)
        if parts.cgroups is not None:
            parts.cgroups.prepare(self.pod)
        try:
            await starting.run_sandbox(parts.node, self.pod, instruction.attempt)
        except starting.Failure as error:
            log.warning("%s: %s", pods.describe(self.pod), error)
            work.failed.add("")
            self._retry()
            return False
        return True

    async def _purge_init(self, runtime: observed.PodRuntime) -> None:
        """Init starts over in a new sandbox: what its containers once did must not count."""
        names = {container["name"] for container in pods.init_containers(self.pod)}
        for found in runtime.containers:
            if found.name in names and not found.running:
                with contextlib.suppress(contract.RuntimeFailure):
                    await self._parts.node.runtime.remove_container(found.id)

    async def _start(self, instruction: decide.Start, work: _Pass) -> bool:
        known = pods.container(self.pod, instruction.name)
        if known is None or not await self._prepare(work):
            return False
        container, runtime, parts = known[0], self._runtime(), self._parts
        exited = runtime.last_exited(instruction.name)
        try:
            image = await starting.fetch_image(parts.node, self.pod, container, work.prepared)
            await starting.start(parts.node, self.pod, container, runtime, work.prepared, image)
        except starting.Failure as error:
            log.info("%s: container %s: %s", pods.describe(self.pod), instruction.name, error)
            work.failed.add(instruction.name)
            self._reasons[instruction.name] = error.reason
            if error.container_id:
                await parts.pleg.look(self.uid)
                await self._kill(decide.Kill(error.container_id, instruction.name, "FailedPostStartHook"))
            if error.retry_at:
                self._alarm_at(error.retry_at)
            else:
                self._retry()
            # A container that was created but failed is a record that must be seen.
            await parts.pleg.look(self.uid)
            self._publish()
            return False
        self._reasons.pop(instruction.name, None)
        if exited is not None:
            current = self._back_offs.get(instruction.name)
            self._back_offs[instruction.name] = decide.next_back_off(current, exited, parts.clock.time())
        fresh = await parts.pleg.look(self.uid)
        if exited is not None and await parts.killer.collect(fresh):
            await parts.pleg.look(self.uid)
        return True

    async def _refresh_volumes(self, work: _Pass) -> None:
        """Bring volumes of a running pod up to date when nothing was started in this pass."""
        if work.ready or not self._runtime().running() or not self.pod["spec"].get("volumes"):
            return
        try:
            await starting.prepare(self._parts.node, self.pod)
        except setup.Failure as error:
            for text in starting.missing(error):
                self._parts.node.record(self.pod, "", "Warning", "FailedMount", text)
            self._retry()

    # The end of the pod.

    async def _terminate(self) -> None:
        parts = self._parts
        runtime = await parts.pleg.look(self.uid)
        self._publish()
        parts.prober.follow(self.pod, runtime, self._address(runtime))
        try:
            await parts.killer.pod(self.pod, runtime)
            runtime = await parts.pleg.look(self.uid)
        except contract.RuntimeFailure as error:
            parts.node.record(self.pod, "", "Warning", "FailedKillPod", f"error killing pod: {error}")
            self._retry()
            return
        if runtime.running() or runtime.ready_sandboxes():
            self._retry()
            return
        parts.prober.forget(self.uid)
        self._publish(over=True)
        await self._clean_up()
        self.phase = TERMINATED
        parts.on_stopped(self.uid)
        if pods.is_deleted(self.pod) and not self.gone:
            await self._delete_from_api()

    async def _clean_up(self) -> None:
        parts = self._parts
        parts.node.objects.release(self.uid)
        parts.node.images.forget(self.uid)
        try:
            await parts.node.volumes.unmount(self.uid)
        except OSError as error:
            log.warning("%s: volumes: %s", pods.describe(self.pod), error)
        if parts.cgroups is not None:
            parts.cgroups.remove(self.pod)

    async def _delete_from_api(self) -> None:
        if pods.is_static(self.pod):
            return
        await self._parts.writer.flushed(self.uid)
        meta = self.pod["metadata"]
        try:
            await self._parts.node.client.delete(
                kinds.PODS, meta["name"], meta.get("namespace", ""), grace_seconds=0, uid=self.uid
            )
        except (errors.NotFound, errors.Conflict):
            return
        except (errors.ApiError, transport.Unreachable) as error:
            log.warning("%s: cannot delete: %s", pods.describe(self.pod), error)
            self._retry()

    async def _end(self) -> None:
        parts = self._parts
        runtime = self._runtime()
        await parts.killer.remove(runtime)
        if parts.node.runtime.on_disk:
            starting.unlink_logs(runtime)
            await asyncio.to_thread(starting.remove_logs, parts.node, self.pod)
        parts.pleg.forget(self.uid)
        parts.writer.forget(self.uid)
        if self._alarm is not None:
            self._alarm[1].cancel()
        parts.on_end(self.uid)

    # Time.

    def _retry(self) -> None:
        self._failures += 1
        self._alarm_at(self._parts.clock.time() + RETRY.delay(self._failures))

    def _alarm_at(self, when: float) -> None:
        """Wake up at ``when``, or earlier if that was asked for before."""
        now = self._parts.clock.time()
        if self._alarm is not None:
            at, task = self._alarm
            if now < at <= when and not task.done():
                return
            task.cancel()
        self._alarm = (when, self._parts.nursery.start(self._ring(max(0.0, when - now)), f"alarm {self.uid}"))

    async def _ring(self, seconds: float) -> None:
        await self._parts.clock.sleep(seconds)
        self.wake()


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
