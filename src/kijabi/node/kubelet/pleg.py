"""What the runtime runs, pod by pod, kept up to date: the pod life cycle event generator.

A relist asks for all sandboxes and containers in two calls, and for details only of what has changed; one pod can be
looked at alone right after something was done to it. The runtime's own exit events only say *when* to relist, so a
missed event costs a second, never correctness.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kijabi.kit import clock
from kijabi.node.cri import contract
from kijabi.node.kubelet import labels, observed, termination

log = logging.getLogger(__name__)

PERIOD = 1.0
_SETTLE = 0.005
# The runtime tells of an exit a little before it has taken note of it itself.
_PATIENCE = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
# Exits remembered of what has not been seen to run: short containers, but also sandboxes and executed commands.
_EARLY = 256


class Pleg:
    """``on_change`` is called with the uid of a pod whose records have changed (and once they are all gone)."""

    def __init__(
        self,
        runtime: contract.Runtime,
        on_change: Callable[[str], None],
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._runtime = runtime
        self._on_change = on_change
        self._clock = timepiece
        self._pods: dict[str, observed.PodRuntime] = {}
        self._containers: dict[str, observed.Container] = {}
        self._sandboxes: dict[str, contract.Sandbox] = {}
        self._looks = 0
        self._looked: dict[str, int] = {}
        self._hint = asyncio.Event()
        self._expected: dict[str, int] = {}
        self._early: dict[str, None] = {}
        self.relisted_at = -1.0
        self.failure = ""

    def get(self, uid: str) -> observed.PodRuntime:
        return self._pods.get(uid) or observed.PodRuntime(uid)

    def uids(self) -> list[str]:
        return list(self._pods)

    def healthy(self) -> bool:
        """Upstream's threshold: a relist within three minutes."""
        return self.relisted_at >= 0 and self._clock.monotonic() - self.relisted_at < 180

    async def run(self) -> None:
        """Relist for ever, each second and whenever there is a hint."""
        while True:
            try:
                await self.relist()
                self.failure = ""
            except contract.RuntimeFailure as error:
                if not self.failure:
                    log.error("cannot list pods: %s", error)
                self.failure = str(error)
            await self._wait()

    def _pause(self) -> float:
        """Until the next relist: short while a container is said to have exited and is not yet listed so."""
        for container_id, tries in list(self._expected.items()):
            known = self._containers.get(container_id)
            if known is None or not known.running or tries >= len(_PATIENCE):
                del self._expected[container_id]
            else:
                self._expected[container_id] = tries + 1
        return min((_PATIENCE[tries - 1] for tries in self._expected.values()), default=PERIOD)

    async def _wait(self) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(self._pause()))
        hint = asyncio.ensure_future(self._hint.wait())
        try:
            await asyncio.wait({sleep, hint}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            hint.cancel()
        if self._hint.is_set():
            # Several containers of a pod often end together: let their events come in first.
            await asyncio.sleep(_SETTLE)
            self._hint.clear()

    async def follow_exits(self) -> None:
        """Turn the runtime's exit events into hints; returns where the runtime has none."""
        try:
            async for container_id in self._runtime.exits():
                self._exited(container_id)
        except contract.RuntimeFailure as error:
            if error.code == "UNIMPLEMENTED":
                log.info("the runtime has no exit events; containers are listed each second")
                await asyncio.Event().wait()
            log.info("exit events ended: %s", error)

    def _exited(self, container_id: str) -> None:
        known = self._containers.get(container_id)
        if known is not None and known.running:
            self._expected[container_id] = 0
        else:
            # A short container is over before anybody has looked, and for a moment is still listed as running.
            self._early[container_id] = None
            if len(self._early) > _EARLY:
                del self._early[next(iter(self._early))]
        self._hint.set()

    def hint(self) -> None:
        self._hint.set()

    async def relist(self) -> None:
        self._looks += 1
        began = self._looks
        sandboxes = await self._runtime.list_sandboxes()
        containers = await self._runtime.list_containers()
        by_uid: dict[str, tuple[list[contract.Sandbox], list[contract.Container]]] = {}
        for sandbox in sandboxes:
            by_uid.setdefault(sandbox.metadata.uid, ([], []))[0].append(sandbox)
        for container in containers:
            by_uid.setdefault(container.labels.get(labels.POD_UID, ""), ([], []))[1].append(container)
        by_uid.pop("", None)
        for uid in by_uid.keys() | self._pods.keys():
            if self._looked.get(uid, 0) > began:
                # Looked at alone since the list was asked for: that is newer than the list.
                continue
            await self._assemble(uid, *by_uid.get(uid, ([], [])), began)
        self._looked = {uid: look for uid, look in self._looked.items() if uid in self._pods}
        self._prune({container.id for container in containers}, {sandbox.id for sandbox in sandboxes})
        self.relisted_at = self._clock.monotonic()

    async def look(self, uid: str) -> observed.PodRuntime:
        """One pod as it is now."""
        sandboxes = await self._runtime.list_sandboxes(uid)
        containers = await self._runtime.list_containers(uid)
        self._looks += 1
        self._looked[uid] = self._looks
        await self._assemble(uid, sandboxes, containers, self._looks)
        return self.get(uid)

    def forget(self, uid: str) -> None:
        """The pod's records have been removed."""
        self._pods.pop(uid, None)
        self._looks += 1
        self._looked[uid] = self._looks

    def _prune(self, container_ids: set[str], sandbox_ids: set[str]) -> None:
        kept = {found.id for pod in self._pods.values() for found in pod.containers}
        for gone in self._containers.keys() - container_ids - kept:
            del self._containers[gone]
        boxes = {found.id for pod in self._pods.values() for found in pod.sandboxes}
        for gone in self._sandboxes.keys() - sandbox_ids - boxes:
            del self._sandboxes[gone]

    async def _assemble(
        self, uid: str, sandboxes: list[contract.Sandbox], containers: list[contract.Container], look: int
    ) -> None:
        boxes = [box for box in [await self._sandbox(found) for found in sandboxes] if box is not None]
        found = [each for each in [await self._container(listed) for listed in containers] if each is not None]
        if self._looked.get(uid, 0) > look:
            # Somebody looked while details were awaited, and saw something newer.
            return
        fresh = observed.assemble(uid, boxes, found)
        before = self.get(uid)
        if fresh.sandboxes or fresh.containers:
            self._pods[uid] = fresh
        else:
            self._pods.pop(uid, None)
        if (before.sandboxes, before.containers) != (fresh.sandboxes, fresh.containers):
            self._on_change(uid)

    async def _sandbox(self, listed: contract.Sandbox) -> contract.Sandbox | None:
        known = self._sandboxes.get(listed.id)
        if known is not None and known.ready == listed.ready:
            return known
        try:
            fresh = await self._runtime.sandbox_status(listed.id)
        except contract.NotFound:
            return None
        # The list is what a later list is compared with: the two may disagree for a moment.
        fresh.ready = fresh.ready and listed.ready
        self._sandboxes[listed.id] = fresh
        return fresh

    async def _container(self, listed: contract.Container) -> observed.Container | None:
        known = self._containers.get(listed.id)
        if known is not None and known.state == listed.state:
            return known
        try:
            status = await self._runtime.container_status(listed.id)
        except contract.NotFound:
            return None
        if status.state == contract.EXITED and not status.message and self._runtime.on_disk:
            status.message = termination.message(status)
        fresh = observed.container(status, listed.pod_sandbox_id)
        self._containers[listed.id] = fresh
        if listed.id in self._early and status.state != contract.CREATED:
            del self._early[listed.id]
            if fresh.running:
                self._expected[listed.id] = 0
                self._hint.set()
        return fresh
