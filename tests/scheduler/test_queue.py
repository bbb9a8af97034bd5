"""Which pod is next, and when one that did not fit is tried again."""

import asyncio

import pytest

from kijabi.kit import clock
from kijabi.scheduler import podinfo, queue

RULES = {"Fit": frozenset({"PodGone", "NodeAdd"}), "Taints": frozenset({"NodeAdd", "NodeUpdate"})}


@pytest.fixture
def time():
    return clock.FakeClock()


@pytest.fixture
def pods(time):
    return queue.SchedulingQueue(RULES, time)


def name(queued):
    return queued.pod.key.removeprefix("default/") if queued else None


async def drain(pods):
    found = []
    while (queued := pods.take_nowait()) is not None:
        found.append(name(queued))
    return found


async def test_the_most_important_first_then_the_oldest(pods, pod, time):
    for each, priority in (("low", 0), ("first", 5), ("second", 5), ("negative", -1)):
        pods.add(podinfo.of(pod(each, priority=priority)))
        await time.advance(1)
    assert await drain(pods) == ["first", "second", "low", "negative"]


async def test_a_changed_pod_keeps_its_age(pods, pod, time):
    old = pod("old")
    pods.add(podinfo.of(old))
    await time.advance(1)
    pods.add(podinfo.of(pod("young")))
    pods.update(podinfo.of({**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}))
    assert await drain(pods) == ["old", "young"]


@pytest.mark.parametrize(
    ("refused_by", "event", "woken"),
    [
        ({"Fit"}, "PodGone", True),
        ({"Fit"}, "NodeUpdate", False),
        ({"Taints"}, "PodGone", False),
        ({"Fit", "Taints"}, "NodeUpdate", True),
    ],
)
async def test_a_refused_pod_waits_for_what_may_help_it(pods, pod, refused_by, event, woken):
    pods.add(podinfo.of(pod("p")))
    pods.put_back(pods.take_nowait(), frozenset(refused_by))
    assert pods.counts() == {"active": 0, "backoff": 0, "unschedulable": 1, "gated": 0}
    pods.happened(event)
    assert pods.counts()["backoff"] == int(woken)
    assert await drain(pods) == (["p"] if woken else [])


async def test_back_off_is_skipped_when_nothing_else_is_to_be_done(pods, pod):
    pods.add(podinfo.of(pod("refused", priority=5)))
    pods.put_back(pods.take_nowait(), frozenset({"Fit"}))
    pods.happened("PodGone")
    pods.add(podinfo.of(pod("fresh")))
    assert await drain(pods) == ["fresh", "refused"]


async def test_back_off_after_an_error_doubles_up_to_ten_seconds(pods, pod, time):
    pods.add(podinfo.of(pod("p")))
    queued = pods.take_nowait()
    for wait in (1, 2, 4, 8, 10, 10):
        pods.put_back(queued, frozenset())
        await time.advance(wait - 0.01)
        assert pods.take_nowait() is None
        await time.advance(0.02)
        queued = pods.take_nowait()
        assert name(queued) == "p"


async def test_take_waits_for_the_end_of_a_back_off(pods, pod, time):
    pods.add(podinfo.of(pod("p")))
    pods.put_back(pods.take_nowait(), frozenset())
    taking = asyncio.ensure_future(pods.take())
    await time.advance(0.9)
    assert not taking.done()
    await time.advance(0.2)
    assert name(taking.result()) == "p"


async def test_take_waits_for_a_pod(pods, pod, time):
    taking = asyncio.ensure_future(pods.take())
    await time.advance(1)
    pods.add(podinfo.of(pod("p")))
    assert name(await taking) == "p"


async def test_whatever_happens_a_pod_is_tried_after_five_minutes(pods, pod, time):
    pods.add(podinfo.of(pod("p")))
    pods.put_back(pods.take_nowait(), frozenset({"Fit"}))
    taking = asyncio.ensure_future(pods.take())
    await time.advance(299)
    assert not taking.done()
    await time.advance(2)
    assert taking.result().attempts == 2


async def test_a_gated_pod_is_not_considered_until_its_gates_are_gone(pods, pod):
    gated = pod("p", schedulingGates=[{"name": "wait"}])
    pods.add(podinfo.of(gated))
    pods.happened("NodeAdd")
    assert pods.counts()["gated"] == 1
    assert pods.take_nowait() is None
    gated = {**gated, "spec": {key: value for key, value in gated["spec"].items() if key != "schedulingGates"}}
    pods.update(podinfo.of(gated))
    assert await drain(pods) == ["p"]


async def test_a_change_of_status_moves_nothing_but_one_of_the_spec_does(pods, pod):
    waiting = pod("p")
    pods.add(podinfo.of(waiting))
    pods.put_back(pods.take_nowait(), frozenset({"Fit"}))
    pods.update(podinfo.of({**waiting, "status": {"conditions": []}}))
    assert pods.take_nowait() is None
    pods.update(podinfo.of({**waiting, "spec": {**waiting["spec"], "tolerations": [{"operator": "Exists"}]}}))
    assert await drain(pods) == ["p"]


async def test_a_removed_pod_is_nowhere(pods, pod, time):
    infos = [podinfo.of(pod(each)) for each in ("ready", "cooling", "waiting")]
    for info, refused_by in zip(infos[1:], (frozenset(), frozenset({"Fit"})), strict=True):
        pods.add(info)
        pods.put_back(pods.take_nowait(), refused_by)
    pods.add(infos[0])
    for info in infos:
        pods.remove(info.uid)
    pods.happened("PodGone")
    await time.advance(400)
    assert pods.take_nowait() is None
    assert set(pods.counts().values()) == {0}


async def test_a_pod_can_be_tried_at_once(pods, pod):
    info = podinfo.of(pod("p"))
    pods.add(info)
    pods.put_back(pods.take_nowait(), frozenset({"Fit"}))
    pods.activate(info.uid)
    assert await drain(pods) == ["p"]
