"""What is parsed of a pod."""

import pytest

from kijabi.scheduler import podinfo

MIB = 1024 * 1024


def container(cpu="", memory="", **more):
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": "c", "image": "i", "resources": {"requests": requests}, **more}


@pytest.mark.parametrize(
    ("spec", "requests", "reckoned"),
    [
        pytest.param({"containers": [{"name": "c"}]}, {}, (100, 200 * MIB), id="asks for nothing"),
        pytest.param(
            {"containers": [container("250m"), container(memory="1Gi")]},
            {"cpu": 250, "memory": 1024 * MIB},
            (350, 1224 * MIB),
            id="defaults are per container and resource",
        ),
        pytest.param({"containers": [container("0", "0")]}, {}, (0, 0), id="an explicit zero is no missing request"),
        pytest.param(
            {
                "initContainers": [container("2", "1Gi"), container("2", "3Gi")],
                "containers": [container("2", "1Gi"), container("1", "1Gi")],
            },
            {"cpu": 3000, "memory": 3072 * MIB},
            (3000, 3072 * MIB),
            id="init containers run one by one",
        ),
        pytest.param(
            {
                "initContainers": [container("1", "100Mi", restartPolicy="Always"), container("2", "100Mi")],
                "containers": [container("500m", "100Mi")],
            },
            {"cpu": 3000, "memory": 200 * MIB},
            (3000, 200 * MIB),
            id="a sidecar runs beside later init containers and all containers",
        ),
        pytest.param(
            {"containers": [container("1", "1Gi")], "overhead": {"cpu": "250m", "memory": "120Mi"}},
            {"cpu": 1250, "memory": 1144 * MIB},
            (1250, 1144 * MIB),
            id="overhead",
        ),
        pytest.param(
            {"containers": [{"name": "c"}], "resources": {"requests": {"cpu": "2"}}},
            {"cpu": 2000},
            (2000, 200 * MIB),
            id="pod-level resources take the place of the sum",
        ),
        pytest.param(
            {"containers": [{"name": "c", "resources": {"requests": {"x.io/gpu": "2", "ephemeral-storage": "1Gi"}}}]},
            {"ephemeral-storage": 1024 * MIB, "x.io/gpu": 2},
            (100, 200 * MIB),
            id="other resources",
        ),
    ],
)
def test_requests_are_the_most_that_runs_at_once(pod, spec, requests, reckoned):
    shape = podinfo.of(pod("p", **spec)).shape
    assert dict(shape.requests) == requests
    assert shape.reckoned == reckoned


def test_pods_of_one_template_share_a_shape(pod):
    token = [{"name": "kube-api-access-x7x2p", "projected": {}}]
    first, second = pod("a", cpu="1", volumes=token), pod("b", cpu="1", volumes=[], nodeName="n")
    assert podinfo.of(first).shape is podinfo.of(second).shape
    assert podinfo.of(second).node_name == "n"


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"a": "b"}},
        {"namespace": "other"},
        {"priority": 5},
        {"nodeSelector": {"a": "b"}},
        {"tolerations": [{"operator": "Exists"}]},
        {"image": "other"},
        {"cpu": "2"},
        {"overhead": {"cpu": "1"}},
        {"ports": [{"containerPort": 1, "hostPort": 1}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_rules_look_at_makes_another_shape(pod, change):
    assert podinfo.of(pod("a")).shape is not podinfo.of(pod("b", **change)).shape


ALL, TEAM = {"labelSelector": {}}, {"matchLabels": {"team": "x"}}


@pytest.mark.parametrize(
    ("term", "own", "other", "namespace_labels", "taken"),
    [
        pytest.param({}, {}, {}, {}, False, id="no selector takes nothing"),
        pytest.param(ALL, {}, {}, {}, True, id="an empty selector takes all of the namespace"),
        pytest.param(ALL, {}, {"namespace": "other"}, {}, False, id="but not of another"),
        pytest.param({**ALL, "namespaces": ["other"]}, {}, {"namespace": "other"}, {}, True, id="namespaces"),
        pytest.param({**ALL, "namespaces": ["other"]}, {}, {}, {}, False, id="only the namespaces named"),
        pytest.param({**ALL, "namespaceSelector": {}}, {}, {"namespace": "other"}, {}, True, id="all namespaces"),
        pytest.param({**ALL, "namespaceSelector": TEAM}, {}, {}, {"team": "x"}, True, id="namespaces selected"),
        pytest.param({**ALL, "namespaceSelector": TEAM}, {}, {}, {"team": "y"}, False, id="the own one must match too"),
        pytest.param({**ALL, "matchLabelKeys": ["v"]}, {"v": "2"}, {"labels": {"v": "1"}}, {}, False, id="match keys"),
        pytest.param(
            {**ALL, "mismatchLabelKeys": ["v"]}, {"v": "2"}, {"labels": {"v": "2"}}, {}, False, id="mismatch keys"
        ),
        pytest.param({**ALL, "matchLabelKeys": ["absent"]}, {"v": "2"}, {}, {}, True, id="a key the pod lacks"),
    ],
)
def test_an_affinity_term_takes(pod, term, own, other, namespace_labels, taken):
    parsed = podinfo.term({"topologyKey": "zone", **term}, pod("p", labels=own))
    assert parsed.matches(podinfo.of(pod("o", **other)).shape, lambda name: namespace_labels) == taken


def test_a_spread_constraint_has_upstreams_defaults():
    parsed = podinfo.spread(
        {"topologyKey": "zone", "maxSkew": 2, "labelSelector": {}, "matchLabelKeys": ["v", "w"]}, {"v": "1"}
    )
    assert (parsed.min_domains, parsed.hard, parsed.honor_affinity, parsed.honor_taints) == (1, True, True, False)
    assert str(parsed.selector) == "v=1"


@pytest.mark.parametrize(
    ("image", "known_as"),
    [
        ("nginx", "nginx:latest"),
        ("nginx:1", "nginx:1"),
        ("host:5000/nginx", "host:5000/nginx:latest"),
        ("host:5000/nginx:2", "host:5000/nginx:2"),
    ],
)
def test_an_image_without_a_tag_is_the_latest(pod, image, known_as):
    assert podinfo.of(pod("p", image=image)).shape.images == (known_as,)


def test_terms_weigh_less_than_nothing_where_they_shun(pod):
    term = {"topologyKey": "zone", "labelSelector": {}}
    wanted = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "podAffinityTerm": term}]}
    shape = podinfo.of(pod("p", affinity={"podAffinity": wanted, "podAntiAffinity": wanted})).shape
    assert [weighted.weight for weighted in shape.preferred] == [7, -7]
