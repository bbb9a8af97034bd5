"""Definitions in protobuf: schemas within schemas, and fields that hold one of several things."""

from typing import Any

import pytest

from kijabi.api.protobuf import compiled


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1.5, "default": 3}},
        {"enum": ["a", 1, None], "default": {"b": [1]}, "x-kubernetes-preserve-unknown-fields": True},
        {"x-kubernetes-validations": [{"rule": "self.a > 1", "message": "no"}], "x-kubernetes-list-map-keys": ["a"]},
    ],
    ids=["items", "bool", "schema-or-bool", "json", "rules"],
)
def test_schemas_come_back_as_they_were(schema: dict[str, Any]) -> None:
    codec = compiled.load()
    assert codec is not None
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "names": {"plural": "as", "kind": "A"}, "scope": "Cluster", "versions": [version]}
    crd = {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": "as.example.com"},
        "spec": spec,
    }
    data = codec.encode(crd)
    assert data is not None
    back = codec.decode(data)
    assert back["spec"] == spec
