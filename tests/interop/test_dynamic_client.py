"""The official Python client's dynamic side: discovery, custom resources, apply, pages and watches."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client, dynamic, watch
from kubernetes.client import exceptions
from kubernetes.dynamic import exceptions as dynamic_exceptions

from kijabi import testing

DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "shortNames": ["bo"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.oars", "statusReplicasPath": ".status.oars"},
                },
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"oars": {"type": "integer", "minimum": 0, "default": 2}},
                            },
                            "status": {"type": "object", "properties": {"oars": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


def boats(cluster: testing.Cluster) -> dynamic.resource.Resource:
    api = cluster.kubernetes_client()
    definitions = client.ApiextensionsV1Api(api)
    definitions.create_custom_resource_definition(DEFINITION)
    cluster.wait(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "boats.example.com",
        lambda it: any(one["type"] == "Established" for one in it.get("status", {}).get("conditions", ())),
        namespace="",
    )
    return dynamic.DynamicClient(api).resources.get(api_version="example.com/v1", kind="Boat")


def test_custom_resources_are_discovered_applied_scaled_and_refused(kijabi_cluster: testing.Cluster) -> None:
    api = boats(kijabi_cluster)
    assert (api.namespaced, api.short_names) == (True, ["bo"])
    body: dict[str, Any] = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {}}
    made = api.server_side_apply(body, name="a", namespace="default", field_manager="one")
    assert made.spec.oars == 2
    body["spec"] = {"oars": 4}
    assert api.server_side_apply(body, name="a", namespace="default", field_manager="one").spec.oars == 4
    body["spec"] = {"oars": 6}
    with pytest.raises(dynamic_exceptions.ConflictError) as conflict:
        api.server_side_apply(body, name="a", namespace="default", field_manager="two")
    assert '"reason":"FieldManagerConflict"' in str(conflict.value.body)
    api.server_side_apply(body, name="a", namespace="default", field_manager="two", force_conflicts=True)
    custom = client.CustomObjectsApi(kijabi_cluster.kubernetes_client())
    scale = custom.get_namespaced_custom_object_scale("example.com", "v1", "default", "boats", "a")
    assert scale["spec"]["replicas"] == 6
    patch = {"spec": {"replicas": 8}}
    custom.patch_namespaced_custom_object_scale("example.com", "v1", "default", "boats", "a", patch)
    assert api.get(name="a", namespace="default").spec.oars == 8
    merge = "application/merge-patch+json"
    with pytest.raises(dynamic_exceptions.UnprocessibleEntityError):
        api.patch({"spec": {"oars": -1}}, name="a", namespace="default", content_type=merge)


def test_pages_are_followed_and_expire_with_a_token(kijabi_cluster: testing.Cluster) -> None:
    core = client.CoreV1Api(kijabi_cluster.kubernetes_client())
    for number in range(5):
        meta = client.V1ObjectMeta(name=f"page-{number}", labels={"page": "yes"})
        core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=meta))
    names: list[str] = []
    token = None
    while True:
        page = core.list_namespaced_config_map("default", label_selector="page", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"page-{number}" for number in range(5)]
    with pytest.raises(exceptions.ApiException) as bad:
        core.list_namespaced_config_map("default", limit=2, _continue="nonsense")
    assert bad.value.status == 400


def test_a_watch_sees_what_leaves_its_selector_and_ends_in_time(kijabi_cluster: testing.Cluster) -> None:
    core = client.CoreV1Api(kijabi_cluster.kubernetes_client())
    meta = client.V1ObjectMeta(name="leaver", labels={"in": "yes"})
    made = core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=meta))
    since = made.metadata.resource_version
    core.patch_namespaced_config_map("leaver", "default", {"metadata": {"labels": {"in": "no"}}})
    core.patch_namespaced_config_map("leaver", "default", {"data": {"a": "b"}})
    core.patch_namespaced_config_map("leaver", "default", {"metadata": {"labels": {"in": "yes"}}})
    core.delete_namespaced_config_map("leaver", "default")
    seen = [
        (event["type"], event["object"].metadata.labels)
        for event in watch.Watch().stream(
            core.list_namespaced_config_map,
            "default",
            label_selector="in=yes",
            resource_version=since,
            timeout_seconds=1,
        )
    ]
    assert seen == [("DELETED", {"in": "yes"}), ("ADDED", {"in": "yes"}), ("DELETED", {"in": "yes"})]
