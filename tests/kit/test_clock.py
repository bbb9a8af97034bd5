import asyncio

from kijabi.kit import clock


async def test_a_fake_clock_wakes_sleepers_in_the_order_of_their_deadlines() -> None:
    fake = clock.FakeClock(start=1000.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *waits: float) -> None:
        for seconds in waits:
            await fake.sleep(seconds)
            woken.append((name, fake.time()))

    tasks = [asyncio.ensure_future(sleeper("a", 3, 1)), asyncio.ensure_future(sleeper("b", 2, 3))]
    await fake.advance(4.5)
    assert woken == [("b", 1002.0), ("a", 1003.0), ("a", 1004.0)]
    assert fake.monotonic() == 4.5
    assert fake.sleepers == 1
    await fake.advance(0.5)
    assert woken[-1] == ("b", 1005.0)
    await asyncio.gather(*tasks)
