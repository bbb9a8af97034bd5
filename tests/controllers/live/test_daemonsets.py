"""DaemonSets with everything but containers."""

import workloads
from kijabi import testing
from kijabi.api import kinds
from kijabi.client import rest


def ready(count: int, updated: int | None = None) -> object:
    return workloads.settled(
        desiredNumberScheduled=count,
        numberAvailable=count,
        updatedNumberScheduled=count if updated is None else updated,
    )


async def roll(cluster: testing.InProcess, image: str = "nginx:2") -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await cluster.client.patch(kinds.DAEMON_SETS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)


async def test_every_node_gets_a_pod_and_a_node_that_comes_later_too(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.DAEMON_SETS, workloads.workload("DaemonSet"))
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    cluster.add_node("late")
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(4), "default")
    pods = await workloads.pods(cluster)
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["late", "node-1", "node-2", "node-3"]


async def test_only_nodes_with_the_label_get_a_pod_and_lose_it_with_the_label(cluster: testing.InProcess) -> None:
    labelled = {"metadata": {"labels": {"disk": "ssd"}}}
    await cluster.client.patch(kinds.NODES, "node-2", "", labelled)
    chosen = workloads.workload("DaemonSet", pod={"nodeSelector": {"disk": "ssd"}})
    await cluster.client.create(kinds.DAEMON_SETS, chosen)
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(1), "default")
    (pod,) = await workloads.pods(cluster)
    assert pod["spec"]["nodeName"] == "node-2"
    await cluster.client.patch(kinds.NODES, "node-2", "", {"metadata": {"labels": {"disk": None}}})
    await cluster.wait_gone(kinds.PODS, pod["metadata"]["name"], "default")


async def test_a_new_template_replaces_one_pod_after_the_other(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.DAEMON_SETS, workloads.workload("DaemonSet"))
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    await roll(cluster)
    lowest = 3

    def done(obj: workloads.Object) -> bool:
        nonlocal lowest
        lowest = min(lowest, obj["status"].get("numberAvailable", 0))
        return bool(ready(3)(obj))  # type: ignore[operator]

    await cluster.wait(kinds.DAEMON_SETS, "web", done, "default")
    assert lowest >= 2
    assert {pod["spec"]["containers"][0]["image"] for pod in await workloads.pods(cluster)} == {"nginx:2"}
    kept = (await cluster.client.list(kinds.CONTROLLER_REVISIONS))["items"]
    assert sorted(item["revision"] for item in kept) == [1, 2]


async def test_a_surge_never_takes_an_available_pod_away(cluster: testing.InProcess) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await cluster.client.create(kinds.DAEMON_SETS, workloads.workload("DaemonSet", updateStrategy=strategy))
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    await roll(cluster)
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    done = lambda there: sum(not p["metadata"].get("deletionTimestamp") for p in there) == 3  # noqa: E731
    pods = await workloads.wait_all(cluster, done)
    assert {pod["spec"]["containers"][0]["image"] for pod in pods if not pod["metadata"].get("deletionTimestamp")} == {
        "nginx:2"
    }


async def test_going_back_gives_the_first_revision_a_new_number(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.DAEMON_SETS, workloads.workload("DaemonSet"))
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    (first,) = (await cluster.client.list(kinds.CONTROLLER_REVISIONS))["items"]
    await roll(cluster)
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    # What kubectl sends for "rollout undo".
    await cluster.client.patch(kinds.DAEMON_SETS, "web", "default", first["data"], type=rest.STRATEGIC_MERGE_PATCH)
    await cluster.wait(kinds.DAEMON_SETS, "web", ready(3), "default")
    kept = (await cluster.client.list(kinds.CONTROLLER_REVISIONS))["items"]
    numbers = {item["metadata"]["name"]: item["revision"] for item in kept}
    assert numbers[first["metadata"]["name"]] == 3
    assert len(numbers) == 2
    assert {pod["spec"]["containers"][0]["image"] for pod in await workloads.pods(cluster)} == {"nginx:1"}
