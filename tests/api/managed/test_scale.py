"""Who owns the replicas, seen from the object and from its Scale."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api import managed

MAPPING: managed.Mapping = {"apps/v1": ("f:spec", "f:replicas"), "apps/v1beta1": None}


def entry(manager: str, operation: str, version: str, spec: dict[str, Any], **more: str) -> dict[str, Any]:
    fields = {"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": spec}}
    return {"manager": manager, "operation": operation, "apiVersion": version, **fields, **more}


BOTH, ONE, REST = {"f:replicas": {}, "f:selector": {}}, {"f:replicas": {}}, {"f:selector": {}}
SCALE = {"subresource": "scale"}


def test_a_scale_sees_who_owns_the_replicas() -> None:
    parent = [
        entry("a", "Apply", "apps/v1", BOTH, time="2020-01-01T00:00:00Z"),
        entry("b", "Update", "apps/v1", REST),
        entry("c", "Update", "apps/v1beta1", ONE),
        entry("d", "Update", "apps/v2", ONE),
        entry("e", "Update", "apps/v1", ONE, **SCALE),
    ]
    found = managed.to_scale(parent, MAPPING)
    assert [(one["manager"], one["apiVersion"], one["fieldsV1"]) for one in found] == [
        ("a", "autoscaling/v1", {"f:spec": ONE}),
        ("e", "autoscaling/v1", {"f:spec": ONE}),
    ]


CASES: dict[str, tuple[list[Any], list[Any], list[Any]]] = {
    "nobody took them": (
        [entry("a", "Update", "apps/v1", BOTH)],
        [entry("a", "Update", "autoscaling/v1", ONE)],
        [entry("a", "Update", "apps/v1", BOTH)],
    ),
    "a scaler took them": (
        [entry("a", "Apply", "apps/v1", BOTH)],
        [entry("s", "Update", "autoscaling/v1", ONE, **SCALE)],
        [entry("a", "Apply", "apps/v1", REST), entry("s", "Update", "apps/v1", ONE, **SCALE)],
    ),
    "all that somebody had": (
        [entry("a", "Apply", "apps/v1", ONE)],
        [entry("s", "Update", "autoscaling/v1", ONE, **SCALE)],
        [entry("s", "Update", "apps/v1", ONE, **SCALE)],
    ),
    "shared with one who applied the same": (
        [entry("a", "Apply", "apps/v1", BOTH)],
        [entry("a", "Apply", "autoscaling/v1", ONE), entry("s", "Apply", "autoscaling/v1", ONE, **SCALE)],
        [entry("a", "Apply", "apps/v1", BOTH), entry("s", "Apply", "apps/v1", ONE, **SCALE)],
    ),
    "not the replicas": (
        [entry("a", "Apply", "apps/v1", REST)],
        [entry("s", "Update", "autoscaling/v1", REST, **SCALE)],
        [entry("a", "Apply", "apps/v1", REST)],
    ),
    "versions that are gone": ([entry("a", "Apply", "apps/v2", BOTH)], [], []),
    "versions without a scale": (
        [entry("a", "Apply", "apps/v1beta1", ONE)],
        [],
        [entry("a", "Apply", "apps/v1beta1", ONE)],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_object_hears_what_became_of_the_replicas(case: tuple[list[Any], list[Any], list[Any]]) -> None:
    parent, scale, expected = case
    assert managed.to_parent(parent, scale, MAPPING, "apps/v1") == expected
