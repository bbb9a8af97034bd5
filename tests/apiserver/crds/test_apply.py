"""Server-side apply where there is more than one version, and to custom resources with a schema."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"


async def apply(client: Any, path: str, body: Object, query: str = "fieldManager=me") -> Any:
    return await client.ask("PATCH", f"{path}?{query}", body, type_=APPLY)


def versions(obj: Object) -> list[tuple[str, str]]:
    return [(entry["manager"], entry["apiVersion"]) for entry in obj["metadata"]["managedFields"]]


def widgets() -> Object:
    ports = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        "items": {
            "type": "object",
            "required": ["port"],
            "properties": {
                "port": {"type": "integer"},
                "protocol": {"type": "string", "default": "TCP"},
                "name": {"type": "string"},
            },
        },
    }
    tags = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    selector = {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}}
    spec = {"type": "object", "properties": {"ports": ports, "tags": tags, "selector": selector}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    rows = [{"name": name, "served": True, "storage": name == "v1", "schema": schema} for name in ("v1", "v1beta1")]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "names": names, "scope": "Namespaced", "versions": rows},
    }


def widget(version: str = "v1", **spec: Any) -> Object:
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def path(version: str = "v1") -> str:
    return f"/apis/example.com/{version}/namespaces/default/widgets/w"


async def test_a_schema_says_what_can_be_owned_in_parts(client: Any) -> None:
    await client.define(widgets())
    made = await apply(client, path(), widget(ports=[{"port": 80}], tags=["a"]))
    assert made.status == 201
    assert made.json["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:tags": {'v:"a"': {}},
        }
    }
    other = widget(ports=[{"port": 80, "protocol": "UDP"}], tags=["b"], selector={"x": "y"})
    shared = await apply(client, path(), other, "fieldManager=other")
    assert shared.json["spec"] == {
        "ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}],
        "tags": ["a", "b"],
        "selector": {"x": "y"},
    }
    refused = await apply(client, path(), widget(selector={"z": "y"}))
    assert (refused.status, ".spec.selector" in refused.message) == (409, True)
    unknown = await apply(client, path(), widget(nothing=1))
    assert (unknown.status, ".spec.nothing: field not declared in schema" in unknown.message) == (500, True)


async def test_a_manager_that_moves_to_another_version_moves_with_all_it_has(client: Any) -> None:
    await client.define(widgets())
    await apply(client, path(), widget(tags=["a", "b"], ports=[{"port": 1}]))
    moved = await apply(client, path("v1beta1"), widget("v1beta1", tags=["b"]))
    assert (moved.status, moved.json["spec"]) == (200, {"tags": ["b"]})
    assert versions(moved.json) == [("me", "example.com/v1beta1")]


async def test_others_in_another_version_are_asked_too(client: Any) -> None:
    await client.define(widgets())
    await apply(client, path(), widget(selector={"a": "b"}), "fieldManager=other")
    refused = await apply(client, path("v1beta1"), widget("v1beta1", selector={"a": "c"}))
    assert (refused.status, 'conflict with "other": .spec.selector' in refused.message) == (409, True)
    forced = await apply(client, path("v1beta1"), widget("v1beta1", selector={"a": "c"}), "fieldManager=me&force=true")
    assert versions(forced.json) == [("me", "example.com/v1beta1")]


async def test_what_was_applied_in_another_version_of_a_built_in_kind_is_taken_back(client: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}

    def autoscaler(version: str, **meta: Any) -> Object:
        kind = {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler"}
        return {**kind, "metadata": {"name": "a", **meta}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}

    where = "namespaces/default/horizontalpodautoscalers/a"
    made = await apply(client, f"/apis/autoscaling/v2/{where}", autoscaler("v2", labels={"a": "b"}))
    assert made.status == 201, made.message
    answer = await apply(client, f"/apis/autoscaling/v1/{where}", autoscaler("v1"))
    assert answer.status == 200, answer.message
    assert (answer.json["spec"]["scaleTargetRef"], "labels" in answer.json["metadata"]) == (target, False)
    assert versions(answer.json) == [("me", "autoscaling/v1")]
