"""Node health, taints, ranges and pods without a node, decided by tables."""

import ipaddress
from typing import Any

import pytest

import pods as p
from kijabi.controllers import nodeipam, nodelifecycle, podgc, tainteviction
from kijabi.kit import clock

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def node(name: str = "n1", *, taints: tuple[p.Object, ...] = (), cordoned: bool = False, **conditions: str) -> p.Object:
    listed = [
        {"type": kind, "status": value, "lastHeartbeatTime": p.stamp(5), "lastTransitionTime": p.stamp(50)}
        for kind, value in conditions.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": p.stamp(100)},
        "spec": {"taints": list(taints), "unschedulable": cordoned},
        "status": {"conditions": listed},
    }


FOREIGN = {"key": "mine", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (node(Ready="True"), []),
        (node(Ready="False"), [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        (node(Ready="Unknown"), [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        (node(Ready="True", DiskPressure="True"), [("node.kubernetes.io/disk-pressure", "NoSchedule")]),
        (node(Ready="True", cordoned=True), [("node.kubernetes.io/unschedulable", "NoSchedule")]),
        (node(Ready="True", taints=(FOREIGN,)), [("mine", "NoSchedule")]),
        (node(Ready="True", taints=({"key": NOT_READY, "effect": "NoExecute"},)), []),
    ],
)
def test_taints_follow_conditions(given: p.Object, expected: list[tuple[str, str]]) -> None:
    made = nodelifecycle.taints(given, p.NOW)
    assert [(taint["key"], taint["effect"]) for taint in made] == expected
    again = nodelifecycle.taints({**given, "spec": {**given["spec"], "taints": made}}, p.NOW + 60)
    assert again == made


async def test_a_silent_node_becomes_unknown_by_our_own_clock() -> None:
    timepiece = clock.FakeClock(p.NOW)
    given = node(Ready="True")
    heard = nodelifecycle.Heard(nodelifecycle.sign_of_life(given, None), timepiece.monotonic())
    await timepiece.advance(51)
    lease = {"spec": {"renewTime": "2023-11-14T22:13:20.000000Z"}}
    assert nodelifecycle.sign_of_life(given, lease) != heard.sign
    assert nodelifecycle.sign_of_life(given, None) == heard.sign
    made = {item["type"]: item for item in nodelifecycle.silent(given, timepiece.time())}
    assert (made["Ready"]["status"], made["Ready"]["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert made["MemoryPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert made["Ready"]["lastTransitionTime"] == p.stamp(-51)


def toleration(key: str, seconds: int | None = None) -> p.Object:
    made: p.Object = {"key": key, "operator": "Exists", "effect": "NoExecute"}
    return made if seconds is None else {**made, "tolerationSeconds": seconds}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], 0.0),
        ([toleration(NOT_READY)], None),
        ([toleration(NOT_READY, 300)], 200.0),
        ([toleration(NOT_READY, 300), toleration(NOT_READY, 150)], 50.0),
        ([toleration(NOT_READY, 0)], -100.0),
        ([toleration(UNREACHABLE)], 0.0),
    ],
)
def test_how_long_a_pod_stays_on_a_tainted_node(tolerations: list[p.Object], expected: float | None) -> None:
    taint = {"key": NOT_READY, "effect": "NoExecute", "timeAdded": p.stamp(100)}
    assert tainteviction.stay(p.pod(spec={"tolerations": tolerations}), [taint], p.NOW) == expected


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "10.0.0.0/26"),
        (["10.0.0.0/26"], "10.0.0.64/26"),
        (["10.0.0.64/26"], "10.0.0.0/26"),
        (["10.0.0.0/25"], "10.0.0.128/26"),
        (["10.0.0.0/24"], None),
    ],
)
def test_ranges_never_overlap(taken: list[str], expected: str | None) -> None:
    assert nodeipam.free(ipaddress.ip_network("10.0.0.0/24"), 26, taken) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([p.pod("a", node="gone")], [("a", "PodGC: node no longer exists")]),
        ([p.pod("a", node="new")], []),
        ([p.pod("a", node="", going=True)], [("a", "")]),
        ([p.pod("a", node="n1", going=True)], []),
        ([p.pod("a", node="out", going=True)], [("a", "PodGC: node is out of service")]),
        ([p.pod(f"d{n}", phase="Failed", age=100.0 - n) for n in range(4)], [("d0", ""), ("d1", "")]),
    ],
    ids=["node gone", "node gone just now", "never placed", "placed", "out of service", "too many finished"],
)
def test_pods_that_nobody_cleans_up(pods: list[p.Object], expected: Any) -> None:
    out = node("out", taints=({"key": podgc.OUT_OF_SERVICE, "effect": "NoExecute"},))
    found = podgc.find(pods, [node("n1"), out], {"gone"}, 2)
    assert [(item.pod["metadata"]["name"], item.why) for item in found] == expected
