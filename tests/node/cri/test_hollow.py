"""The runtime without containers."""

from __future__ import annotations

import asyncio

import pytest

from kijabi.kit import clock
from kijabi.node.cri import contract, hollow


def _sandbox(uid: str) -> contract.SandboxConfig:
    return contract.SandboxConfig(
        contract.SandboxMetadata("web", uid, "default"), labels={"io.kubernetes.pod.uid": uid}
    )


def _container(uid: str) -> contract.ContainerConfig:
    return contract.ContainerConfig(
        contract.ContainerMetadata("main"), contract.ImageSpec("x"), labels={"io.kubernetes.pod.uid": uid}
    )


async def test_container_runs_after_its_delay() -> None:
    time = clock.FakeClock()
    runtime = hollow.Hollow(delay=5, timepiece=time)
    sandbox = await runtime.run_sandbox(_sandbox("u"))
    container = await runtime.create_container(sandbox, _container("u"), _sandbox("u"))
    starting = asyncio.ensure_future(runtime.start_container(container))
    await time.advance(4)
    assert (await runtime.container_status(container)).state == contract.CREATED
    await time.advance(1)
    await starting
    assert (await runtime.container_status(container)).state == contract.RUNNING


async def test_addresses_are_given_back() -> None:
    runtime = hollow.Hollow("10.0.0.0/29")
    taken = [await runtime.run_sandbox(_sandbox(str(index))) for index in range(5)]
    with pytest.raises(contract.RuntimeFailure, match="no IP addresses available"):
        await runtime.run_sandbox(_sandbox("x"))
    await runtime.stop_sandbox(taken[1])
    again = await runtime.sandbox_status(await runtime.run_sandbox(_sandbox("y")))
    assert again.ips == ["10.0.0.3"]


async def test_injected_exit_is_told() -> None:
    runtime = hollow.Hollow()
    sandbox = await runtime.run_sandbox(_sandbox("u"))
    container = await runtime.create_container(sandbox, _container("u"), _sandbox("u"))
    await runtime.start_container(container)
    exits = runtime.exits()
    waiting = asyncio.ensure_future(anext(exits))
    await asyncio.sleep(0)
    runtime.finish("u", "main", 3)
    assert await waiting == container
    status = await runtime.container_status(container)
    assert (status.state, status.exit_code, status.reason) == (contract.EXITED, 3, "Error")


async def test_removing_a_sandbox_removes_its_containers() -> None:
    runtime = hollow.Hollow()
    sandbox = await runtime.run_sandbox(_sandbox("u"))
    await runtime.create_container(sandbox, _container("u"), _sandbox("u"))
    await runtime.remove_sandbox(sandbox)
    assert await runtime.list_containers() == []
    assert await runtime.list_sandboxes() == []
