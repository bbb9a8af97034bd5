"""ReplicaSets decided by tables."""

from typing import Any

import pytest

import pods as p
from kijabi.api import errors
from kijabi.controllers import replicaset


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"node": ""}, {}),
        ({"phase": "Pending"}, {"phase": "Running"}),
        ({"ready": False}, {"ready": True}),
        ({"annotations": {replicaset.DELETION_COST: "-1"}}, {}),
        ({"node": "crowded"}, {"node": "n1"}),
        ({"ready_for": 1}, {"ready_for": 3600}),
        ({"status": {"containerStatuses": [{"restartCount": 3}]}}, {}),
        ({"age": 60}, {"age": 3600}),
    ],
    ids=["no node", "pending", "not ready", "cheaper", "crowded node", "ready later", "restarts", "younger"],
)
def test_the_less_useful_pod_goes_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    pods = [p.pod("b", **second), p.pod("a", **first)]
    crowd = [p.pod("c1", node="crowded"), p.pod("c2", node="crowded")]
    ranked = replicaset.rank(pods, [*pods, *crowd], p.NOW)
    assert [pod["metadata"]["name"] for pod in ranked] == ["a", "b"]


@pytest.mark.parametrize(
    ("wanted", "there", "create", "delete"),
    [
        (3, [], 3, 0),
        (3, [p.pod("a"), p.pod("b", going=True), p.pod("c", phase="Failed")], 2, 0),
        (1, [p.pod("a"), p.pod("b"), p.pod("c")], 0, 2),
        (1000, [], 500, 0),
        (1, [p.pod("a")], 0, 0),
    ],
)
def test_as_many_as_wanted(wanted: int, there: list[p.Object], create: int, delete: int) -> None:
    made = replicaset.decide(p.owner("ReplicaSet", replicas=wanted), there, there, p.NOW)
    assert (made.create, len(made.delete)) == (create, delete)


def test_the_status_counts_active_pods_and_those_that_go() -> None:
    there = [
        p.pod("a", labels={"app": "web"}),
        p.pod("b", ready=False),
        p.pod("c", ready_for=5, labels={"app": "web"}),
        p.pod("d", going=True),
    ]
    made = replicaset.status(p.owner("ReplicaSet", replicas=3, minReadySeconds=10), there, None, p.NOW)
    assert made == {
        "replicas": 3,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 1,
    }


def test_a_failure_is_a_condition_until_it_is_over() -> None:
    owner = p.owner("ReplicaSet", replicas=3)
    failed = replicaset.status(owner, [], errors.Forbidden("no"), p.NOW)
    assert [(item["type"], item["reason"]) for item in failed["conditions"]] == [("ReplicaFailure", "FailedCreate")]
    assert "conditions" not in replicaset.status({**owner, "status": failed}, [], None, p.NOW)
