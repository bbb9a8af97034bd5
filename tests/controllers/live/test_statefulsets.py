"""StatefulSets with everything but containers."""

import asyncio

import pytest

import workloads
from kijabi import testing
from kijabi.api import kinds
from kijabi.client import rest

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def stateful(replicas: int = 3, **spec: object) -> workloads.Object:
    return workloads.workload("StatefulSet", serviceName="web", replicas=replicas, **spec)


def ready(count: int) -> object:
    return workloads.settled(replicas=count, readyReplicas=count, updatedReplicas=count, currentReplicas=count)


async def follow(cluster: testing.InProcess, order: list[str]) -> None:
    """Note pods as they come (+) and are told to go (-)."""
    going: set[str] = set()
    async for event in cluster.client.watch(kinds.PODS, rest.Selection("default"), bookmarks=False):
        meta = event.object["metadata"]
        if event.type == rest.ADDED:
            order.append(f"+{meta['name']}")
        if (meta.get("deletionTimestamp") or event.type == rest.DELETED) and meta["uid"] not in going:
            going.add(meta["uid"])
            order.append(f"-{meta['name']}")


async def test_pods_come_in_order_with_names_hosts_and_labels(cluster: testing.InProcess) -> None:
    order: list[str] = []
    following = asyncio.ensure_future(follow(cluster, order))
    await cluster.client.create(kinds.STATEFUL_SETS, stateful())
    done = await cluster.wait(kinds.STATEFUL_SETS, "web", ready(3), "default")
    assert order == ["+web-0", "+web-1", "+web-2"]
    pod = (await workloads.pods(cluster))[1]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "web")
    labels = pod["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["controller-revision-hash"] == done["status"]["currentRevision"] == done["status"]["updateRevision"]
    await cluster.client.patch(kinds.STATEFUL_SETS, "web", "default", {"spec": {"replicas": 1}})
    await cluster.wait(kinds.STATEFUL_SETS, "web", ready(1), "default")
    assert order[3:] == ["-web-2", "-web-1"]
    following.cancel()
    await workloads.wait_events(cluster, "StatefulSet", "SuccessfulCreate", "SuccessfulDelete")


async def test_a_new_template_goes_from_the_highest_ordinal_down(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.STATEFUL_SETS, stateful())
    before = await cluster.wait(kinds.STATEFUL_SETS, "web", ready(3), "default")
    order: list[str] = []
    following = asyncio.ensure_future(follow(cluster, order))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await cluster.client.patch(kinds.STATEFUL_SETS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)
    after = await cluster.wait(kinds.STATEFUL_SETS, "web", ready(3), "default")
    following.cancel()
    assert [name for name in order if name.startswith("-")] == ["-web-2", "-web-1", "-web-0"]
    assert after["status"]["currentRevision"] == after["status"]["updateRevision"]
    assert after["status"]["currentRevision"] != before["status"]["currentRevision"]
    assert {pod["spec"]["containers"][0]["image"] for pod in await workloads.pods(cluster)} == {"nginx:2"}


async def test_a_partition_keeps_the_ordinals_below_it(cluster: testing.InProcess) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await cluster.client.create(kinds.STATEFUL_SETS, stateful(updateStrategy=strategy))
    await cluster.wait(kinds.STATEFUL_SETS, "web", ready(3), "default")
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await cluster.client.patch(kinds.STATEFUL_SETS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)
    half = workloads.settled(readyReplicas=3, updatedReplicas=1, currentReplicas=2)
    await cluster.wait(kinds.STATEFUL_SETS, "web", half, "default")
    images = [pod["spec"]["containers"][0]["image"] for pod in await workloads.pods(cluster)]
    assert images == ["nginx:1", "nginx:1", "nginx:2"]
    await cluster.client.delete(kinds.PODS, "web-0", "default")
    await cluster.wait(kinds.STATEFUL_SETS, "web", workloads.settled(readyReplicas=2), "default")
    await cluster.wait(kinds.STATEFUL_SETS, "web", half, "default")
    assert (await workloads.pods(cluster))[0]["spec"]["containers"][0]["image"] == "nginx:1"


@pytest.mark.parametrize(("deleted", "left"), [("Delete", []), ("Retain", ["data-web-0", "data-web-1"])])
async def test_claims_stay_or_go_with_the_set(cluster: testing.InProcess, deleted: str, left: list[str]) -> None:
    policy = {"whenDeleted": deleted, "whenScaled": "Retain"}
    made = stateful(
        2, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy, podManagementPolicy="Parallel"
    )
    await cluster.client.create(kinds.STATEFUL_SETS, made)
    await workloads.wait_all(cluster, lambda there: len(there) == 2, kinds.PERSISTENT_VOLUME_CLAIMS)
    pods = await workloads.wait_all(cluster, lambda there: len(there) == 2)
    assert pods[0]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"].startswith("data-web-")
    await cluster.client.delete(kinds.STATEFUL_SETS, "web", "default", propagation="Foreground")
    await cluster.wait_gone(kinds.STATEFUL_SETS, "web", "default")
    await workloads.wait_all(cluster, lambda there: there == [])
    if not left:
        await workloads.wait_all(cluster, lambda there: there == [], kinds.PERSISTENT_VOLUME_CLAIMS)
    assert await workloads.names(cluster, kinds.PERSISTENT_VOLUME_CLAIMS) == left


async def test_ordinals_may_start_elsewhere(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.STATEFUL_SETS, stateful(2, ordinals={"start": 5}))
    await cluster.wait(kinds.STATEFUL_SETS, "web", ready(2), "default")
    assert await workloads.names(cluster, kinds.PODS) == ["web-5", "web-6"]
