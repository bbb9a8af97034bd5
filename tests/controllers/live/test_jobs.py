"""Jobs with everything but containers: pods end when a test says so."""

import asyncio

import workloads
from kijabi import testing
from kijabi.api import kinds
from kijabi.client import rest

TRACKING = "batch.kubernetes.io/job-tracking"


async def end_all(cluster: testing.InProcess, exit_code: int = 0) -> None:
    """Let every pod end as soon as it is there, for ever."""
    ended: set[str] = set()
    async for event in cluster.client.watch(kinds.PODS, rest.Selection("default"), bookmarks=False):
        uid = event.object["metadata"]["uid"]
        if event.type != rest.DELETED and event.object["status"].get("phase") == "Running" and uid not in ended:
            ended.add(uid)
            cluster.runtimes[event.object["spec"]["nodeName"]].finish(uid, "c", exit_code)


async def test_a_job_counts_to_its_completions_and_is_complete(cluster: testing.InProcess) -> None:
    ending = asyncio.ensure_future(end_all(cluster))
    await cluster.client.create(kinds.JOBS, workloads.job(completions=5, parallelism=2))
    done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Complete"), "default")
    ending.cancel()
    status = done["status"]
    assert (status["succeeded"], status.get("failed", 0), status.get("active", 0)) == (5, 0, 0)
    assert status["uncountedTerminatedPods"] == {}
    assert [item["type"] for item in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert status["conditions"][1]["reason"] == "CompletionsReached"
    pods = await workloads.pods(cluster)
    assert len(pods) == 5
    assert not any(TRACKING in (pod["metadata"].get("finalizers") or ()) for pod in pods)
    await workloads.wait_events(cluster, "Job", "SuccessfulCreate", "Completed")


async def test_an_indexed_job_does_each_index_once(cluster: testing.InProcess) -> None:
    ending = asyncio.ensure_future(end_all(cluster))
    await cluster.client.create(kinds.JOBS, workloads.job(completions=4, parallelism=4, completionMode="Indexed"))
    done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Complete"), "default")
    ending.cancel()
    assert (done["status"]["completedIndexes"], done["status"]["succeeded"]) == ("0-3", 4)
    pods = await workloads.pods(cluster)
    assert [pod["spec"]["hostname"] for pod in pods] == ["sum-0", "sum-1", "sum-2", "sum-3"]
    marks = [pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods]
    assert marks == ["0", "1", "2", "3"]
    assert pods[0]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


async def test_a_job_fails_at_its_backoff_limit_and_takes_its_pods_along(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.JOBS, workloads.job(completions=2, parallelism=2, backoffLimit=0))
    pods = await workloads.wait_all(cluster, lambda there: len(there) == 2)
    await workloads.end_pod(cluster, pods[0], 1)
    done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Failed"), "default")
    assert [item["type"] for item in done["status"]["conditions"]] == ["FailureTarget", "Failed"]
    assert done["status"]["conditions"][1]["reason"] == "BackoffLimitExceeded"
    assert done["status"]["failed"] == 2
    assert await workloads.names(cluster, kinds.PODS) == [pods[0]["metadata"]["name"]]


async def test_a_failure_policy_ends_the_job_at_once(cluster: testing.InProcess) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    await cluster.client.create(kinds.JOBS, workloads.job(podFailurePolicy={"rules": [rule]}))
    (pod,) = await workloads.wait_all(cluster, lambda there: len(there) == 1)
    await workloads.end_pod(cluster, pod, 42)
    done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Failed"), "default")
    failed = done["status"]["conditions"][-1]
    name = f"default/{pod['metadata']['name']}"
    expected = f"Container c for pod {name} failed with exit code 42 matching FailJob rule at index 0"
    assert (failed["reason"], failed["message"]) == ("PodFailurePolicy", expected)


async def test_a_success_policy_needs_only_the_leader(cluster: testing.InProcess) -> None:
    policy = {"rules": [{"succeededIndexes": "0"}]}
    made = workloads.job(completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy)
    await cluster.client.create(kinds.JOBS, made)
    pods = await workloads.wait_all(cluster, lambda there: len(there) == 3)
    leader = next(pod for pod in pods if pod["spec"]["hostname"] == "sum-0")
    await workloads.end_pod(cluster, leader)
    done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Complete"), "default")
    assert done["status"]["conditions"][0]["message"] == "Matched rules at index 0"
    assert done["status"]["completedIndexes"] == "0"


async def test_a_suspended_job_runs_when_it_is_resumed(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.JOBS, workloads.job(suspend=True))
    held = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Suspended"), "default")
    assert "startTime" not in held["status"]
    await cluster.client.patch(kinds.JOBS, "sum", "default", {"spec": {"suspend": False}})
    (pod,) = await workloads.wait_all(cluster, lambda there: len(there) == 1)
    await cluster.client.patch(kinds.JOBS, "sum", "default", {"spec": {"suspend": True}})
    await cluster.wait_gone(kinds.PODS, pod["metadata"]["name"], "default")
    await cluster.client.patch(kinds.JOBS, "sum", "default", {"spec": {"suspend": False}})
    (pod,) = await workloads.wait_all(cluster, lambda there: len(there) == 1)
    await workloads.end_pod(cluster, pod)
    done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Complete"), "default")
    assert done["status"]["startTime"]


async def test_pods_of_a_deleted_job_are_let_go(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.JOBS, workloads.job())
    (pod,) = await workloads.wait_all(cluster, lambda there: len(there) == 1)
    await cluster.client.delete(kinds.JOBS, "sum", "default", propagation="Background")
    await cluster.wait_gone(kinds.PODS, pod["metadata"]["name"], "default")
