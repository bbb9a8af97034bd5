"""What the kinds of apps refuse, and how they show what nobody sent."""

from __future__ import annotations

from typing import Any

import pytest

BASE: dict[str, Any] = {
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}},
    }
}
STRATEGY = "spec.strategy.rollingUpdate"
UPDATE = "spec.updateStrategy"


@pytest.mark.parametrize(
    ("kind", "path", "value", "expected"),
    [
        ("Deployment", "spec.replicas", -1, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (
            "Deployment",
            "spec.strategy.type",
            "Foo",
            [
                'spec.strategy: Unsupported value: {"Type":"Foo","RollingUpdate":null}: '
                'supported values: "Recreate", "RollingUpdate"'
            ],
        ),
        (
            "Deployment",
            STRATEGY,
            {"maxSurge": 0, "maxUnavailable": "0%"},
            [f'{STRATEGY}.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
        ),
        (
            "Deployment",
            "spec.progressDeadlineSeconds",
            0,
            ["spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds"],
        ),
        (
            "DaemonSet",
            f"{UPDATE}.type",
            "Foo",
            [
                f'{UPDATE}: Unsupported value: {{"Type":"Foo","RollingUpdate":null}}: '
                'supported values: "RollingUpdate", "OnDelete"'
            ],
        ),
        (
            "DaemonSet",
            f"{UPDATE}.rollingUpdate",
            {"maxSurge": 1},
            [f"{UPDATE}.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
        ),
        (
            "StatefulSet",
            UPDATE,
            {"type": "OnDelete", "rollingUpdate": {"partition": 1}},
            [
                f'{UPDATE}.rollingUpdate: Invalid value: {{"Partition":1,"MaxUnavailable":null}}: '
                "only allowed for updateStrategy 'RollingUpdate'"
            ],
        ),
        (
            "StatefulSet",
            "spec.persistentVolumeClaimRetentionPolicy.whenScaled",
            "Keep",
            [
                'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": '
                'supported values: "Retain", "Delete"'
            ],
        ),
        ("StatefulSet", "metadata.name", "a.b", ['metadata.name: Invalid value: "a.b": must not contain dots']),
        ("StatefulSet", "spec.ordinals", {"start": 3}, []),
    ],
)
def test_what_is_refused(trial: Any, kind: str, path: str, value: Any, expected: list[str]) -> None:
    assert trial("apps/v1", kind, BASE).create((path, value)) == expected


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ReplicaSet", {"replicas": 0}),
        ("StatefulSet", {"replicas": 0, "availableReplicas": 0}),
        (
            "DaemonSet",
            {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0},
        ),
        ("Deployment", {}),
    ],
)
def test_what_a_new_status_shows(trial: Any, kind: str, status: dict[str, int]) -> None:
    assert trial("apps/v1", kind, BASE).made(("status", {"replicas": 7}))["status"] == status


def test_fields_that_are_left_out_where_they_are_nothing(trial: Any) -> None:
    made = trial("apps/v1", "Deployment", BASE).made(("spec.paused", False), ("spec.minReadySeconds", 0))
    assert not {"paused", "minReadySeconds"} & made["spec"].keys()


def test_a_stateful_set_always_names_its_service_and_rolls_one_by_one(trial: Any) -> None:
    made = trial("apps/v1", "StatefulSet", BASE).made((f"{UPDATE}.rollingUpdate", {"maxUnavailable": 2}))
    assert made["spec"]["serviceName"] == ""
    assert made["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        (
            "Deployment",
            {"replicas": 3, "readyReplicas": 1, "availableReplicas": 2},
            ["status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"],
        ),
        (
            "StatefulSet",
            {"replicas": 3, "readyReplicas": 1, "availableReplicas": 2},
            ["status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas"],
        ),
        (
            "ReplicaSet",
            {"replicas": 1, "terminatingReplicas": -1},
            ["status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
    ],
)
def test_counts_of_a_status(trial: Any, kind: str, status: dict[str, int], expected: list[str]) -> None:
    assert trial("apps/v1", kind, BASE).status(("status", status)) == expected


@pytest.mark.parametrize(("before", "now", "refused"), [(None, 1, False), (2, 2, False), (2, 1, True), (2, None, True)])
def test_a_count_of_collisions_never_falls(trial: Any, before: int | None, now: int | None, refused: bool) -> None:
    stored = {} if before is None else {"collisionCount": before}
    told = {} if now is None else {"collisionCount": now}
    found = trial("apps/v1", "DaemonSet", BASE).status(("status", told), before=(("status", stored),))
    assert bool(found) is refused


def test_labels_do_not_change_through_the_status_of_a_deployment(trial: Any) -> None:
    how = trial("apps/v1", "Deployment", BASE).strategy
    new: dict[str, Any] = {"metadata": {"labels": {"x": "y"}}, "status": {}}
    how.prepare_status(new, {"metadata": {}, "status": {}})
    assert "labels" not in new["metadata"]


@pytest.mark.parametrize(
    ("kind", "path", "value", "start"),
    [
        ("Deployment", "metadata.name", "a.b", "metadata.name: this is used in Pod names and hostnames"),
        ("StatefulSet", "spec.revisionHistoryLimit", -1, "spec.revisionHistoryLimit: a negative value retains all"),
        (
            "DaemonSet",
            "spec.template.spec.nodeSelector",
            {"beta.kubernetes.io/os": "linux"},
            "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14",
        ),
    ],
)
def test_what_is_accepted_with_a_warning(trial: Any, kind: str, path: str, value: Any, start: str) -> None:
    case = trial("apps/v1", kind, BASE)
    found = case.strategy.warn_create(case.made((path, value)))
    assert [text.startswith(start) for text in found] == [True]
    assert case.strategy.warn_create(case.made()) == []
