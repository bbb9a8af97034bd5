"""Deployments end to end, with everything but containers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kijabi import testing
from kijabi.api import kinds
from kijabi.client import rest

Object = dict[str, Any]


def deployment(name: str = "web", replicas: int = 3, namespace: str = "default", **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def complete(replicas: int) -> Callable[[Object], bool]:
    def holds(obj: Object) -> bool:
        status = obj.get("status") or {}
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        return counts == [replicas] * 3 and status["observedGeneration"] == obj["metadata"]["generation"]

    return holds


async def deployed(cluster: testing.InProcess, obj: Object) -> Object:
    meta = obj["metadata"]
    await cluster.client.create(kinds.DEPLOYMENTS, obj)
    return await cluster.wait(kinds.DEPLOYMENTS, meta["name"], complete(obj["spec"]["replicas"]), meta["namespace"])


async def names(cluster: testing.InProcess, resource: Any, namespace: str = "default") -> list[str]:
    listed = await cluster.client.list(resource, rest.Selection(namespace))
    return [item["metadata"]["name"] for item in listed["items"]]


async def test_pods_run_spread_over_the_nodes_with_addresses_of_their_own(cluster: testing.InProcess) -> None:
    done = await deployed(cluster, deployment())
    pods = (await cluster.client.list(kinds.PODS))["items"]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["node-1", "node-2", "node-3"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    conditions = {item["type"]: item["reason"] for item in done["status"]["conditions"]}
    assert conditions == {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}


async def test_a_new_template_rolls_out_and_keeps_the_old_replica_set(cluster: testing.InProcess) -> None:
    await deployed(cluster, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await cluster.client.patch(kinds.DEPLOYMENTS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)
    done = await cluster.wait(kinds.DEPLOYMENTS, "web", complete(3), "default")
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    sets = (await cluster.client.list(kinds.REPLICA_SETS))["items"]
    assert sorted((item["spec"]["replicas"], item["status"]["replicas"]) for item in sets) == [(0, 0), (3, 3)]
    pods = (await cluster.client.list(kinds.PODS))["items"]
    images = {pod["spec"]["containers"][0]["image"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}
    assert images == {"nginx:2"}


async def test_scaling_up_and_down_follows_the_number(cluster: testing.InProcess) -> None:
    await deployed(cluster, deployment())
    for replicas in (10, 2, 0):
        await cluster.client.patch(kinds.DEPLOYMENTS, "web", "default", {"spec": {"replicas": replicas}})
        await cluster.wait(kinds.DEPLOYMENTS, "web", complete(replicas), "default")


async def test_recreate_starts_nothing_new_while_something_old_runs(cluster: testing.InProcess) -> None:
    await deployed(cluster, deployment(strategy={"type": "Recreate"}))
    running: set[str] = set()
    most_images = 0

    async def follow() -> None:
        nonlocal most_images
        images: dict[str, str] = {}
        async for event in cluster.client.watch(kinds.PODS):
            name = event.object["metadata"].get("name", "")
            if event.type == rest.DELETED:
                images.pop(name, None)
            elif event.type != rest.BOOKMARK:
                images[name] = event.object["spec"]["containers"][0]["image"]
            most_images = max(most_images, len(set(images.values())))
            running.update(images)

    following = asyncio.ensure_future(follow())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await cluster.client.patch(kinds.DEPLOYMENTS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)
    await cluster.wait(kinds.DEPLOYMENTS, "web", complete(3), "default")
    following.cancel()
    assert len(running) == 6
    assert most_images == 1


async def test_a_paused_deployment_does_not_roll_out_until_it_is_resumed(cluster: testing.InProcess) -> None:
    await deployed(cluster, deployment())
    patch = {"spec": {"paused": True, "template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await cluster.client.patch(kinds.DEPLOYMENTS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)

    def paused(obj: Object) -> bool:
        reasons = [item["reason"] for item in obj["status"]["conditions"]]
        return "DeploymentPaused" in reasons and obj["status"]["observedGeneration"] == 2

    held = await cluster.wait(kinds.DEPLOYMENTS, "web", paused, "default")
    assert held["status"].get("updatedReplicas", 0) == 0
    assert len(await names(cluster, kinds.REPLICA_SETS)) == 1
    await cluster.client.patch(kinds.DEPLOYMENTS, "web", "default", {"spec": {"paused": False}})
    await cluster.wait(kinds.DEPLOYMENTS, "web", complete(3), "default")


async def test_a_service_follows_its_pods(cluster: testing.InProcess) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    await cluster.client.create(kinds.SERVICES, service)
    await deployed(cluster, deployment())
    pods = (await cluster.client.list(kinds.PODS))["items"]
    addresses = sorted(pod["status"]["podIP"] for pod in pods)

    def ready(obj: Object) -> bool:
        listed = obj["endpoints"] or []
        return sorted(item["addresses"][0] for item in listed if item["conditions"]["ready"]) == addresses

    (name,) = [n for n in await names(cluster, kinds.ENDPOINT_SLICES) if n.startswith("web-")]
    made = await cluster.wait(kinds.ENDPOINT_SLICES, name, ready, "default")
    assert made["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    assert made["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    old = await cluster.wait(
        kinds.ENDPOINTS,
        "web",
        lambda obj: bool(obj.get("subsets")) and len(obj["subsets"][0].get("addresses", [])) == 3,
        "default",
    )
    assert sorted(address["ip"] for address in old["subsets"][0]["addresses"]) == addresses


@pytest.mark.parametrize("policy", ["Foreground", "Background"])
async def test_deleting_takes_everything_below_along(cluster: testing.InProcess, policy: str) -> None:
    await deployed(cluster, deployment())
    pods = await names(cluster, kinds.PODS)
    (replica_set,) = await names(cluster, kinds.REPLICA_SETS)
    await cluster.client.delete(kinds.DEPLOYMENTS, "web", "default", propagation=policy)
    await cluster.wait_gone(kinds.DEPLOYMENTS, "web", "default")
    await cluster.wait_gone(kinds.REPLICA_SETS, replica_set, "default")
    for pod in pods:
        await cluster.wait_gone(kinds.PODS, pod, "default")


async def test_orphaned_dependents_stay_and_are_adopted_again(cluster: testing.InProcess) -> None:
    await deployed(cluster, deployment())
    before = sorted(await names(cluster, kinds.PODS))
    (name,) = await names(cluster, kinds.REPLICA_SETS)
    await cluster.client.delete(kinds.DEPLOYMENTS, "web", "default", propagation="Orphan")
    await cluster.wait_gone(kinds.DEPLOYMENTS, "web", "default")
    left = await cluster.client.get(kinds.REPLICA_SETS, name, "default")
    assert "ownerReferences" not in left["metadata"]
    await deployed(cluster, deployment())
    assert await names(cluster, kinds.REPLICA_SETS) == [name]
    assert sorted(await names(cluster, kinds.PODS)) == before


async def test_a_namespace_goes_with_all_that_is_in_it(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    await deployed(cluster, deployment(namespace="n"))
    await cluster.client.delete(kinds.NAMESPACES, "n")
    await cluster.wait_gone(kinds.NAMESPACES, "n")
    assert await names(cluster, kinds.PODS, "n") == []


async def test_a_pod_that_fits_nowhere_says_why_and_runs_when_a_node_comes(cluster: testing.InProcess) -> None:
    big = deployment("big", 1)
    big["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "64"}}
    await cluster.client.create(kinds.DEPLOYMENTS, big)
    select = rest.Selection("default")
    # The first try may come while the nodes still have the taint of those that are not ready.
    async with asyncio.timeout(20):
        async for event in cluster.client.watch(kinds.PODS, select, bookmarks=False):
            conditions = (event.object.get("status") or {}).get("conditions") or []
            told = [item for item in conditions if item.get("reason") == "Unschedulable"]
            if told and told[0]["message"].startswith("0/3 nodes are available: 3 Insufficient cpu."):
                break
    assert told[0]["type"] == "PodScheduled"
    cluster.add_node("large", capacity={"cpu": "128"})
    await cluster.wait(kinds.DEPLOYMENTS, "big", complete(1), "default")
    (pod,) = (await cluster.client.list(kinds.PODS))["items"]
    assert pod["spec"]["nodeName"] == "large"
