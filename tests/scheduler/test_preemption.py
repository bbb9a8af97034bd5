"""Who has to go, and where."""

import pytest

from kijabi.scheduler import preemption

NOW = 1_800_000_000.0
TAINT = {"key": "k", "effect": "NoSchedule"}


def run(world, pod, budgets=(), nominated=(), limits=None):
    decision = world.decide(pod, nominated)
    assert decision.row is None
    used = world.columns.used.copy()
    outcome = preemption.decide(decision, world.rules.filters, budgets, NOW, nominated, limits)
    assert (world.columns.used == used).all()
    return outcome


def chosen(world, outcome):
    candidate = outcome.chosen
    assert candidate is not None
    victims = [victim.key.removeprefix("default/") for victim in candidate.victims]
    return world.columns.name(candidate.row), victims, candidate.violations


def started(hour):
    return {"startTime": f"2026-01-01T{hour:02}:00:00Z"}


def test_the_least_important_go_and_no_more_than_must(world, node, pod):
    world.add(node("n", cpu="4"))
    world.place("n", pod("a", cpu="1", priority=1), pod("b", cpu="2", priority=2), pod("c", cpu="1", priority=20))
    assert chosen(world, run(world, pod("p", cpu="1", priority=10))) == ("n", ["a"], 0)
    assert chosen(world, run(world, pod("p", cpu="2", priority=10))) == ("n", ["b"], 0)
    assert chosen(world, run(world, pod("p", cpu="3", priority=10))) == ("n", ["b", "a"], 0)


def test_of_equals_the_older_stays(world, node, pod):
    world.add(node("n", cpu="2"))
    world.place("n", pod("young", cpu="1", status=started(9)), pod("old", cpu="1", status=started(1)))
    assert chosen(world, run(world, pod("p", cpu="1", priority=10))) == ("n", ["young"], 0)


@pytest.mark.parametrize(
    ("first", "second", "better"),
    [
        pytest.param([("f", 5, 1)], [("s", 3, 1)], "two", id="the lower highest priority"),
        pytest.param([("f", 5, 1), ("g", 4, 1)], [("s", 5, 1), ("t", 1, 1)], "two", id="the smaller sum"),
        pytest.param([("f", -5, 1), ("g", -5, 1)], [("s", -5, 1)], "two", id="fewer, though negative"),
        pytest.param([("f", 5, 1)], [("s", 5, 9)], "two", id="who has run for less"),
        pytest.param([("f", 5, 1)], [("s", 5, 1)], "one", id="the first of equals"),
    ],
)
def test_the_node_is_chosen_where_it_hurts_least(world, node, pod, first, second, better):
    for name, victims in (("one", first), ("two", second)):
        world.add(node(name, cpu=str(len(victims))))
        world.place(name, *(pod(v, cpu="1", priority=p, status=started(hour)) for v, p, hour in victims))
    new = pod("p", cpu=str(min(len(first), len(second))), priority=10)
    if len(first) != len(second):
        # The node has shrunk, so that all of its pods would have to go.
        world.add(node("one", cpu="1"))
    outcome = run(world, new)
    assert chosen(world, outcome)[0] == better


def budget(allowed, **more):
    return {
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}},
        "status": {"disruptionsAllowed": allowed, **more},
    }


def test_a_node_where_no_budget_is_violated_is_better(world, node, pod):
    world.add(node("one", cpu="1"), node("two", cpu="1"))
    world.place("one", pod("guarded", cpu="1", labels={"app": "a"})).place("two", pod("free", cpu="1", priority=5))
    assert chosen(world, run(world, pod("p", cpu="1", priority=10), [budget(0)])) == ("two", ["free"], 0)
    assert chosen(world, run(world, pod("p", cpu="1", priority=10), [budget(1)])) == ("one", ["guarded"], 0)
    counted = budget(0, disruptedPods={"guarded": "2026-01-01T00:00:00Z"})
    assert chosen(world, run(world, pod("p", cpu="1", priority=10), [counted])) == ("one", ["guarded"], 0)


def test_guarded_pods_are_spared_even_if_less_important(world, node, pod):
    world.add(node("n", cpu="2"))
    world.place("n", pod("guarded", cpu="1", labels={"app": "a"}), pod("other", cpu="1", priority=5))
    assert chosen(world, run(world, pod("p", cpu="1", priority=10), [budget(0)])) == ("n", ["other"], 0)
    assert chosen(world, run(world, pod("p", cpu="2", priority=10), [budget(0)])) == ("n", ["other", "guarded"], 1)


def test_whom_placed_pods_shun_makes_room_by_their_going(world, node, pod):
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "a"}}}
    shunning = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    world.add(node("n")).place("n", pod("shuns", affinity=shunning), pod("other"))
    assert chosen(world, run(world, pod("p", labels={"app": "a"}, priority=10))) == ("n", ["shuns"], 0)


@pytest.mark.parametrize(
    ("pod_like", "message", "keep"),
    [
        pytest.param(
            {"cpu": "1"},
            "0/3 nodes are available: 1 No preemption victims found for incoming pod, "
            "2 Preemption is not helpful for scheduling.",
            False,
            id="nobody is less important",
        ),
        pytest.param(
            {"cpu": "9", "priority": 10},
            "0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            False,
            id="too large for any node",
        ),
        pytest.param(
            {"cpu": "1", "priority": 10, "preemptionPolicy": "Never"},
            "not eligible due to preemptionPolicy=Never.",
            True,
            id="never",
        ),
    ],
)
def test_why_nobody_is_preempted(world, node, pod, pod_like, message, keep):
    world.add(node("full", cpu="1"), node("tainted", taints=[TAINT]), node("cordoned", unschedulable=True))
    world.place("full", pod("old", cpu="1"))
    outcome = run(world, pod("p", **pod_like))
    assert (outcome.chosen, outcome.message, outcome.keep) == (None, message, keep)


def test_what_refuses_a_pod_all_the_same_is_told(world, node, pod):
    world.add(node("n", cpu="4")).place("n", pod("high", cpu="3", priority=50), pod("low", cpu="1"))
    outcome = run(world, pod("p", cpu="2", priority=10))
    assert outcome.message == "0/1 nodes are available: 1 Insufficient cpu."


def test_a_pod_whose_victims_are_leaving_waits_for_them(world, node, pod):
    conditions = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    leaving = pod("v", cpu="1", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}, status={"conditions": conditions})
    world.add(node("n", cpu="1"), node("other", cpu="1")).place("n", leaving).place("other", pod("w", cpu="1"))
    waiting = pod("p", cpu="1", priority=10, status={"nominatedNodeName": "n"})
    outcome = run(world, waiting)
    assert (outcome.message, outcome.keep) == ("not eligible due to a terminating pod on the nominated node.", True)
    # Unless that node is out of the question by now.
    world.add(node("n", cpu="1", taints=[TAINT]))
    assert chosen(world, run(world, waiting)) == ("other", ["w"], 0)


def test_only_a_sample_of_a_large_cluster_is_tried(world, node, pod):
    for number in range(50):
        world.add(node(f"n{number}", cpu="1")).place(f"n{number}", pod(f"v{number}", cpu="1", priority=9 - number % 10))
    new = pod("p", cpu="1", priority=10)
    assert chosen(world, run(world, new))[1] == ["v9"]
    assert chosen(world, run(world, new, limits=preemption.Limits(10, 0)))[1] == ["v4"]
