"""How a leading component ends: told to, by losing the lead, or by a failure of its work."""

import asyncio

import pytest

from kijabi.client import leading


async def forever() -> None:
    await asyncio.Event().wait()


async def nothing() -> None:
    return None


async def broken() -> None:
    raise ValueError("what is wrong")


async def test_told_to_stop_it_returns() -> None:
    stop = asyncio.Event()
    running = asyncio.ensure_future(leading.until_stopped(forever(), stop))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(5):
        await running


async def test_work_that_just_ends_has_lost_the_lead() -> None:
    with pytest.raises(SystemExit, match="leader election lost"):
        await leading.until_stopped(nothing(), asyncio.Event())


async def test_a_failure_is_told_as_what_it_is() -> None:
    with pytest.raises(ValueError, match="what is wrong"):
        await leading.until_stopped(broken(), asyncio.Event())
