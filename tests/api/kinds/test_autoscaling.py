"""HorizontalPodAutoscalers: metrics and behavior, and how version 1 tells what it has no fields for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kijabi.api.autoscaling import horizontalpodautoscaler_v1 as v1
from kijabi.api.autoscaling import metrics

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
BASE: dict[str, Any] = {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 5}}
METRIC, UP = "spec.metrics[0]", "spec.behavior.scaleUp"
QUEUE = {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "1"}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "spec.maxReplicas",
            0,
            [
                "spec.maxReplicas: Required value: must be set and greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            ],
        ),
        (
            "spec.scaleTargetRef",
            {"kind": "Deployment", "name": "d"},
            ['spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group'],
        ),
        ("spec.scaleTargetRef", {"apiVersion": "v1", "kind": "ReplicationController", "name": "d"}, []),
        (METRIC, {"type": "External", "external": QUEUE}, []),
        (
            METRIC,
            {"type": "External", "external": QUEUE, "pods": QUEUE},
            [f"{METRIC}.pods: Forbidden: must populate the given metric source only"],
        ),
        (
            METRIC,
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Other", "averageUtilization": 0}}},
            [
                f'{METRIC}.resource.target.type: Invalid value: "Other": must be either Utilization, Value, or '
                "AverageValue",
                f"{METRIC}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
            ],
        ),
        (
            METRIC,
            {
                "type": "ContainerResource",
                "containerResource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}},
            },
            [f"{METRIC}.containerResource.container: Required value: must specify a container"],
        ),
        (
            METRIC,
            {"type": "Object", "object": {**QUEUE, "describedObject": {"kind": "", "name": "x"}}},
            [f"{METRIC}.object.describedObject.kind: Required value"],
        ),
        (
            f"{UP}.stabilizationWindowSeconds",
            3601,
            [f"{UP}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"],
        ),
        (
            f"{UP}.policies",
            [{"type": "Each", "value": 1, "periodSeconds": 1801}],
            [
                f'{UP}.policies[0].type: Unsupported value: "Each": supported values: "Percent", "Pods"',
                f"{UP}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
            ],
        ),
        (
            f"{UP}.tolerance",
            "-50m",
            [f'{UP}.tolerance: Invalid value: "-50m": must be greater than or equal to 0'],
        ),
    ],
)
def test_what_is_refused(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial("autoscaling/v2", "HorizontalPodAutoscaler", BASE).create((path, value)) == expected


def test_a_target_without_group_stays_where_it_is_stored(trial: Any) -> None:
    case, old = trial("autoscaling/v2", "HorizontalPodAutoscaler", BASE), (("spec.scaleTargetRef.apiVersion", "v1"),)
    assert case.update(("spec.maxReplicas", 9), before=old) == []
    assert case.update(("spec.scaleTargetRef.kind", "Other"), before=old) != []


def test_the_annotations_of_version_1_mean_nothing_in_version_2(trial: Any) -> None:
    made = trial("autoscaling/v2", "HorizontalPodAutoscaler", BASE).made(
        ("metadata.annotations", {v1.v2.ANNOTATIONS[0]: "[]", "mine": "x"})
    )
    assert made["metadata"]["annotations"] == {"mine": "x"}


STORED: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "x"},
    "spec": {
        "scaleTargetRef": TARGET,
        "minReplicas": 1,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Pods",
                "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "3"}},
            },
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "o"},
                    "describedObject": {"kind": "Service", "name": "s"},
                    "target": {"type": "Value", "value": "6"},
                },
            },
            {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "7"}}},
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 9}},
            },
        ],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "policies": []},
            "scaleDown": {
                "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 3, "periodSeconds": 4}],
            },
        },
    },
}


def test_what_version_1_cannot_say_goes_there_and_back() -> None:
    shown = v1.from_stored(STORED)
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 9
    told = {key.rpartition("/")[2]: json.loads(text) for key, text in shown["metadata"]["annotations"].items()}
    assert [metric["type"] for metric in told["metrics"]] == ["Pods", "Object", "External"]
    assert told["metrics"][0]["pods"] == {"metricName": "p", "targetAverageValue": "3"}
    assert told["behavior"]["ScaleDown"]["Policies"] == [{"Type": "Pods", "Value": 3, "PeriodSeconds": 4}]
    assert v1.to_stored(shown)["spec"] == STORED["spec"]


def test_through_version_1_nothing_of_the_other_half_changes(trial: Any) -> None:
    how = trial("autoscaling/v1", "HorizontalPodAutoscaler", BASE).strategy
    measured, wanted = v1.v2.ANNOTATIONS[1], v1.v2.ANNOTATIONS[0]
    old: dict[str, Any] = {"metadata": {"annotations": {measured: "m", wanted: "w"}}, "status": {"currentReplicas": 2}}
    new: dict[str, Any] = {"metadata": {}, "status": {}}
    how.prepare_update(new, old)
    assert new == {"metadata": {"annotations": {measured: "m"}}, "status": {"currentReplicas": 2}}
    new = {"metadata": {"annotations": {measured: "n"}}}
    how.prepare_status(new, old)
    assert new["metadata"]["annotations"] == {measured: "n", wanted: "w"}


@pytest.mark.parametrize(
    ("metric", "status", "expected"),
    [
        ({"type": "External", "external": QUEUE}, {}, "<unknown>/1 (avg)"),
        (
            {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}},
            {"resource": {"current": {"averageUtilization": 7, "averageValue": "1m"}}},
            "cpu: 7%/50%",
        ),
        ({"type": "Other"}, {}, "<unknown type>"),
    ],
)
def test_how_a_metric_is_shown(metric: dict[str, Any], status: dict[str, Any], expected: str) -> None:
    assert metrics.cell(metric, status) == expected
