import asyncio

import pytest

from kijabi.api.flowcontrol import defaults
from kijabi.apiserver.fairness import gate as gates
from kijabi.apiserver.fairness import levels
from kijabi.apiserver.fairness.rules import Schema

ALL = {one["metadata"]["name"]: one["spec"] for one in defaults.MANDATORY_LEVELS + defaults.SUGGESTED_LEVELS}


def schema(name, level="l"):
    return Schema(name, f"uid-{name}", level, 1000, "ByUser", ())


def level(nominal, queues=8, hand=2, length=50, lower=None, upper=None, name="l"):
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": length}
    response = {"type": "Queue", "queuing": queuing} if queues else {"type": "Reject"}
    limits = levels.Limits(nominal, nominal if lower is None else lower, nominal if upper is None else upper)
    return levels.Level(name, f"uid-{name}", {"type": "Limited", "limited": {"limitResponse": response}}, limits)


class Now:
    def __init__(self):
        self.seconds = 1.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def gate(now):
    return gates.Gate(60.0, now)


def test_seats_are_shared_out_by_shares():
    shared = levels.share_out(ALL, 600)
    # 245 shares in all, rounded up; what is lendable comes off the lower limit.
    assert shared["workload-low"] == levels.Limits(245, 25, 600)
    assert shared["system"] == levels.Limits(74, 50, 600)
    assert shared["catch-all"] == levels.Limits(13, 13, 600)
    assert shared["exempt"] == levels.Limits(0, 0, 600)


async def test_who_is_over_the_limit_waits_until_somebody_leaves(gate):
    only = level(2)
    gate.levels = {"l": only}
    one, two = (gate.enter_nowait(only, schema("s"), 1) for _ in range(2))
    assert one
    assert two
    assert gate.enter_nowait(only, schema("s"), 1) is None
    third = asyncio.ensure_future(gate.enter(only, schema("s"), "f", 1))
    await asyncio.sleep(0)
    assert gate.waiting == 1
    gate.leave(one)
    ticket = await third
    assert (gate.waiting, only.in_use) == (0, 2)
    gate.leave(two)
    gate.leave(ticket)
    assert only.in_use == 0


async def test_a_level_without_queues_refuses(gate):
    only = level(1, queues=0)
    gate.levels = {"l": only}
    assert gate.enter_nowait(only, schema("s"), 1)
    with pytest.raises(gates.Refused) as caught:
        await gate.enter(only, schema("s"), "f", 1)
    assert caught.value.reason == "concurrency-limit"
    assert only.tally.rejected == {("s", "concurrency-limit"): 1}


async def test_a_full_hand_refuses_one_flow_and_not_another(gate):
    only = level(1, queues=64, hand=1, length=2)
    gate.levels = {"l": only}
    assert gate.enter_nowait(only, schema("s"), 1)
    flood = [asyncio.ensure_future(gate.enter(only, schema("s"), "loud", 1)) for _ in range(3)]
    other = asyncio.ensure_future(gate.enter(only, schema("s"), "quiet", 1))
    await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    refused = [task for task in flood if task.done()]
    assert [task.exception().reason for task in refused] == ["queue-full"]
    assert not other.done()
    assert gate.waiting == 3
    for task in (*flood, other):
        task.cancel()
    await asyncio.gather(*flood, other, return_exceptions=True)
    assert gate.waiting == 0


async def test_flows_take_turns(gate):
    only = level(1, queues=64, hand=1)
    gate.levels = {"l": only}
    first = gate.enter_nowait(only, schema("s"), 1)
    order = []

    async def request(flow):
        ticket = await gate.enter(only, schema("s"), flow, 1)
        order.append(flow)
        gate.leave(ticket)

    tasks = [asyncio.ensure_future(request(flow)) for flow in ["loud"] * 6 + ["quiet"] * 2]
    await asyncio.sleep(0)
    gate.leave(first)
    await asyncio.gather(*tasks)
    assert sorted(order[:4]) == ["loud", "loud", "quiet", "quiet"]


async def test_seats_that_others_do_not_use_are_lent(gate):
    small, large = level(1, upper=10, name="small"), level(4, lower=2, name="large")
    gate.levels = {"small": small, "large": large}
    tickets = [gate.enter_nowait(small, schema("s"), 1) for _ in range(4)]
    assert [ticket is not None for ticket in tickets] == [True, True, True, False]
    # The lender's own come in all the same; only then no more is lent.
    for _ in range(4):
        assert gate.enter_nowait(large, schema("t"), 1)
    gate.leave(tickets[0])
    assert gate.enter_nowait(small, schema("s"), 1) is None


async def test_who_waited_too_long_is_refused(now):
    gate = gates.Gate(0.0, now)
    only = level(1)
    gate.levels = {"l": only}
    gate.enter_nowait(only, schema("s"), 1)
    with pytest.raises(gates.Refused) as caught:
        await gate.enter(only, schema("s"), "f", 1)
    assert caught.value.reason == "time-out"
    assert (gate.waiting, only.waiting) == (0, 0)


async def test_who_gave_up_waits_no_longer(gate):
    only = level(1)
    gate.levels = {"l": only}
    ticket = gate.enter_nowait(only, schema("s"), 1)
    waiting = asyncio.ensure_future(gate.enter(only, schema("s"), "f", 1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (gate.waiting, only.waiting) == (0, 0)
    gate.leave(ticket)
    assert gate.enter_nowait(only, schema("s"), 1)


async def test_a_full_turn_of_the_loop_lets_nobody_in_but_the_exempt(gate, now):
    low, free = level(100), levels.Level("exempt", "", {"type": "Exempt"}, levels.Limits(0, 0, 0))
    gate.levels = {"l": low, "exempt": free}
    first = gate.enter_nowait(low, schema("s"), 1)
    now.seconds += 0.050
    gate.leave(first)
    assert gate.enter_nowait(low, schema("s"), 1) is None
    assert gate.enter_nowait(free, schema("exempt"), 1)
    # The next turn of the loop is empty again.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert gate.enter_nowait(low, schema("s"), 1)


async def test_a_flood_of_short_work_lets_another_level_through(gate, now):
    """Every request works 20 ms and never waits: seats alone would let them all go first."""
    low, high = level(100, name="low"), level(100, name="high")
    gate.levels = {"low": low, "high": high}
    order = []

    async def request(at, name):
        ticket = gate.enter_nowait(at, schema(name), 1) or await gate.enter(at, schema(name), name, 1)
        order.append(name)
        now.seconds += 0.020
        gate.leave(ticket)

    flood = [asyncio.ensure_future(request(low, "flood")) for _ in range(40)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kubelet = asyncio.ensure_future(request(high, "kubelet"))
    await asyncio.gather(*flood, kubelet)
    assert order.index("kubelet") < 8
    assert order.count("flood") == 40


def test_a_hand_is_always_the_same_and_has_no_card_twice():
    only = level(1, queues=64, hand=6)
    hands = {flow: [queue.index for queue in only._hand("s", flow)] for flow in map(str, range(50))}
    assert all(len(set(hand)) == 6 for hand in hands.values())
    assert hands["7"] == [queue.index for queue in only._hand("s", "7")]
    assert len({tuple(hand) for hand in hands.values()}) == 50


async def test_queues_that_go_are_served_out(gate):
    only = level(1, queues=4, hand=4)
    gate.levels = {"l": only}
    ticket = gate.enter_nowait(only, schema("s"), 1)
    waiting = [asyncio.ensure_future(gate.enter(only, schema("s"), str(n), 1)) for n in range(4)]
    await asyncio.sleep(0)
    only.configure("uid", {"limited": {"limitResponse": {"type": "Reject"}}}, levels.Limits(5, 5, 5))
    gate.leave(ticket)
    for task in waiting:
        gate.leave(await task)
    assert only.waiting == 0
