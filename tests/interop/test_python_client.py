"""The official Python client against the in-process cluster, through the fixture that others get."""

import threading
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import exceptions

from kijabi import testing


def deployment(name: str, replicas: int) -> client.V1Deployment:
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": name}),
        spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="nginx:1")]),
    )
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1DeploymentSpec(
            replicas=replicas, selector=client.V1LabelSelector(match_labels={"app": name}), template=template
        ),
    )


def test_a_deployment_is_made_watched_scaled_and_deleted(kijabi_cluster: testing.Cluster) -> None:
    api = kijabi_cluster.kubernetes_client()
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    apps.create_namespaced_deployment("default", deployment("web", 3))
    seen: list[int] = []
    for event in watch.Watch().stream(apps.list_namespaced_deployment, "default", timeout_seconds=20):
        seen.append(event["object"].status.ready_replicas or 0)
        if seen[-1] == 3:
            break
    assert seen[-1] == 3
    assert len(core.list_namespaced_pod("default", label_selector="app=web").items) == 3
    apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 1}})
    kijabi_cluster.wait("apps/v1", "deployments", "web", lambda it: it["status"].get("replicas") == 1)
    apps.delete_namespaced_deployment("web", "default", propagation_policy="Foreground")


def test_errors_are_the_apis_own(kijabi_cluster: testing.Cluster) -> None:
    core = client.CoreV1Api(kijabi_cluster.kubernetes_client())
    with pytest.raises(exceptions.ApiException) as missing:
        core.read_namespaced_pod("nothing", "default")
    assert (missing.value.status, '"reason":"NotFound"' in missing.value.body) == (404, True)
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="Not_A_Name"))
    with pytest.raises(exceptions.ApiException) as invalid:
        core.create_namespaced_config_map("default", body)
    assert invalid.value.status == 422
    assert "RFC 1123 subdomain" in invalid.value.body


def test_an_update_with_an_old_version_is_a_conflict(kijabi_cluster: testing.Cluster) -> None:
    core = client.CoreV1Api(kijabi_cluster.kubernetes_client())
    made = core.create_namespaced_config_map(
        "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one"), data={"n": "0"})
    )
    made.data = {"n": "1"}
    core.replace_namespaced_config_map("one", "default", made)
    with pytest.raises(exceptions.ApiException) as conflict:
        core.replace_namespaced_config_map("one", "default", made)
    assert conflict.value.status == 409
    assert "the object has been modified" in conflict.value.body


def test_no_thread_and_no_port_stay_behind() -> None:
    with testing.Cluster() as cluster:
        path = cluster.kubeconfig()
        assert path.exists()
    assert not path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "kijabi"]


def test_objects_of_any_kind_can_be_created_by_their_type(kijabi_cluster: testing.Cluster) -> None:
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}
    assert kijabi_cluster.create(obj)["metadata"]["namespace"] == "default"
    with pytest.raises(LookupError, match="no kind Nonsense"):
        kijabi_cluster.create({"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}})
