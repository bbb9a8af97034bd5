import asyncio

import pytest

from kijabi.apiserver.resourcemetrics import collector, samples
from kijabi.kit import clock, tasks

TEXT = """# HELP container_cpu_usage_seconds_total x
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="c",namespace="ns",pod="p"} 4.5 1700000000500
container_memory_working_set_bytes{container="c",namespace="ns",pod="p"} 1.048576e+06 1700000000500
container_start_time_seconds{container="c",namespace="ns",pod="p"} 1.69999999e+09
node_cpu_usage_seconds_total 100
node_memory_working_set_bytes 2.097152e+06
pod_cpu_usage_seconds_total{namespace="ns",pod="p"} 4.5
nonsense{
node_cpu_usage_seconds_total nothing
"""


def test_what_a_kubelet_tells() -> None:
    sample = samples.parse(TEXT, 1700000001.0)
    assert sample.node == samples.Point(1700000001.0, 100.0, 2097152.0)
    assert sample.containers == {("ns", "p", "c"): samples.Point(1700000000.5, 4.5, 1048576.0, 1699999990.0)}


@pytest.mark.parametrize(
    ("before", "now", "cpu"),
    [
        pytest.param(samples.Point(10, 4, 1), samples.Point(20, 9, 1), 0.5, id="between two looks"),
        pytest.param(None, samples.Point(20, 9, 1, 11), 1.0, id="since it started"),
        pytest.param(samples.Point(10, 4, 1), samples.Point(20, 2, 1, 16), 0.5, id="started again"),
        pytest.param(None, samples.Point(20, 9, 1), None, id="unknown start"),
        pytest.param(None, samples.Point(20, 9, 1, 19.5), None, id="just started"),
        pytest.param(samples.Point(10, 4, 1), samples.Point(20, 9), None, id="no memory"),
        pytest.param(samples.Point(20, 4, 1), samples.Point(20, 4, 1), None, id="the same look"),
        pytest.param(samples.Point(10, 4, 1), None, None, id="gone"),
    ],
)
def test_usage(before: samples.Point | None, now: samples.Point | None, cpu: float | None) -> None:
    used = samples.usage(before, now)
    assert (used.cpu if used else None) == cpu


def test_usage_is_shown_in_nanocores_and_kibibytes() -> None:
    assert samples.Usage(0.0015, 2048.0, 0, 1).shown() == {"cpu": "1500000n", "memory": "2Ki"}
    assert samples.Usage(0, 0, 0, 1).shown() == {"cpu": "0", "memory": "0Ki"}


async def test_nodes_are_looked_at_while_somebody_asks() -> None:
    now, looks = clock.FakeClock(), []

    async def nodes() -> list[str]:
        return ["a", "lost"]

    async def fetch(name: str) -> str:
        if name == "lost":
            raise OSError("no route to host")
        looks.append(now.monotonic())
        return f"node_cpu_usage_seconds_total {len(looks)}\nnode_memory_working_set_bytes 1\n"

    made = collector.Collector(nodes, fetch, now)
    async with tasks.nursery("test", now) as owner:
        made.start(owner)
        await now.advance(60.0)
        assert looks == [], "nobody asked"
        waiting = asyncio.ensure_future(made.ready())
        while not waiting.done():
            await now.advance(0.5)
        assert len(looks) == 2
        used = made.node("a")
        assert used is not None
        assert used.cpu == pytest.approx(1.0, rel=0.6)
        assert made.node("lost") is None
        for _ in range(100):
            await now.advance(collector.EVERY)
        count = len(looks)
        assert count < 30, "it goes on for some minutes, not for ever"
        await now.advance(600.0)
        assert len(looks) == count


async def test_a_node_that_falls_silent_is_told_of_a_while_longer() -> None:
    now, silent = clock.FakeClock(), False

    async def nodes() -> list[str]:
        return ["a"]

    async def fetch(name: str) -> str:
        if silent:
            raise TimeoutError
        return f"node_cpu_usage_seconds_total {now.monotonic()}\nnode_memory_working_set_bytes 1\n"

    made = collector.Collector(nodes, fetch, now)
    for _ in range(2):
        await made.look()
        await now.advance(10.0)
    silent = True
    await made.look()
    used = made.node("a")
    assert used is not None
    assert used.cpu == pytest.approx(1.0)
    await now.advance(collector.STALE)
    await made.look()
    assert made.node("a") is None
