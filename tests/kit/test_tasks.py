import asyncio

import pytest

from kijabi.kit import clock, tasks


async def test_a_loop_that_fails_is_started_again_after_a_back_off(caplog: pytest.LogCaptureFixture) -> None:
    fake = clock.FakeClock()
    starts: list[float] = []

    async def loop() -> None:
        starts.append(fake.monotonic())
        raise RuntimeError("out of luck")

    async with tasks.nursery("test", fake) as nursery:
        nursery.keep(loop, "loop")
        await fake.advance(1.0)
    assert len(starts) >= 3
    assert starts == sorted(starts)
    assert "test/loop failed and is started again" in caplog.text
    assert "out of luck" in caplog.text


async def test_closing_cancels_and_awaits_everything() -> None:
    ended = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    nursery = tasks.Nursery("test")
    nursery.start(forever(), "forever")
    await asyncio.sleep(0)
    await nursery.aclose()
    assert ended.is_set()
    with pytest.raises(RuntimeError, match="closed"):
        nursery.start(forever(), "too late")
