"""Which nodes each rule refuses, in upstream's words, and whether another pod's leaving could change it."""

import pytest

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("node_like", "pod_like", "refusal"),
    [
        ({"unschedulable": True}, {}, ("NodeUnschedulable", "node(s) were unschedulable", True)),
        (
            {"unschedulable": True},
            {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]},
            None,
        ),
        ({}, {"nodeName": "other"}, ("NodeName", "node(s) didn't match the requested node name", True)),
        ({"taints": [TAINT]}, {}, ("TaintToleration", "node(s) had untolerated taint(s)", True)),
        (
            {"taints": [{**TAINT, "effect": "NoExecute"}]},
            {},
            ("TaintToleration", "node(s) had untolerated taint(s)", True),
        ),
        ({"taints": [{**TAINT, "effect": "PreferNoSchedule"}]}, {}, None),
        ({"taints": [TAINT]}, {"tolerations": [{"key": "k", "value": "v"}]}, None),
        (
            {"taints": [TAINT]},
            {"tolerations": [{"key": "k", "value": "w"}]},
            ("TaintToleration", "node(s) had untolerated taint(s)", True),
        ),
        (
            {},
            {"nodeSelector": {"disk": "ssd"}},
            ("NodeAffinity", "node(s) didn't match Pod's node affinity/selector", True),
        ),
        ({"labels": {"disk": "ssd"}}, {"nodeSelector": {"disk": "ssd"}}, None),
        ({"pods": 0}, {}, ("NodeResourcesFit", "Too many pods", False)),
        ({"cpu": "1"}, {"cpu": "1001m"}, ("NodeResourcesFit", "Insufficient cpu", True)),
        ({"cpu": "1"}, {"cpu": "1"}, None),
        ({"memory": "1Gi"}, {"memory": "2Gi"}, ("NodeResourcesFit", "Insufficient memory", True)),
        ({}, {"extra": {"example.com/gpu": "1"}}, ("NodeResourcesFit", "Insufficient example.com/gpu", True)),
        ({"extra": {"example.com/gpu": "1"}}, {"extra": {"example.com/gpu": "1"}}, None),
    ],
)
def test_an_empty_node_is_refused_for(world, node, pod, node_like, pod_like, refusal):
    world.add(node("n", **node_like))
    assert world.reasons(pod("p", **pod_like)).get("n", [None]) == [refusal]


def required(*expressions, fields=()):
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


@pytest.mark.parametrize(
    ("affinity", "nodes"),
    [
        (required({"key": "n", "operator": "In", "values": ["1", "2"]}), {"a", "b"}),
        (required({"key": "n", "operator": "NotIn", "values": ["1"]}), {"b", "c"}),
        (required({"key": "n", "operator": "Exists"}), {"a", "b"}),
        (required({"key": "n", "operator": "DoesNotExist"}), {"c"}),
        (required({"key": "n", "operator": "Gt", "values": ["1"]}), {"b"}),
        (required({"key": "n", "operator": "Lt", "values": ["2"]}), {"a"}),
        (required(fields=[{"key": "metadata.name", "operator": "In", "values": ["c"]}]), {"c"}),
        (required(), set()),
    ],
    ids=["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "by name", "an empty term matches nothing"],
)
def test_required_node_affinity_admits(world, node, pod, affinity, nodes):
    world.add(node("a", labels={"n": "1"}), node("b", labels={"n": "2"}), node("c"))
    assert world.feasible(pod("p", affinity=affinity)) == nodes


def port(number, **more):
    return [{"containerPort": number, "hostPort": number, **more}]


@pytest.mark.parametrize(
    ("taken", "wanted", "fits"),
    [
        (port(80), port(80), False),
        (port(80), port(81), True),
        (port(80), port(80, protocol="UDP"), True),
        (port(80, hostIP="10.0.0.1"), port(80, hostIP="10.0.0.2"), True),
        (port(80, hostIP="10.0.0.1"), port(80), False),
        (port(80), [{"containerPort": 80}], True),
    ],
    ids=["same", "other port", "other protocol", "other address", "every address", "no host port"],
)
def test_a_host_port_is_taken_once(world, node, pod, taken, wanted, fits):
    world.add(node("n")).place("n", pod("old", ports=taken))
    refusal = ("NodePorts", "node(s) didn't have free ports for the requested pod ports", False)
    assert world.reasons(pod("new", ports=wanted)) == ({} if fits else {"n": [refusal]})


def test_a_full_node_has_room_again_when_a_pod_leaves(world, node, pod):
    old = pod("old", cpu="3", extra={"example.com/gpu": "1"})
    world.add(node("n", cpu="4", pods=2, extra={"example.com/gpu": "1"})).place("n", old, pod("other"))
    new = pod("new", cpu="2", extra={"example.com/gpu": "1"})
    told = {reason for _, reason, hopeless in world.reasons(new)["n"] if not hopeless}
    assert told == {"Too many pods", "Insufficient cpu", "Insufficient example.com/gpu"}
    world.unplace("n", old["metadata"]["uid"])
    assert world.where(new) == "n"


def spread(key=ZONE, **more):
    constraint = {"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    return {**constraint, "labelSelector": {"matchLabels": {"app": "a"}}, **more}


APP = {"app": "a"}


@pytest.mark.parametrize(
    ("counts", "constraints", "pod_like", "nodes"),
    [
        pytest.param("1110", [spread()], {}, {"x", "y"}, id="the emptier zone"),
        pytest.param("1010", [spread()], {}, {"a", "b", "x", "y"}, id="level zones"),
        pytest.param("1100", [spread(maxSkew=3)], {}, {"a", "b", "x", "y"}, id="more skew allowed"),
        pytest.param("2210", [spread(HOSTNAME)], {}, {"y"}, id="by node"),
        pytest.param("2100", [spread(), spread(HOSTNAME)], {}, {"x", "y"}, id="two constraints"),
        pytest.param("1100", [spread()], {"labels": {}}, {"x", "y"}, id="a pod that does not count itself"),
        pytest.param("1000", [spread()], {"labels": {}}, {"a", "b", "x", "y"}, id="one more than the emptiest"),
        pytest.param("1010", [spread(minDomains=3)], {}, set(), id="too few domains count as an empty one"),
        pytest.param("0000", [spread(minDomains=3)], {}, {"a", "b", "x", "y"}, id="but there is room in empty ones"),
        pytest.param("1110", [spread(labelSelector=None)], {}, {"a", "b", "x", "y"}, id="no selector counts nobody"),
        pytest.param(
            "1100", [spread()], {"nodeSelector": {"side": "left"}}, {"a", "b"}, id="zones out of reach do not count"
        ),
        pytest.param(
            "1100", [spread(nodeAffinityPolicy="Ignore")], {"nodeSelector": {"side": "left"}}, set(),
            id="unless affinity is ignored",
        ),
    ],
)  # fmt: skip
def test_hard_spreading_admits(world, node, pod, counts, constraints, pod_like, nodes):
    names = {"a": "1", "b": "1", "x": "2", "y": "2"}
    for (name, zone), count in zip(names.items(), counts, strict=True):
        world.add(node(name, zone=zone, labels={"side": "left" if zone == "1" else "right"}))
        world.place(name, *(pod(f"{name}{number}", labels=APP) for number in range(int(count))))
    new = pod("new", topologySpreadConstraints=constraints, **{"labels": APP, **pod_like})
    assert world.feasible(new) == nodes


def test_tainted_nodes_count_in_spreading_unless_taints_are_honored(world, node, pod):
    world.add(node("a", zone="1"), node("b", zone="2", taints=[TAINT])).place("a", pod("old", labels=APP))
    assert world.feasible(pod("new", labels=APP, topologySpreadConstraints=[spread()])) == set()
    honoring = spread(nodeTaintsPolicy="Honor")
    assert world.feasible(pod("new", labels=APP, topologySpreadConstraints=[honoring])) == {"a"}


def test_spreading_counts_per_revision_with_match_label_keys(world, node, pod):
    world.add(node("a", zone="1"), node("b", zone="2"))
    world.place("a", pod("old", labels={**APP, "rev": "1"}))
    new = pod("new", labels={**APP, "rev": "2"}, topologySpreadConstraints=[spread(matchLabelKeys=["rev"])])
    assert world.feasible(new) == {"a", "b"}


def test_spreading_does_not_count_leaving_pods_nor_other_namespaces(world, node, pod):
    leaving = pod("leaving", labels=APP, meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    world.add(node("a", zone="1"), node("b", zone="2")).place("a", leaving, pod("o", labels=APP, namespace="other"))
    assert world.feasible(pod("new", labels=APP, topologySpreadConstraints=[spread()])) == {"a", "b"}


def test_spreading_tells_the_first_constraint_that_fails(world, node, pod):
    world.add(node("a", zone="1"), node("b", zone="2"), node("c")).place("a", pod("old", labels=APP))
    new = pod("new", labels=APP, topologySpreadConstraints=[spread(), spread("rack")])
    message = "node(s) didn't match pod topology spread constraints"
    lacking = ("PodTopologySpread", f"{message} (missing required label)", True)
    # None has a rack, so nothing counts; where the zone is known, it is the rack that is told.
    assert world.reasons(new) == {"a": [lacking], "b": [lacking], "c": [lacking]}
    skewed = pod("new", labels=APP, topologySpreadConstraints=[spread()])
    assert world.reasons(skewed) == {"a": [("PodTopologySpread", message, False)], "c": [lacking]}


def near(kind="podAffinity", key=ZONE, **more):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": APP}, **more}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


NEAR = ("InterPodAffinity", "node(s) didn't match pod affinity rules", True)
AWAY = ("InterPodAffinity", "node(s) didn't match pod anti-affinity rules", False)
SHUNNED = ("InterPodAffinity", "node(s) didn't satisfy existing pods anti-affinity rules", False)


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        pytest.param({"labels": APP}, {"affinity": near()}, {"x": [NEAR]}, id="near, by zone"),
        pytest.param({"labels": APP}, {"affinity": near(key=HOSTNAME)}, {"b": [NEAR], "x": [NEAR]}, id="near, by node"),
        pytest.param({}, {"affinity": near()}, {"a": [NEAR], "b": [NEAR], "x": [NEAR]}, id="near nobody"),
        pytest.param({}, {"affinity": near(), "labels": APP}, {}, id="the first of a group"),
        pytest.param(
            {}, {"affinity": near(key="rack"), "labels": APP}, {"a": [NEAR], "b": [NEAR], "x": [NEAR]},
            id="the first of a group needs the label, too",
        ),
        pytest.param({"labels": APP}, {"affinity": near(), "labels": APP}, {"x": [NEAR]}, id="the second of a group"),
        pytest.param(
            {"labels": APP, "namespace": "other"}, {"affinity": near()}, {"a": [NEAR], "b": [NEAR], "x": [NEAR]},
            id="other namespaces do not count",
        ),
        pytest.param(
            {"labels": APP, "namespace": "other"}, {"affinity": near(namespaceSelector={"matchLabels": {"t": "1"}})},
            {"x": [NEAR]}, id="unless selected",
        ),
        pytest.param({"labels": APP}, {"affinity": near("podAntiAffinity")}, {"a": [AWAY], "b": [AWAY]}, id="away"),
        pytest.param(
            {"affinity": near("podAntiAffinity")}, {"labels": APP}, {"a": [SHUNNED], "b": [SHUNNED]}, id="symmetry"
        ),
        pytest.param({"affinity": near("podAntiAffinity")}, {}, {}, id="shuns others only"),
    ],
)  # fmt: skip
def test_affinity_between_pods_refuses(world, node, pod, old, new, reasons):
    world.namespaces["other"] = {"t": "1"}
    world.add(node("a", zone="1"), node("b", zone="1"), node("x", zone="2")).place("a", pod("old", **old))
    assert world.reasons(pod("new", **new)) == reasons


def test_a_pod_on_a_node_without_the_label_is_near_nothing(world, node, pod):
    world.add(node("a"), node("x", zone="2")).place("a", pod("old", labels=APP))
    # Nobody is in any zone, so the first of the group may begin one.
    assert world.feasible(pod("new", affinity=near(), labels=APP)) == {"x"}


def test_all_terms_must_take_the_same_pod(world, node, pod):
    world.add(node("a", zone="1")).place("a", pod("one", labels={"app": "a"}), pod("two", labels={"tier": "b"}))
    terms = [
        {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "a"}}},
        {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"tier": "b"}}},
    ]
    new = pod("new", affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
    assert world.reasons(new) == {"a": [NEAR]}
    world.place("a", pod("both", labels={"app": "a", "tier": "b"}))
    assert world.reasons(new) == {}
