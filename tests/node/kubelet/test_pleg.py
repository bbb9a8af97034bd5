"""Exits that are told before the runtime itself lists them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kijabi.kit import clock
from kijabi.node.cri import contract, hollow
from kijabi.node.kubelet import labels, observed, pleg

LABELS = {labels.POD_UID: "u", "io.kubernetes.container.name": "c"}


class Hasty(clock.SystemClock):
    """Short pauses take no time, and the period between two lists never passes."""

    async def sleep(self, seconds: float) -> None:
        if seconds < pleg.PERIOD:
            await asyncio.sleep(0)
        else:
            await asyncio.Event().wait()


class Lagging(hollow.Hollow):
    """Goes on listing a container as running until it has been asked ``lag`` times after its end was told."""

    def __init__(self, lag: int) -> None:
        super().__init__()
        self.lag = lag
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def exits(self) -> AsyncIterator[str]:
        while True:
            yield await self.told.get()

    async def list_containers(self, pod_uid: str = "") -> list[contract.Container]:
        listed = await super().list_containers(pod_uid)
        if listed and listed[0].state == contract.RUNNING:
            if self.lag == 0:
                self._end(self._containers[listed[0].id], 0, "Completed")
            self.lag -= 1
        return listed


@pytest.mark.parametrize("seen_before", [True, False], ids=["seen running", "over before it was seen"])
async def test_an_exit_is_seen_though_the_list_lags_behind(seen_before: bool) -> None:
    runtime = Lagging(lag=3)
    over = asyncio.Event()
    events: list[observed.PodRuntime] = []

    def changed(uid: str) -> None:
        events.append(found.get(uid))
        if any(not container.running for container in found.get(uid).containers):
            over.set()

    found = pleg.Pleg(runtime, changed, Hasty())
    sandbox = contract.SandboxConfig(contract.SandboxMetadata("p", "u", "d"), labels=LABELS)
    sandbox_id = await runtime.run_sandbox(sandbox)
    config = contract.ContainerConfig(contract.ContainerMetadata("c"), contract.ImageSpec("i"), labels=LABELS)
    container = await runtime.create_container(sandbox_id, config, sandbox)
    await runtime.start_container(container)
    if seen_before:
        await found.look("u")
    following = asyncio.ensure_future(found.follow_exits())
    runtime.told.put_nowait(container)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if not seen_before:
        await found.look("u")
    running = asyncio.ensure_future(found.run())
    await asyncio.wait_for(over.wait(), 5)
    for task in (following, running):
        task.cancel()
