"""Custom resources among the controllers: owners, namespaces, counts."""

from typing import Any

import pytest

from kijabi import testing
from kijabi.api import kinds, resource
from kijabi.api.apiextensions import customresourcedefinition
from kijabi.client import rest

WIDGETS = resource.Resource("example.com", "v1", "widgets", "Widget")


@pytest.fixture
async def widgets(cluster: testing.InProcess) -> testing.InProcess:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    crd = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    await cluster.client.create(customresourcedefinition.RESOURCE, crd)
    await cluster.wait(
        customresourcedefinition.RESOURCE,
        "widgets.example.com",
        lambda obj: any(
            one["type"] == "Established" and one["status"] == "True"
            for one in (obj.get("status") or {}).get("conditions") or []
        ),
    )
    return cluster


def widget(name: str, namespace: str = "default", **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": namespace, **meta},
    }


def owner(obj: dict[str, Any]) -> dict[str, Any]:
    meta = obj["metadata"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"], "uid": meta["uid"]}


async def test_owned_objects_go_with_their_owner(widgets: testing.InProcess) -> None:
    first = await widgets.client.create(WIDGETS, widget("first"))
    config = {"metadata": {"name": "owned", "namespace": "default", "ownerReferences": [owner(first)]}}
    await widgets.client.create(kinds.CONFIG_MAPS, config)
    await widgets.client.create(WIDGETS, widget("second", ownerReferences=[owner(first)]))
    await widgets.client.delete(WIDGETS, "first", "default")
    await widgets.wait_gone(kinds.CONFIG_MAPS, "owned", "default")
    await widgets.wait_gone(WIDGETS, "second", "default")


async def test_a_namespace_takes_its_objects_along(widgets: testing.InProcess) -> None:
    await widgets.client.create(kinds.NAMESPACES, {"metadata": {"name": "team"}})
    await widgets.client.create(WIDGETS, widget("one", "team"))
    await widgets.client.delete(kinds.NAMESPACES, "team")
    await widgets.wait_gone(kinds.NAMESPACES, "team")
    assert (await widgets.client.list(WIDGETS, rest.Selection("team")))["items"] == []
