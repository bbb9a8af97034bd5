"""Leader election among several copies, on a real API server and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kijabi import testing
from kijabi.api import kinds
from kijabi.client import leases, rest, transport
from kijabi.kit import clock


class Broken:
    """A client that can be cut off."""

    def __init__(self, client: rest.Client) -> None:
        self._wire, self.cut = client.wire, False
        self.client = rest.Client(self, "test")

    async def request(self, *values: object, **more: object) -> transport.Reply:
        if self.cut:
            raise transport.Unreachable("cut off")
        return await self._wire.request(*values, **more)  # type: ignore[arg-type]


class Copy:
    """One candidate; ``turns`` counts how often it came to lead."""

    def __init__(self, client: rest.Client, name: str, timepiece: clock.Clock) -> None:
        self.wire = Broken(client)
        self.elector = leases.Elector(self.wire.client, "lease", "kube-system", name, timepiece=timepiece)
        self.turns = 0
        self.task = asyncio.ensure_future(self.elector.run(self._lead))

    async def _lead(self) -> None:
        self.turns += 1
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def cluster() -> AsyncIterator[testing.InProcess]:
    async with testing.InProcess(nodes=0, controllers=(), scheduler=False) as made:
        yield made


async def moved(timepiece: clock.FakeClock, seconds: float) -> None:
    """Advance in small steps, so that requests between two of them are answered."""
    for _ in range(int(seconds * 2)):
        await timepiece.advance(0.5)
        for _ in range(30):
            await asyncio.sleep(0)


async def test_one_copy_leads_and_says_so_in_the_lease(cluster: testing.InProcess) -> None:
    timepiece = clock.FakeClock()
    copies = [Copy(cluster.client, name, timepiece) for name in ("a", "b", "c")]
    await moved(timepiece, 30)
    assert sorted(copy.turns for copy in copies) == [0, 0, 1]
    (leader,) = [copy for copy in copies if copy.elector.leading]
    lease = await cluster.client.get(kinds.LEASES, "lease", "kube-system")
    assert lease["spec"]["holderIdentity"] == leader.elector.identity
    assert lease["spec"]["leaseDurationSeconds"] == 15
    for copy in copies:
        await copy.stop()


async def test_a_leader_that_stops_hands_over_at_once(cluster: testing.InProcess) -> None:
    timepiece = clock.FakeClock()
    first = Copy(cluster.client, "a", timepiece)
    await moved(timepiece, 3)
    second = Copy(cluster.client, "b", timepiece)
    await moved(timepiece, 3)
    assert (first.elector.leading, second.elector.leading) == (True, False)
    await first.stop()
    await moved(timepiece, 3)
    assert second.elector.leading
    lease = await cluster.client.get(kinds.LEASES, "lease", "kube-system")
    assert lease["spec"]["leaseTransitions"] == 1
    await second.stop()


async def test_a_leader_that_is_cut_off_gives_up_before_another_takes_over(cluster: testing.InProcess) -> None:
    timepiece = clock.FakeClock()
    first = Copy(cluster.client, "a", timepiece)
    await moved(timepiece, 3)
    second = Copy(cluster.client, "b", timepiece)
    await moved(timepiece, 3)
    first.wire.cut = True
    for _ in range(60):
        await moved(timepiece, 0.5)
        assert not (first.elector.leading and second.elector.leading)
        if second.elector.leading:
            break
    assert second.elector.leading
    assert first.task.done()
    await second.stop()


async def test_a_copy_that_is_started_again_takes_its_own_lease_back(cluster: testing.InProcess) -> None:
    timepiece = clock.FakeClock()
    first = Copy(cluster.client, "a", timepiece)
    await moved(timepiece, 3)
    first.wire.cut = True
    await first.stop()
    again = Copy(cluster.client, "a", timepiece)
    await moved(timepiece, 3)
    assert again.elector.leading
    await again.stop()
