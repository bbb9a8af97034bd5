"""Views of built-in kinds, as the API server makes them."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api import managed, schema
from kijabi.api.managed import resets, shapes
from kijabi.api.schema import types

Object = dict[str, Any]
_SHAPES = managed.Shapes()
NOW = 1_700_000_000


@pytest.fixture(scope="session")
def shape() -> Any:
    def of(group: str, version: str, kind: str) -> shapes.Shape:
        return _SHAPES.of(schema.Schemas.load().type_of((group, version, kind)))

    return of


@pytest.fixture(scope="session")
def view(shape: Any) -> Any:
    def of(api_version: str, kind: str, subresource: str = "", reset: resets.Filter | None = None) -> managed.View:
        group, _, version = api_version.rpartition("/")
        return managed.View(shape(group, version, kind), api_version, kind, subresource, reset)

    return of


@pytest.fixture
def custom() -> types.Type:
    """A type with one of everything: a scalar, a granular and an atomic map, a list of each sort, free JSON."""
    text, number = types.Type(types.STRING, "string"), types.Type(types.INT64, "int64")
    element = types.Type(types.STRUCT, "Element")
    element.fields = {"name": types.Field("name", text), "value": types.Field("value", number)}
    anything = types.Type(types.ANY, "interface {}")

    def items(item: types.Type) -> types.Type:
        return types.Type(types.LIST, f"[]{item.go}", item=item)

    spec = types.Type(types.STRUCT, "Spec")
    spec.fields = {
        "number": types.Field("number", number),
        "labels": types.Field("labels", types.Type(types.MAP, "map", item=text)),
        "selector": types.Field("selector", types.Type(types.MAP, "map", item=text), map_type="atomic"),
        "atoms": types.Field("atoms", items(number)),
        "tags": types.Field("tags", items(text), list_type="set"),
        "keyed": types.Field("keyed", items(element), list_type="map", list_keys=("name",)),
        "free": types.Field("free", anything),
    }
    root = types.Type(types.STRUCT, "Custom")
    meta = types.Type(types.STRUCT, "Meta")
    meta.fields = {"name": types.Field("name", text), "labels": spec.fields["labels"]}
    meta.fields["managedFields"] = types.Field("managedFields", items(anything))
    root.fields = {
        "apiVersion": types.Field("apiVersion", text),
        "kind": types.Field("kind", text),
        "metadata": types.Field("metadata", meta),
        "spec": types.Field("spec", spec),
    }
    return root
