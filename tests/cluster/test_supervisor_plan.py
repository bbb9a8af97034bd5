import math
import signal

import pytest

from kijabi.cluster.supervisor import plan

ONE = plan.Component(name="one", log="/dev/null", command=("true",))
OTHER = plan.Component(name="one", log="/dev/null", command=("false",))


def running(since: float = 0.0) -> plan.Keeping:
    keeping = plan.Keeping(ONE)
    plan.started(keeping, 7, since)
    return keeping


@pytest.mark.parametrize(
    ("keeping", "now", "expected"),
    [
        pytest.param(plan.Keeping(ONE), 0.0, plan.Start(), id="new"),
        pytest.param(plan.Keeping(ONE, due=5.0), 4.9, None, id="backing off"),
        pytest.param(plan.Keeping(ONE, due=5.0), 5.0, plan.Start(), id="backed off"),
        pytest.param(running(), 100.0, None, id="running"),
        pytest.param(plan.Keeping(ONE, plan.Phase.ENDING, due=5.0), 4.9, None, id="asked to end"),
        pytest.param(plan.Keeping(ONE, plan.Phase.ENDING, due=5.0), 5.0, plan.Signal(signal.SIGKILL), id="does not"),
        pytest.param(plan.Keeping(ONE, plan.Phase.ENDED), 100.0, None, id="ended"),
    ],
)
def test_what_is_due(keeping: plan.Keeping, now: float, expected: object) -> None:
    assert plan.decide(keeping, now) == expected


def test_what_dies_is_started_again_ever_later() -> None:
    keeping, now, delays = plan.Keeping(ONE), 0.0, []
    for _ in range(10):
        plan.started(keeping, 7, now)
        plan.ended(keeping, "signal SIGKILL", now)
        delays.append(keeping.due - now)
        now = keeping.due
    assert delays[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6])
    assert delays[-1] == pytest.approx(plan.RESTART.ceiling)
    assert keeping.restarts == 10


def test_what_ran_well_is_started_again_soon() -> None:
    keeping = running()
    keeping.failures = 9
    plan.ended(keeping, "exit code 1", plan.HEALTHY_AFTER)
    assert keeping.due - plan.HEALTHY_AFTER == pytest.approx(plan.RESTART.base)


def test_what_was_asked_to_end_stays_ended() -> None:
    keeping = running()
    assert plan.end(keeping, 1.0) == plan.Signal(signal.SIGTERM)
    assert plan.next_due(keeping) == 1.0 + plan.GRACE
    plan.ended(keeping, "exit code 0", 2.0)
    assert keeping.phase is plan.Phase.ENDED
    assert plan.next_due(keeping) == math.inf


def test_without_grace_it_is_killed() -> None:
    assert plan.end(running(), 1.0, grace=0.0) == plan.Signal(signal.SIGKILL)


def test_a_successor_starts_once_its_predecessor_is_gone() -> None:
    keeping = running()
    plan.end(keeping, 1.0, successor=OTHER)
    assert keeping.component == ONE
    plan.ended(keeping, "exit code 0", 2.0)
    assert keeping.component == OTHER
    assert plan.decide(keeping, 2.0) == plan.Start()


def test_what_waits_to_be_started_ends_at_once() -> None:
    keeping = plan.Keeping(ONE, due=30.0)
    assert plan.end(keeping, 1.0) is None
    assert keeping.phase is plan.Phase.ENDED


@pytest.mark.parametrize(("status", "text"), [(0, "exit code 0"), (256, "exit code 1"), (9, "signal SIGKILL")])
def test_an_exit_is_described(status: int, text: str) -> None:
    assert plan.describe_exit(status) == text
