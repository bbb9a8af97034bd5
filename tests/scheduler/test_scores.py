"""What each rule gives, computed by hand from upstream's formulas."""

import pytest

from kijabi.api import labels
from kijabi.scheduler import cycle
from kijabi.scheduler.plugins import (
    balancedallocation,
    interpodaffinity,
    nodeaffinity,
    noderesourcesfit,
    podtopologyspread,
)

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
APP = {"app": "a"}
MIB = 1024 * 1024


def only(world, rule):
    world.rules = cycle.Rules((), ((rule, 1),))
    return rule.name


def raw(scores):
    return {name: number for name, (number, _) in scores.items()}


def normalized(scores):
    return {name: number for name, (_, number) in scores.items()}


RISING, FALLING = ((0, 0), (100, 100)), ((0, 100), (100, 0))


@pytest.mark.parametrize(
    ("strategy", "asked", "expected"),
    [
        # small: cpu (4000-3000)/4000 = 25, memory (10000-5000)/10000 = 50; large: cpu (6000-3000)/6000 = 50.
        pytest.param(noderesourcesfit.Strategy(), ("3", "5000"), {"small": 37, "large": 50}, id="least"),
        # 100m and 200 MiB are reckoned: cpu 97 and 98, of memory there is not so much.
        pytest.param(noderesourcesfit.Strategy(), ("", ""), {"small": 48, "large": 49}, id="least, asks for nothing"),
        pytest.param(noderesourcesfit.Strategy("MostAllocated"), ("3", "5000"), {"small": 62, "large": 50}, id="most"),
        pytest.param(
            noderesourcesfit.Strategy("MostAllocated", (("cpu", 3), ("memory", 1))),
            ("3", "5000"),
            {"small": (75 * 3 + 50) // 4, "large": 50},
            id="weights",
        ),
        # Rounded: (75 + 50) / 2 = 62.5, (25 + 50) / 2 = 37.5.
        pytest.param(
            noderesourcesfit.Strategy("RequestedToCapacityRatio", points=RISING),
            ("3", "5000"),
            {"small": 63, "large": 50},
            id="ratio, rising",
        ),
        pytest.param(
            noderesourcesfit.Strategy("RequestedToCapacityRatio", points=FALLING),
            ("3", "5000"),
            {"small": 38, "large": 50},
            id="ratio, falling",
        ),
        # Only small has the resource; nobody who does not ask for it is judged by it.
        pytest.param(
            noderesourcesfit.Strategy(resources=(("example.com/gpu", 5), ("cpu", 1))),
            ("3", "5000"),
            {"small": 25, "large": 50},
            id="extended resources not asked for",
        ),
    ],
)
def test_allocation_strategies(world, node, pod, strategy, asked, expected):
    world.add(
        node("small", cpu="4", memory="10000", extra={"example.com/gpu": "4"}), node("large", cpu="6", memory="10000")
    )
    name = only(world, noderesourcesfit.NodeResourcesFit(strategy))
    assert raw(world.scores(pod("p", cpu=asked[0], memory=asked[1]), name)) == expected


def test_what_is_placed_counts_with_its_defaults(world, node, pod):
    world.add(node("n", cpu="4", memory="1000Mi")).place("n", pod("old"))
    name = only(world, noderesourcesfit.NodeResourcesFit())
    # cpu (4000 - 100 - 900) / 4000 = 75, memory (1000 - 200 - 300) / 1000 = 50.
    assert raw(world.scores(pod("p", cpu="900m", memory="300Mi"), name)) == {"n": 62}


def test_balance_is_the_gain_in_evenness(world, node, pod):
    world.add(node("small", cpu="4", memory="10000"), node("large", cpu="6", memory="10000"))
    name = only(world, balancedallocation.BalancedAllocation())
    # small: fractions 0.75 and 0.5, deviation 0.125, so 87 after and 100 before: 50 + (50 - 13) / 2; large stays even.
    assert raw(world.scores(pod("p", cpu="3", memory="5000"), name)) == {"small": 68, "large": 75}
    world.place("small", pod("old", memory="5000"))
    # small: before 0 and 0.5 (75), after 0.5 and 0.5 (100): 50 + (50 + 25) / 2.
    assert raw(world.scores(pod("p", cpu="2"), name))["small"] == 87
    assert world.scores(pod("p"), name) == {}


def test_balance_over_three_resources(world, node, pod):
    world.add(node("n", cpu="4", memory="1000", extra={"example.com/gpu": "10"}))
    name = only(world, balancedallocation.BalancedAllocation(("cpu", "memory", "example.com/gpu")))
    # 0.5, 0, 0.1: mean 0.2, deviation sqrt((0.09 + 0.04 + 0.01) / 3) = 0.216, so 78: 50 + (50 + 78 - 100) / 2.
    assert raw(world.scores(pod("p", cpu="2", extra={"example.com/gpu": "1"}), name)) == {"n": 64}
    # Without the third, its deviation is that of two: 0.25.
    assert raw(world.scores(pod("p", cpu="2"), name)) == {"n": 62}


def test_disliked_taints(world, node, pod):
    soft = [{"key": key, "effect": "PreferNoSchedule"} for key in "ab"]
    world.add(node("none"), node("one", taints=soft[:1]), node("two", taints=soft))
    assert world.scores(pod("p"), "TaintToleration") == {"none": (0, 100), "one": (1, 50), "two": (2, 0)}
    tolerating = pod("p", tolerations=[{"key": "a", "operator": "Exists"}])
    assert normalized(world.scores(tolerating, "TaintToleration")) == {"none": 100, "one": 100, "two": 0}
    hard_only = pod("p", tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule"}])
    assert raw(world.scores(hard_only, "TaintToleration")) == {"none": 0, "one": 1, "two": 2}


def test_no_taints_at_all_are_best_everywhere(world, node, pod):
    world.add(node("a"), node("b"))
    assert normalized(world.scores(pod("p"), "TaintToleration")) == {"a": 100, "b": 100}


def preferred(*weighted):
    terms = [
        {"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]}}
        for weight, key in weighted
    ]
    return {"preferredDuringSchedulingIgnoredDuringExecution": terms}


def test_preferred_node_affinity(world, node, pod):
    world.add(node("both", labels={"x": "", "y": ""}), node("y", labels={"y": ""}), node("none"))
    new = pod("p", affinity={"nodeAffinity": preferred((2, "x"), (5, "y"))})
    assert world.scores(new, "NodeAffinity") == {"both": (7, 100), "y": (5, 71), "none": (0, 0)}
    assert world.scores(pod("p"), "NodeAffinity") == {}


def test_affinity_that_the_profile_adds(world, node, pod):
    world.add(node("x", labels={"x": ""}), node("none"))
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "x", "operator": "Exists"}]}]}}  # fmt: skip
    world.rules = cycle.Rules((nodeaffinity.NodeAffinity(added),), ())
    assert world.reasons(pod("p")) == {
        "none": [("NodeAffinity", "node(s) didn't match scheduler-enforced node affinity", True)]
    }


def test_images_count_by_size_and_spread(world, node, pod):
    world.add(
        node("one", images={"small:1": 40 * MIB, "big:latest": 300 * MIB}), node("two", images={"medium:1": 250 * MIB})
    )
    new = pod("p", containers=[{"name": "a", "image": "small:1"}, {"name": "b", "image": "medium:1"}])
    # one: 40 / 2 is below the least, 23; two: (125 - 23) * 100 / (2 * 1000 - 23).
    assert raw(world.scores(new, "ImageLocality")) == {"one": 0, "two": 5}
    assert raw(world.scores(pod("p", image="big"), "ImageLocality")) == {"one": 12, "two": 0}
    assert raw(world.scores(pod("p", image="unknown"), "ImageLocality")) == {"one": 0, "two": 0}


def spread(key, skew=1, **more):
    constraint = {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": "ScheduleAnyway"}
    return {**constraint, "labelSelector": {"matchLabels": APP}, **more}


def fill(world, pod, **counts):
    for name, count in counts.items():
        world.place(name, *(pod(f"{name}{number}", labels=APP) for number in range(count)))


def test_soft_spreading_over_nodes(world, node, pod):
    world.add(*(node(name) for name in "abcd"))
    fill(world, pod, a=2, b=1, d=3)
    new = pod("p", labels=APP, topologySpreadConstraints=[spread(HOSTNAME)])
    # Times ln(6) = 1.79, rounded: 4, 2, 0, 5.
    assert world.scores(new, "PodTopologySpread") == {"a": (4, 20), "b": (2, 60), "c": (0, 100), "d": (5, 0)}


def test_soft_spreading_over_zones(world, node, pod):
    world.add(node("a", zone="1"), node("b", zone="1"), node("x", zone="2"), node("none"))
    fill(world, pod, a=1, b=1, none=5)
    new = pod("p", labels=APP, topologySpreadConstraints=[spread(ZONE)])
    # 2 * ln(4) = 2.77; the node without a zone is left out.
    expected = {"a": (3, 0), "b": (3, 0), "x": (0, 100), "none": (-1, 0)}
    assert world.scores(new, "PodTopologySpread") == expected


def test_what_is_remembered_of_one_pods_domains_is_not_anothers(world, node, pod):
    racks = {"a": "1", "b": None, "x": None}
    world.add(*(node(name, zone=zone, labels={"rack": racks[name]}) for name, zone in zip("abx", "112", strict=True)))
    world.add(node("none"))
    fill(world, pod, a=3)
    both = pod("p", labels=APP, topologySpreadConstraints=[spread(ZONE), spread("rack")])
    zones = pod("q", labels=APP, topologySpreadConstraints=[spread(ZONE)])
    # Of the nodes with both labels there is one zone and one rack: 3 ln(3) + 3 ln(3) = 6.59; else 3 ln(4) = 4.16.
    for _ in range(2):
        assert world.scores(both, "PodTopologySpread") == {
            "a": (7, 100), "b": (-1, 0), "x": (-1, 0), "none": (-1, 0),
        }  # fmt: skip
        assert raw(world.scores(zones, "PodTopologySpread")) == {"a": 4, "b": 4, "x": 0, "none": -1}


def test_soft_spreading_of_nobody_is_best_everywhere(world, node, pod):
    world.add(node("a"), node("b"))
    new = pod("p", labels=APP, topologySpreadConstraints=[spread(HOSTNAME)])
    assert normalized(world.scores(new, "PodTopologySpread")) == {"a": 100, "b": 100}


def test_a_larger_skew_waters_differences_down(world, node, pod):
    world.add(node("a"), node("b"))
    fill(world, pod, a=1)
    new = pod("p", labels=APP, topologySpreadConstraints=[spread(HOSTNAME, 5)])
    # ln(4) + 4 = 5.39 and 4.
    assert world.scores(new, "PodTopologySpread") == {"a": (5, 80), "b": (4, 100)}


def test_default_spreading_by_node_and_zone(world, node, pod):
    world.selector = labels.from_set(APP)
    world.add(node("a", zone="1"), node("b", zone="1"), node("c", zone="2"))
    fill(world, pod, a=2)
    # 2 ln(5) + 2 + 2 ln(4) + 4 = 11.99; 2 + 2.77 + 4 = 8.77; 6.
    assert world.scores(pod("p"), "PodTopologySpread") == {"a": (12, 50), "b": (9, 75), "c": (6, 100)}


def test_default_spreading_lets_nodes_without_a_zone_take_part(world, node, pod):
    world.selector = labels.from_set(APP)
    world.add(node("a", zone="1"), node("b", zone="1"), node("c", zone="2"), node("d"))
    fill(world, pod, a=2)
    # No zone counts as a third one: 2 ln(6) + 2 + 2 ln(5) + 4 = 12.80; 2 + 3.22 + 4 = 9.22; 6; 2.
    expected = {"a": (13, 15), "b": (9, 46), "c": (6, 69), "d": (2, 100)}
    assert world.scores(pod("p"), "PodTopologySpread") == expected


def test_no_default_spreading_without_companions(world, node, pod):
    world.add(node("a"))
    assert world.scores(pod("p"), "PodTopologySpread") == {}


def test_defaults_of_the_profile_may_be_hard(world, node, pod):
    world.selector = labels.from_set(APP)
    hard = podtopologyspread.Spread(ZONE, 1, labels.NOTHING, 1, hard=True, honor_affinity=True, honor_taints=False)
    world.rules = cycle.Rules((podtopologyspread.PodTopologySpread((hard,), lenient=False),), ())
    world.add(node("a", zone="1"), node("x", zone="2"))
    fill(world, pod, a=1)
    assert world.feasible(pod("p", labels=APP)) == {"x"}


def wish(kind, weight=None, key=ZONE):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": APP}}
    if weight is None:
        return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": term}]}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            {"labels": APP}, {"affinity": wish("podAffinity", 5)}, {"a": (5, 100), "b": (5, 100), "x": (0, 0)},
            id="near",
        ),
        pytest.param(
            {"labels": APP}, {"affinity": wish("podAntiAffinity", 5)}, {"a": (-5, 0), "b": (-5, 0), "x": (0, 100)},
            id="away",
        ),
        pytest.param(
            {"affinity": wish("podAffinity", 3)}, {"labels": APP}, {"a": (3, 100), "b": (3, 100), "x": (0, 0)},
            id="a placed pod's wish",
        ),
        pytest.param(
            {"affinity": wish("podAntiAffinity", 3)}, {"labels": APP}, {"a": (-3, 0), "b": (-3, 0), "x": (0, 100)},
            id="a placed pod's dislike",
        ),
        pytest.param(
            {"affinity": wish("podAffinity"), "labels": APP}, {"labels": APP},
            {"a": (1, 100), "b": (1, 100), "x": (0, 0)}, id="a placed pod's need, at the hard weight",
        ),
        pytest.param(
            {"labels": APP}, {"affinity": wish("podAffinity", 5, HOSTNAME)}, {"a": (5, 100), "b": (0, 0), "x": (0, 0)},
            id="by node",
        ),
        pytest.param({}, {"affinity": wish("podAffinity", 5)}, {}, id="nobody"),
    ],
)  # fmt: skip
def test_soft_affinity_between_pods(world, node, pod, old, new, expected):
    world.add(node("a", zone="1"), node("b", zone="1"), node("x", zone="2")).place("a", pod("old", **old))
    assert world.scores(pod("new", **new), "InterPodAffinity") == expected


def test_the_hard_weight_and_ignoring_preferences_are_arguments(world, node, pod):
    world.add(node("a"), node("b"))
    world.place("a", pod("needs", affinity=wish("podAffinity", key=HOSTNAME)))
    world.place("b", pod("likes", affinity=wish("podAffinity", 9, HOSTNAME)))
    name = only(world, interpodaffinity.InterPodAffinity(20))
    assert raw(world.scores(pod("p", labels=APP), name)) == {"a": 20, "b": 9}
    name = only(world, interpodaffinity.InterPodAffinity(0, ignore_preferred=True))
    assert world.scores(pod("p", labels=APP), name) == {}
