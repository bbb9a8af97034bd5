"""A whole decision: who refuses first, what is told, who wins, and what is explained."""

import collections

from kijabi.scheduler import cycle, explain, podinfo

TAINT = {"key": "k", "effect": "NoSchedule"}


def test_the_first_rule_that_says_no_is_the_one_that_is_told(world, node, pod):
    world.add(node("n", unschedulable=True, taints=[TAINT], pods=0))
    decision = world.decide(pod("p"))
    assert decision.refused_by == {"NodeUnschedulable"}
    assert cycle.message(decision) == "0/1 nodes are available: 1 node(s) were unschedulable."


def test_reasons_are_counted_and_sorted_as_text(world, node, pod):
    world.add(node("full", cpu="1", pods=0), node("small", cpu="1"), node("t1", taints=[TAINT]))
    world.add(node("t2", taints=[TAINT]))
    assert cycle.message(world.decide(pod("p", cpu="2"))) == (
        "0/4 nodes are available: 1 Too many pods, 2 Insufficient cpu, 2 node(s) had untolerated taint(s)."
    )


def test_no_nodes_is_told_in_other_words(world, pod):
    assert cycle.message(world.decide(pod("p"))) == "no nodes available to schedule pods"


def test_nodes_that_the_affinity_does_not_name_share_one_sentence(world, node, pod):
    world.add(node("a", pods=0), node("b"), node("c"))
    fields = [{"key": "metadata.name", "operator": "In", "values": ["a"]}]
    terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
    daemon = pod("p", affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
    assert cycle.message(world.decide(daemon)) == (
        "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )


def test_equals_are_chosen_among_by_chance(world, node, pod):
    world.add(
        *(node(f"n{number}") for number in range(4)), node("worse", taints=[{**TAINT, "effect": "PreferNoSchedule"}])
    )
    chosen = collections.Counter(world.where(pod("p")) for _ in range(200))
    assert set(chosen) == {"n0", "n1", "n2", "n3"}
    assert min(chosen.values()) > 20


def test_a_decision_changes_nothing(world, node, pod):
    world.add(node("a", cpu="2"))
    for _ in range(3):
        assert world.where(pod("p", cpu="2")) == "a"
    assert not world.columns.used.any()


def test_a_lasting_refusal_ends_when_the_node_changes(world, node, pod):
    world.add(node("a", taints=[TAINT]))
    assert world.where(pod("p")) is None
    world.add(node("a"))
    assert world.where(pod("p")) == "a"
    world.remove("a")
    assert world.where(pod("p")) is None


def test_room_made_for_another_pod_is_not_taken(world, node, pod):
    world.add(node("a", cpu="2"), node("b", cpu="1"))
    waiting = podinfo.of(pod("waiting", cpu="2", priority=10))
    nominated = [(world.columns.row_of["a"], waiting)]
    decision = world.decide(pod("p", cpu="1"), nominated)
    assert world.columns.name(decision.row) == "b"
    assert decision.refused_by == {"NodeResourcesFit"}
    assert not world.columns.used.any()
    world.add(node("b", cpu="0"))
    decision = world.decide(pod("p", cpu="1"), nominated)
    assert cycle.message(decision) == "0/2 nodes are available: 2 Insufficient cpu."
    refused = explain.told(explain.note(decision, 0.0, 1))["nodes"]
    assert [(each["name"], each["message"]) for each in refused] == [
        ("b", "Insufficient cpu"),
        ("a", "Insufficient cpu"),
    ]


def test_a_pod_needs_to_fit_without_the_nominated_ones_too(world, node, pod):
    world.add(node("a"))
    near = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "a"}}}
    new = pod("p", affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}})
    coming = podinfo.of(pod("coming", labels={"app": "a"}, priority=10))
    assert world.decide(new, [(world.columns.row_of["a"], coming)]).row is None


def test_a_nominated_pod_goes_to_its_node_if_it_fits(world, node, pod):
    world.add(node("busy", cpu="4"), node("idle", cpu="4")).place("busy", pod("old", cpu="2"))
    assert world.where(pod("p", cpu="1")) == "idle"
    assert world.where(pod("p", cpu="1", status={"nominatedNodeName": "busy"})) == "busy"
    assert world.where(pod("p", cpu="3", status={"nominatedNodeName": "busy"})) == "idle"


def test_an_explanation_has_the_chosen_node_first_and_the_refused_last(world, node, pod):
    world.add(node("empty", cpu="4"), node("half", cpu="4"), node("tainted", taints=[TAINT]))
    world.place("half", pod("old", cpu="2", memory="4Gi"))
    decision = world.decide(pod("p", cpu="1"))
    history = explain.History()
    history.note(explain.note(decision, 5.0, 2))
    found = history.of("default/p")
    assert {key: found[key] for key in ("pod", "node", "message", "time", "attempts")} == {
        "pod": "default/p", "node": "empty", "message": "", "time": 5.0, "attempts": 2,
    }  # fmt: skip
    assert (found["nodesConsidered"], found["nodesFeasible"]) == (3, 2)
    assert [each["name"] for each in found["nodes"]] == ["empty", "half", "tainted"]
    best, refused = found["nodes"][0], found["nodes"][-1]
    assert best["scores"]["TaintToleration"] == {"raw": 0, "normalized": 100, "weighted": 300}
    assert best["total"] == sum(score["weighted"] for score in best["scores"].values())
    assert refused == {
        "name": "tainted", "filtered_by": "TaintToleration", "message": "node(s) had untolerated taint(s)",
        "scores": {}, "total": None,
    }  # fmt: skip


def test_an_explanation_is_of_its_time(world, node, pod):
    world.add(node("a", cpu="4"), node("b", cpu="4"))
    noted = explain.note(world.decide(pod("p", cpu="1")), 0.0, 1)
    before = explain.told(noted)
    world.place("a", pod("later", cpu="2")).add(node("b", cpu="1"))
    world.decide(pod("q", cpu="1"))
    assert explain.told(noted) == before


def test_a_large_cluster_is_explained_by_its_best(world, node, pod):
    world.add(*(node(f"n{number}", cpu=str(2 + number)) for number in range(100)))
    found = explain.told(explain.note(world.decide(pod("p", cpu="1")), 0.0, 1))
    totals = [each["total"] for each in found["nodes"]]
    assert found["nodes"][0]["name"] == found["node"]
    assert totals == sorted(totals, reverse=True)
    assert len(totals) == explain.SHOWN


def test_history_forgets_the_oldest(world, node, pod):
    world.add(node("a"))
    history = explain.History(remembered=2)
    for name in ("one", "two", "three"):
        history.note(explain.note(world.decide(pod(name)), 0.0, 1))
    assert history.of("default/one") is None
    assert history.of("default/three")["node"] == "a"
