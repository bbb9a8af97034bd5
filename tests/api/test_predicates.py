"""Predicates on pods and nodes, and conditions."""

from typing import Any

import pytest

from kijabi.api import conditions, quantity
from kijabi.api.predicates import affinity, fit, pods, ports, taints


def container(cpu: str = "", limit: str = "", **more: Any) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if cpu:
        resources["requests"] = {"cpu": cpu}
    if limit:
        resources["limits"] = {"cpu": limit}
    return {"resources": resources, **more}


SIDECAR = {"restartPolicy": "Always"}
REQUESTS: list[tuple[str, dict[str, Any], str]] = [
    ("sum of containers", {"containers": [container("100m"), container("200m")]}, "300m"),
    ("largest init container", {"containers": [container("100m")], "initContainers": [container("1")]}, "1"),
    (
        "init containers run one by one",
        {"containers": [container("1")], "initContainers": [container("500m")] * 3},
        "1",
    ),
    ("sidecars go on", {"containers": [container("1")], "initContainers": [container("500m", **SIDECAR)]}, "1500m"),
    (
        "an init container runs beside earlier sidecars",
        {"containers": [container("1")], "initContainers": [container("1", **SIDECAR), container("3")]},
        "4",
    ),
    ("overhead", {"containers": [container("1")], "overhead": {"cpu": "250m"}}, "1250m"),
    ("pod level", {"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}}, "5"),
]


@pytest.mark.parametrize(("spec", "cpu"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS])
def test_requests_of_a_pod(spec: dict[str, Any], cpu: str) -> None:
    assert str(fit.pod_requests({"spec": spec})["cpu"]) == cpu


def test_what_does_not_fit_is_named() -> None:
    wanted = quantity.resource_list({"cpu": "2", "memory": "1Gi"})
    used = quantity.resource_list({"cpu": "1", "pods": "3"})
    available = quantity.resource_list({"cpu": "2", "memory": "4Gi", "pods": "3"})
    assert fit.insufficient(wanted, used, available) == ["Too many pods", "Insufficient cpu"]


BOTH = {"cpu": "1", "memory": "1Gi"}
QOS: list[tuple[str, list[dict[str, Any]], str]] = [
    ("nothing", [{}], "BestEffort"),
    ("requests", [{"requests": {"cpu": "1"}}], "Burstable"),
    ("all equal", [{"requests": BOTH, "limits": BOTH}], "Guaranteed"),
    ("one without", [{"requests": BOTH, "limits": BOTH}, {}], "Burstable"),
    ("only cpu", [{"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}], "Burstable"),
    ("less than the limit", [{"requests": {**BOTH, "cpu": "500m"}, "limits": BOTH}], "Burstable"),
    ("other resources do not count", [{"requests": {"a.b/c": "1"}, "limits": {"a.b/c": "1"}}], "BestEffort"),
]


@pytest.mark.parametrize(("resources", "expected"), [case[1:] for case in QOS], ids=[case[0] for case in QOS])
def test_quality_of_service(resources: list[dict[str, Any]], expected: str) -> None:
    assert pods.qos_class({"spec": {"containers": [{"resources": one} for one in resources]}}) == expected


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
TOLERATIONS: list[tuple[dict[str, Any], bool]] = [
    ({"operator": "Exists"}, True),
    ({"key": "k", "operator": "Exists"}, True),
    ({"key": "k", "value": "v"}, True),
    ({"key": "k", "value": "w"}, False),
    ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
    ({"key": "j", "operator": "Exists"}, False),
]


@pytest.mark.parametrize(("toleration", "expected"), TOLERATIONS, ids=[str(t) for t, _ in TOLERATIONS])
def test_tolerations(toleration: dict[str, Any], expected: bool) -> None:
    assert taints.tolerates(toleration, TAINT) is expected
    assert (taints.untolerated([TAINT], [toleration]) is None) is expected


def test_preferences_do_not_keep_pods_away() -> None:
    assert taints.untolerated([{"key": "k", "effect": "PreferNoSchedule"}], None) is None


def test_eviction_waits_for_the_shortest_toleration() -> None:
    taint = {"key": "k", "effect": "NoExecute"}
    forever, minute = {"key": "k", "operator": "Exists"}, {"key": "k", "operator": "Exists", "tolerationSeconds": 60}
    assert taints.eviction_delay([taint], []) == 0.0
    assert taints.eviction_delay([taint], [forever]) is None
    assert taints.eviction_delay([taint], [forever, minute]) == 60.0
    assert taints.eviction_delay([TAINT], []) is None


NODE = {"metadata": {"name": "n1", "labels": {"zone": "a", "size": "5"}}}


def requiring(*expressions: dict[str, Any], fields: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    term: dict[str, Any] = {}
    if expressions:
        term["matchExpressions"] = list(expressions)
    if fields:
        term["matchFields"] = list(fields)
    required = {"nodeSelectorTerms": [term]}
    return {"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}}


NAMED = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
AFFINITY: list[tuple[dict[str, Any], bool]] = [
    ({"spec": {}}, True),
    ({"spec": {"nodeSelector": {"zone": "a"}}}, True),
    ({"spec": {"nodeSelector": {"zone": "b"}}}, False),
    (requiring({"key": "zone", "operator": "In", "values": ["a", "b"]}), True),
    (requiring({"key": "zone", "operator": "NotIn", "values": ["a"]}), False),
    (requiring({"key": "size", "operator": "Gt", "values": ["4"]}), True),
    (requiring({"key": "size", "operator": "Lt", "values": ["4"]}), False),
    (requiring({"key": "nothing", "operator": "DoesNotExist"}), True),
    (requiring(fields=(NAMED,)), True),
    (requiring(), False),
]


@pytest.mark.parametrize(("pod", "expected"), AFFINITY, ids=[str(pod)[-60:] for pod, _ in AFFINITY])
def test_node_affinity(pod: dict[str, Any], expected: bool) -> None:
    assert affinity.fits_node(pod, NODE) is expected


def test_pinned_pods_name_their_nodes() -> None:
    assert affinity.pinned_nodes(requiring(fields=(NAMED,))) == {"n1"}
    assert affinity.pinned_nodes(requiring({"key": "zone", "operator": "Exists"})) is None
    assert affinity.pinned_nodes({"spec": {}}) is None


PORTS = [
    (("0.0.0.0", "TCP", 80), ("1.2.3.4", "TCP", 80), True),
    (("1.2.3.4", "TCP", 80), ("1.2.3.5", "TCP", 80), False),
    (("0.0.0.0", "TCP", 80), ("0.0.0.0", "UDP", 80), False),
    (("0.0.0.0", "TCP", 80), ("0.0.0.0", "TCP", 81), False),
]


@pytest.mark.parametrize(("wanted", "taken", "expected"), PORTS, ids=[str(case[:2]) for case in PORTS])
def test_host_port_conflicts(wanted: ports.HostPort, taken: ports.HostPort, expected: bool) -> None:
    assert ports.conflict(wanted, [taken]) is expected


def test_host_ports_of_containers_and_sidecars() -> None:
    one = {"ports": [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2}]}
    spec = {"containers": [one], "initContainers": [{**one, **SIDECAR}, one]}
    assert ports.host_ports({"spec": spec}) == [("0.0.0.0", "TCP", 80)] * 2


def test_the_transition_time_moves_with_the_status_alone() -> None:
    obj: dict[str, Any] = {}
    assert conditions.put(obj, {"type": "Ready", "status": "False", "reason": "A"}, 0)
    assert not conditions.put(obj, {"type": "Ready", "status": "False", "reason": "A"}, 10)
    assert conditions.put(obj, {"type": "Ready", "status": "False", "reason": "B"}, 10)
    assert obj["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    assert conditions.put(obj, {"type": "Ready", "status": "True"}, 20)
    assert obj["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:00:20Z"
    assert conditions.is_true(obj, "Ready")
    assert conditions.drop(obj, "Ready")
    assert conditions.status(obj, "Ready") == ""


@pytest.mark.parametrize(("minimum", "now", "expected"), [(0, 5, True), (10, 5, False), (10, 10, True)])
def test_availability_needs_time(minimum: float, now: float, expected: bool) -> None:
    pod: dict[str, Any] = {"metadata": {}}
    conditions.put(pod, {"type": "Ready", "status": "True"}, 0)
    assert pods.is_available(pod, minimum, now) is expected
