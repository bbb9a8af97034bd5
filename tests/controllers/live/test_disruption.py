"""Budgets, evictions and quotas, with everything but containers."""

import asyncio

import pytest

import workloads
from kijabi import testing
from kijabi.api import errors, kinds


def budget(**spec: object) -> workloads.Object:
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": selector, **spec},
    }


async def evict(cluster: testing.InProcess, pod: workloads.Object) -> None:
    meta = {"name": pod["metadata"]["name"], "namespace": "default"}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    await cluster.client.create(kinds.PODS, eviction, name=meta["name"], subresource="eviction")


@pytest.mark.parametrize("spec", [{"minAvailable": 2}, {"maxUnavailable": 1}, {"minAvailable": "60%"}])
async def test_one_eviction_is_granted_and_the_next_refused(
    cluster: testing.InProcess, spec: dict[str, object]
) -> None:
    await cluster.client.create(kinds.POD_DISRUPTION_BUDGETS, budget(**spec))
    await cluster.client.create(kinds.DEPLOYMENTS, workloads.workload("Deployment", replicas=3))
    roomy = workloads.settled(disruptionsAllowed=1, currentHealthy=3, desiredHealthy=2, expectedPods=3)
    await cluster.wait(kinds.POD_DISRUPTION_BUDGETS, "web", roomy, "default")
    first, second, _ = await workloads.pods(cluster)
    await evict(cluster, first)
    with pytest.raises(errors.TooManyRequests) as refused:
        await evict(cluster, second)
    assert "disruption budget" in str(refused.value)
    # The Deployment makes a new one, and there is room again.
    await cluster.wait(kinds.POD_DISRUPTION_BUDGETS, "web", roomy, "default")


async def test_pods_without_a_controller_cannot_be_counted_in_percent(cluster: testing.InProcess) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", **workloads.template()}
    pod["metadata"] |= {"name": "alone", "namespace": "default"}
    await cluster.client.create(kinds.PODS, pod)
    await cluster.client.create(kinds.POD_DISRUPTION_BUDGETS, budget(minAvailable="50%"))
    await cluster.wait(kinds.POD_DISRUPTION_BUDGETS, "web", workloads.settled(expectedPods=0), "default")
    await workloads.wait_events(cluster, "PodDisruptionBudget", "UnmanagedPods")


def quota(**hard: str) -> workloads.Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "most", "namespace": "default"},
        "spec": {"hard": hard},
    }


async def test_a_quota_is_never_exceeded_and_filled_up_again(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.RESOURCE_QUOTAS, quota(pods="4", **{"count/deployments.apps": "2"}))
    counted = lambda obj: ((obj.get("status") or {}).get("used") or {}).get("pods") == "0"  # noqa: E731
    await cluster.wait(kinds.RESOURCE_QUOTAS, "most", counted, "default")
    most = 0

    async def follow() -> None:
        nonlocal most
        there: set[str] = set()
        async for event in cluster.client.watch(kinds.PODS, bookmarks=False):
            meta = event.object["metadata"]
            if event.type == "DELETED":
                there.discard(meta["uid"])
            else:
                there.add(meta["uid"])
            most = max(most, len(there))

    following = asyncio.ensure_future(follow())
    await cluster.client.create(kinds.DEPLOYMENTS, workloads.workload("Deployment", replicas=6))
    await cluster.wait(kinds.DEPLOYMENTS, "web", workloads.settled(availableReplicas=4), "default")
    used = {"pods": "4", "count/deployments.apps": "1"}
    await cluster.wait(kinds.RESOURCE_QUOTAS, "most", lambda obj: obj["status"]["used"] == used, "default")
    pods = await workloads.pods(cluster)
    await cluster.client.delete(kinds.PODS, pods[0]["metadata"]["name"], "default")
    await cluster.wait_gone(kinds.PODS, pods[0]["metadata"]["name"], "default")
    await cluster.wait(kinds.DEPLOYMENTS, "web", workloads.settled(availableReplicas=4), "default")
    await cluster.client.delete(kinds.DEPLOYMENTS, "web", "default", propagation="Foreground")
    await cluster.wait_gone(kinds.DEPLOYMENTS, "web", "default")
    none = {"pods": "0", "count/deployments.apps": "0"}
    await cluster.wait(kinds.RESOURCE_QUOTAS, "most", lambda obj: obj["status"]["used"] == none, "default")
    following.cancel()
    assert most == 4
