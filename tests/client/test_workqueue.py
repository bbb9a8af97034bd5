import asyncio

import pytest

from kijabi.api import errors
from kijabi.client import workqueue
from kijabi.kit import backoff, clock


def made(fake: clock.FakeClock | None = None) -> workqueue.WorkQueue[str]:
    return workqueue.WorkQueue("test", policy=backoff.Policy(1, 8), timepiece=fake or clock.FakeClock())


async def test_a_key_added_twice_before_it_is_taken_comes_once() -> None:
    queue = made()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_added_while_it_is_worked_on_comes_again_after_it_is_done() -> None:
    queue = made()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_a_waiting_worker_is_woken_and_a_cancelled_one_passes_the_key_on() -> None:
    queue = made()
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"


async def test_the_earliest_of_several_times_counts() -> None:
    fake = clock.FakeClock()
    queue = made(fake)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    queue.add_after("b", 7)
    await fake.advance(5)
    assert await queue.get() == "a"
    queue.done("a")
    await fake.advance(30)
    assert await queue.get() == "b"
    assert len(queue) == 0


async def test_failures_back_off_and_success_forgets() -> None:
    queue = made()
    assert [queue.retry("a"), queue.retry("a"), queue.retry("b")] == [1, 2, 1]
    queue.forget("a")
    assert queue.failures("a") == 0


async def test_closing_wakes_all_workers() -> None:
    queue = made()
    waiting = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    for worker in waiting:
        with pytest.raises(workqueue.Closed):
            await worker


async def test_workers_retry_what_fails_and_come_back_when_asked_to() -> None:
    fake = clock.FakeClock()
    queue = made(fake)
    seen: list[tuple[str, float]] = []

    async def reconcile(key: str) -> float | None:
        seen.append((key, fake.monotonic()))
        if key == "conflict" and len(seen) < 3:
            raise errors.Conflict("somebody was first")
        if key == "broken" and sum(k == "broken" for k, _ in seen) < 3:
            raise ZeroDivisionError
        return 4.0 if key == "later" and fake.monotonic() < 4 else None

    running = asyncio.ensure_future(workqueue.run(queue, reconcile, workers=2))
    for key in ("conflict", "later", "broken"):
        queue.add(key)
    await fake.advance(10)
    running.cancel()
    assert seen == [
        ("conflict", 0), ("later", 0), ("broken", 0), ("conflict", 1), ("broken", 1), ("broken", 3), ("later", 4),
    ]  # fmt: skip
    assert queue.failures("broken") == 0


async def test_keys_that_wait_outlive_the_workers_and_no_task_is_left_behind() -> None:
    fake = clock.FakeClock()
    queue = made(fake)
    seen: list[str] = []

    async def reconcile(key: str) -> None:
        seen.append(key)

    queue.add_after("a", 5)
    first = asyncio.ensure_future(workqueue.run(queue, reconcile))
    await fake.advance(1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert not [task for task in asyncio.all_tasks() if "test/" in task.get_name()]
    second = asyncio.ensure_future(workqueue.run(queue, reconcile))
    await fake.advance(5)
    second.cancel()
    assert seen == ["a"]
