"""The kinds of storage.k8s.io, and classes and leases beside them."""

from __future__ import annotations

from typing import Any

import pytest

STORAGE = "storage.k8s.io/v1"
CLASS: dict[str, Any] = {"provisioner": "example.com/fast"}
TERM = "allowedTopologies[0].matchLabelExpressions"


def term(*expressions: tuple[str, list[str]]) -> dict[str, Any]:
    return {"matchLabelExpressions": [{"key": key, "values": values} for key, values in expressions]}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("provisioner", "", ["provisioner: Required value"]),
        (
            "reclaimPolicy",
            "Recycle",
            ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
        ),
        ("reclaimPolicy", "", []),
        ("parameters", {"": "x"}, ['parameters: Invalid value: "": field can not be empty.']),
        ("parameters", {"k": "x" * 262144}, ["parameters: Too long: may not be more than 262144 bytes"]),
        ("allowedTopologies", [term(("zone", ["a"]))], []),
        ("allowedTopologies", [{}], [f'{TERM}: Duplicate value: ""']),
        ("allowedTopologies", [term(("zone", []))], [f"{TERM}[0].values: Required value"]),
        (
            "allowedTopologies",
            [term(("zone", ["a", "a"]), ("zone", ["b"]))],
            [f'{TERM}[0].values[1]: Duplicate value: "a"', f'{TERM}[1].key: Duplicate value: "zone"'],
        ),
    ],
)
def test_storage_classes(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(STORAGE, "StorageClass", CLASS).create((path, value)) == expected


@pytest.mark.parametrize(
    ("path", "value", "refused"),
    [("parameters", {"a": "b"}, True), ("reclaimPolicy", "Retain", True), ("allowVolumeExpansion", True, False)],
)
def test_what_of_a_storage_class_may_change(trial: Any, path: str, value: Any, refused: bool) -> None:
    found = trial(STORAGE, "StorageClass", CLASS).update((path, value))
    assert [text.partition(":")[0] for text in found] == ([path] if refused else [])


DRIVER: dict[str, Any] = {"spec": {}}
TOKEN = "spec.tokenRequests"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (TOKEN, [{"audience": "a"}, {"audience": "a"}], [f'{TOKEN}[1].audience: Duplicate value: "a"']),
        (
            TOKEN,
            [{"audience": "a", "expirationSeconds": 599}],
            [f"{TOKEN}[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"],
        ),
        (
            "spec.serviceAccountTokenInSecrets",
            True,
            [
                "spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no "
                "tokenRequests are specified"
            ],
        ),
        (
            "spec.volumeLifecycleModes",
            ["Fleeting"],
            ['spec.volumeLifecycleModes: Unsupported value: "Fleeting": supported values: "Persistent", "Ephemeral"'],
        ),
    ],
)
def test_drivers(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(STORAGE, "CSIDriver", DRIVER).create((path, value)) == expected


NODE: dict[str, Any] = {"spec": {"drivers": [{"name": "a.com", "nodeID": "n", "topologyKeys": ["zone"]}]}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.drivers[0].allocatable", {"count": 3}, []),
        (
            "spec.drivers[0].nodeID",
            "m",
            [
                'spec.drivers: Invalid value: {"Name":"a.com","NodeID":"m","TopologyKeys":["zone"],"Allocatable":null}'
                ": field is immutable"
            ],
        ),
        ("spec.drivers", [], []),
        ("spec.drivers[1]", {"name": "b.com", "nodeID": "n"}, []),
    ],
)
def test_drivers_of_a_node_stay_what_they_are(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(STORAGE, "CSINode", NODE).update((path, value)) == expected


ATTACHMENT: dict[str, Any] = {"spec": {"attacher": "a.com", "nodeName": "n", "source": {"persistentVolumeName": "p"}}}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"]),
        (
            {"persistentVolumeName": "p", "inlineVolumeSpec": {}},
            ["spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
        ),
        (
            {"inlineVolumeSpec": {"capacity": {"storage": "1"}, "accessModes": ["ReadWriteOnce"], "csi": {}}},
            ["spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes"],
        ),
    ],
)
def test_what_is_attached(trial: Any, source: Any, expected: list[str]) -> None:
    assert trial(STORAGE, "VolumeAttachment", ATTACHMENT).create(("spec.source", source)) == expected


def test_errors_of_attaching(trial: Any) -> None:
    found = trial(STORAGE, "VolumeAttachment", ATTACHMENT).status(
        ("status.attachError", {"message": "x" * 262145, "errorCode": -1})
    )
    assert found == [
        "status.attachError.message: Too long: may not be more than 262144 bytes",
        "status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("handler", ""), ["handler: Required value"]),
        (
            ("overhead", {"podFixed": {"cpu": "-1"}}),
            ['overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
        ),
        (
            ("scheduling", {"tolerations": [{"key": "a", "operator": "Exists"}] * 2}),
            [
                'scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"Exists","Value":"","Effect":"",'
                '"TolerationSeconds":null}'
            ],
        ),
    ],
)
def test_runtime_classes(trial: Any, change: tuple[str, Any], expected: list[str]) -> None:
    assert trial("node.k8s.io/v1", "RuntimeClass", {"handler": "h"}).create(change) == expected


def test_leases_have_no_strategy_by_default(trial: Any) -> None:
    made = trial("coordination.k8s.io/v1", "Lease", {"spec": {"strategy": "OldestEmulationVersion"}}).made()
    assert made["spec"] == {}
