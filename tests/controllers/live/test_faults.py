"""Controllers behind a network that refuses, loses answers and breaks watches: they still get there, and once only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

import faults
import workloads
from kijabi import testing
from kijabi.api import kinds
from kijabi.client import rest
from kijabi.controllers import options, program
from kijabi.testing import inprocess

CONTROLLERS = ("deployment-controller", "replicaset-controller", "job-controller")


class Scene:
    """A sound cluster whose controllers alone are cut off again and again."""

    def __init__(self, cluster: testing.InProcess, seed: int) -> None:
        self.cluster = cluster
        self._seed = seed
        self.wires: list[faults.Faulty] = []

    def client_of(self, account: str) -> rest.Client:
        inner = self.cluster.client_of(
            inprocess.component(f"system:serviceaccount:kube-system:{account}", *inprocess.SERVICE_ACCOUNT_GROUPS)
        )
        return self._faulty(inner)

    def _faulty(self, inner: rest.Client) -> rest.Client:
        self._seed += 1
        wire = faults.Faulty(inner.wire, self._seed, lost=0.1, refused=0.1, conflicts=0.1, broken=0.05)
        self.wires.append(wire)
        return rest.Client(wire, "kube-controller-manager")

    async def control(self) -> None:
        client = self._faulty(self.cluster.client_of(inprocess.component("system:kube-controller-manager")))
        await program.lead(client, options.Options(controllers=list(CONTROLLERS)), self.client_of)

    def hits(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for wire in self.wires:
            for kind, count in wire.hits.items():
                total[kind] = total.get(kind, 0) + count
        return total


@contextlib.asynccontextmanager
async def scene(seed: int) -> AsyncIterator[Scene]:
    others = ("*", *(f"-{name}" for name in CONTROLLERS))
    async with testing.InProcess(nodes=2, controllers=others) as cluster:
        made = Scene(cluster, seed * 1000)
        controlling = asyncio.ensure_future(made.control())
        try:
            yield made
        finally:
            controlling.cancel()
            await asyncio.gather(controlling, return_exceptions=True)


async def follow(cluster: testing.InProcess, seen: dict[str, workloads.Object], most: list[int]) -> None:
    """Note every pod that ever is, and how many are at work at one time."""
    alive: set[str] = set()
    async for event in cluster.client.watch(kinds.PODS, rest.Selection("default"), bookmarks=False):
        meta = event.object["metadata"]
        seen[meta["uid"]] = event.object
        ended = event.object["status"].get("phase") in ("Succeeded", "Failed")
        if event.type == rest.DELETED or meta.get("deletionTimestamp") or ended:
            alive.discard(meta["uid"])
        else:
            alive.add(meta["uid"])
        most.append(len(alive))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_rollout_converges_and_never_exceeds_its_surge(seed: int) -> None:
    async with scene(seed) as made:
        cluster, seen, most = made.cluster, {}, [0]
        following = asyncio.ensure_future(follow(cluster, seen, most))
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
        await cluster.client.create(kinds.DEPLOYMENTS, workloads.workload("Deployment", replicas=4, strategy=rolling))
        complete = workloads.settled(replicas=4, updatedReplicas=4, availableReplicas=4)
        await cluster.wait(kinds.DEPLOYMENTS, "web", complete, "default", seconds=20)
        assert (len(seen), max(most)) == (4, 4)
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
        await cluster.client.patch(kinds.DEPLOYMENTS, "web", "default", patch, type=rest.STRATEGIC_MERGE_PATCH)
        await cluster.wait(kinds.DEPLOYMENTS, "web", complete, "default", seconds=20)
        following.cancel()
        assert len(seen) == 8
        assert max(most) <= 5
        assert {"lost", "refused", "conflict", "broken"} <= made.hits().keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
async def test_a_job_makes_and_counts_every_pod_once(seed: int, mode: str) -> None:
    async with scene(seed) as made:
        cluster, seen, most = made.cluster, {}, [0]
        following = asyncio.ensure_future(follow(cluster, seen, most))

        async def end_all() -> None:
            ended: set[str] = set()
            async for event in cluster.client.watch(kinds.PODS, rest.Selection("default"), bookmarks=False):
                uid = event.object["metadata"]["uid"]
                running = event.object["status"].get("phase") == "Running"
                if event.type != rest.DELETED and running and uid not in ended:
                    ended.add(uid)
                    cluster.runtimes[event.object["spec"]["nodeName"]].finish(uid, "c", 0)

        ending = asyncio.ensure_future(end_all())
        job = workloads.job(completions=8, parallelism=3, completionMode=mode)
        await cluster.client.create(kinds.JOBS, job)
        done = await cluster.wait(kinds.JOBS, "sum", workloads.holds("Complete"), "default", seconds=20)
        following.cancel()
        ending.cancel()
        status = done["status"]
        assert (status["succeeded"], status.get("failed", 0), len(seen)) == (8, 0, 8)
        assert max(most) <= 3
        assert status["uncountedTerminatedPods"] == {}
