"""Stopping containers: hooks first, then the stop signal, then SIGKILL, all within one grace period.

Source: the documented "Termination of Pods"; sidecars stop after the containers they serve, the last one first
(KEP-753).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kijabi.kit import clock
from kijabi.node.cri import contract
from kijabi.node.kubelet import hooks, observed, pods, starting
from kijabi.node.kubelet.probes import check

log = logging.getLogger(__name__)


def grace(pod: pods.Object, container: pods.Object | None, reason: str) -> int:
    """Seconds a container gets; a probe that failed may ask for its own, unless the pod is being deleted."""
    if pod["metadata"].get("deletionGracePeriodSeconds") is None and container is not None and reason:
        probe = container.get(f"{reason}Probe") or {}
        if probe.get("terminationGracePeriodSeconds") is not None:
            return int(probe["terminationGracePeriodSeconds"])
    return pods.grace_seconds(pod)


def order(pod: pods.Object, running: list[observed.Container]) -> list[list[observed.Container]]:
    """Groups that stop one after the other: all but sidecars at once, then each sidecar, last one first."""
    sidecars = [container["name"] for container in pods.init_containers(pod) if pods.is_sidecar(container)]
    first = [found for found in running if found.name not in sidecars]
    later = [[found for found in running if found.name == name] for name in reversed(sidecars)]
    return [group for group in [first, *later] if group]


class Killer:
    def __init__(self, node: starting.Node, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._node = node
        self._clock = timepiece

    async def container(
        self,
        pod: pods.Object,
        found: observed.Container,
        *,
        message: str = "",
        reason: str = "",
        seconds: int | None = None,
        turn: asyncio.Event | None = None,
    ) -> None:
        """Stop one container. ``turn`` is waited for after the hook, as long as there is time left."""
        known = pods.container(pod, found.name)
        spec = known[0] if known is not None else None
        left = float(grace(pod, spec, reason) if seconds is None else seconds)
        text = message or f"Stopping container {found.name}"
        self._node.record(pod, found.name, "Normal", "Killing", text)
        hook = ((spec or {}).get("lifecycle") or {}).get("preStop")
        if hook and spec is not None and left > 0:
            left -= await self._pre_stop(pod, check.Target(found.id, spec, self._address(pod)), hook, left)
        if turn is not None and left > 0:
            left -= await self._await(turn.wait(), left)
        # A container always gets a moment to obey, so that it is not killed without need.
        timeout = max(int(left), pods.MINIMUM_GRACE)
        try:
            await self._node.runtime.stop_container(found.id, timeout)
        except contract.NotFound:
            log.debug("container %s is gone already", found.id)

    def _address(self, pod: pods.Object) -> str:
        return str((pod.get("status") or {}).get("podIP") or "")

    async def _pre_stop(self, pod: pods.Object, target: check.Target, hook: dict[str, Any], left: float) -> float:
        async def run() -> None:
            try:
                await self._node.hooks.run(pod, target, hook)
            except hooks.Failure as error:
                log.error("preStop hook failed: %s", error)
                name = target.container["name"]
                self._node.record(pod, name, "Warning", "FailedPreStopHook", "PreStopHook failed")

        return await self._await(run(), left)

    async def _await(self, work: Any, left: float) -> float:
        """Wait for ``work`` at most ``left`` seconds; whole seconds spent."""
        began = self._clock.monotonic()
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self._clock.sleep(left))
        try:
            await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            timer.cancel()
        return float(int(self._clock.monotonic() - began))

    async def pod(self, pod: pods.Object, runtime: observed.PodRuntime, seconds: int | None = None) -> None:
        """Stop every container, then every sandbox. Raises ``contract.RuntimeFailure``."""
        turn: asyncio.Event | None = None
        jobs = []
        for group in order(pod, runtime.running()):
            done = asyncio.Event()
            jobs.append(self._group(pod, group, seconds, turn, done))
            turn = done
        results = await asyncio.gather(*jobs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for sandbox in runtime.sandboxes:
            if sandbox.ready:
                await self.sandbox(sandbox.id)

    async def _group(
        self,
        pod: pods.Object,
        group: list[observed.Container],
        seconds: int | None,
        turn: asyncio.Event | None,
        done: asyncio.Event,
    ) -> None:
        try:
            await asyncio.gather(*(self.container(pod, found, seconds=seconds, turn=turn) for found in group))
        finally:
            done.set()

    async def sandbox(self, sandbox_id: str) -> None:
        try:
            await self._node.runtime.stop_sandbox(sandbox_id)
        except contract.NotFound:
            log.debug("sandbox %s is gone already", sandbox_id)

    async def remove(self, runtime: observed.PodRuntime) -> None:
        """Remove all records of a pod that has been stopped."""
        for found in runtime.containers:
            await self._quietly(self._node.runtime.remove_container(found.id))
        for sandbox in runtime.sandboxes:
            await self._quietly(self._node.runtime.remove_sandbox(sandbox.id))

    async def collect(self, runtime: observed.PodRuntime) -> bool:
        """Remove all but the newest dead container of each name, and old sandboxes without containers."""
        surplus = surplus_containers(runtime)
        for found in surplus:
            await self._quietly(self._node.runtime.remove_container(found.id))
        gone = {found.id for found in surplus}
        used = {found.sandbox_id for found in runtime.containers if found.id not in gone}
        old = [box for box in runtime.sandboxes[1:] if not box.ready and box.id not in used]
        for sandbox in old:
            await self._quietly(self._node.runtime.remove_sandbox(sandbox.id))
        return bool(surplus or old)

    async def _quietly(self, work: Any) -> None:
        try:
            await work
        except contract.NotFound:
            return
        except contract.RuntimeFailure as error:
            log.warning("cannot remove: %s", error)


def surplus_containers(runtime: observed.PodRuntime) -> list[observed.Container]:
    """The dead ones beyond one of each name, which is kept for its logs and its last state."""
    seen: set[str] = set()
    surplus = []
    for found in runtime.containers:
        if found.state != contract.EXITED:
            continue
        if found.name in seen:
            surplus.append(found)
        seen.add(found.name)
    return surplus
