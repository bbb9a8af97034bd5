"""The actor against a real API server in the same process: what is written, and what happens when that goes wrong."""

import asyncio
import contextlib

import prometheus_client
import pytest

from kijabi import testing
from kijabi.api import conditions, errors, kinds
from kijabi.client import informer, rest, transport
from kijabi.kit import clock, jsons
from kijabi.scheduler import podinfo, program, scheduler
from kijabi.scheduler.profiles import Configuration, Profile

# Nobody says here that a node is ready.
TOLERATIONS = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}]
SECONDS = 10.0


def a_node(name, cpu="4", pods="10"):
    room = {"cpu": cpu, "memory": "8Gi", "pods": pods}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": room, "capacity": room},
    }


def a_pod(name, cpu="1", **spec):
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    spec = {"containers": [container], "tolerations": TOLERATIONS, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


class Wire:
    """The road to the API server, with a say in what becomes of bindings."""

    def __init__(self, inner):
        self._inner = inner
        self.on_binding = None

    async def request(self, method, path, **more):
        if method == "POST" and path.endswith("/binding") and self.on_binding is not None:
            return await self.on_binding(lambda: self._inner.request(method, path, **more))
        return await self._inner.request(method, path, **more)

    def stream(self, method, path, **more):
        return self._inner.stream(method, path, **more)

    async def close(self):
        await self._inner.close()


class Bench:
    """An API server, and schedulers that the test starts and stops."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.client
        user = testing.inprocess.component("system:kube-scheduler")
        self.wire = Wire(transport.Local(cluster.assembly.api.handle, user))

    @contextlib.asynccontextmanager
    async def scheduling(self, *profiles):
        client = rest.Client(self.wire, "kube-scheduler")
        informers = informer.Informers(client)
        chosen = Configuration(profiles or (Profile(),), initial_backoff=0.01, max_backoff=0.01)
        placing = scheduler.Scheduler(client, informers, chosen)
        work = asyncio.ensure_future(program.lead(placing, informers, clock.SYSTEM))
        try:
            yield placing
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def nodes(self, *nodes):
        for node in nodes:
            await self.client.create(kinds.NODES, node)

    async def pods(self, *pods):
        return [await self.client.create(kinds.PODS, pod) for pod in pods]

    async def wait(self, name, holds):
        return await self.cluster.wait(kinds.PODS, name, holds, "default", seconds=SECONDS)

    async def placed(self, name):
        pod = await self.wait(name, lambda pod: bool(pod["spec"].get("nodeName")))
        return pod["spec"]["nodeName"]

    async def refused(self, name, text):
        def told(pod):
            found = conditions.get(pod, "PodScheduled")
            return found is not None and text in found.get("message", "")

        return await self.wait(name, told)

    async def event(self, reason, about):
        select = rest.Selection("default", fields=f"reason={reason},involvedObject.name={about}")
        async with asyncio.timeout(SECONDS):
            async for event in self.client.watch(kinds.EVENTS, select, bookmarks=False):
                return event.object
        raise AssertionError("the watch ended")

    async def gone(self, name):
        await self.client.delete(kinds.PODS, name, "default", grace_seconds=0)
        await self.cluster.wait_gone(kinds.PODS, name, "default", seconds=SECONDS)


@pytest.fixture
async def bench():
    async with testing.InProcess(nodes=0, controllers=("serviceaccount-controller",), scheduler=False) as cluster:
        await cluster.wait(kinds.SERVICE_ACCOUNTS, "default", lambda account: True, "default")
        yield Bench(cluster)


def used(placing):
    table = placing.cluster.columns
    return {name: int(table.used[0, row]) for name, row in table.row_of.items()}


async def test_a_pod_is_bound_and_said_so(bench):
    await bench.nodes(a_node("n"))
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        assert await bench.placed("p") == "n"
        event = await bench.event("Scheduled", "p")
        assert event["message"] == "Successfully assigned default/p to n"
        assert event["source"]["component"] == "default-scheduler"
        assert used(placing) == {"n": 1000}
        assert placing.history.of("default/p")["node"] == "n"


async def test_a_pod_that_fits_nowhere_says_why_and_is_placed_when_a_node_comes(bench):
    await bench.nodes(a_node("small", cpu="1"))
    async with bench.scheduling():
        await bench.pods(a_pod("p", cpu="2"))
        message = (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 Preemption is not helpful for scheduling."
        )
        pod = await bench.refused("p", message)
        assert conditions.get(pod, "PodScheduled")["reason"] == "Unschedulable"
        assert (await bench.event("FailedScheduling", "p"))["message"] == message
        await bench.nodes(a_node("large"))
        assert await bench.placed("p") == "large"


async def test_a_refused_binding_is_tried_again(bench):
    await bench.nodes(a_node("n"))
    answers = []

    async def refuse_once(go_on):
        answers.append(None)
        if len(answers) == 1:
            status = {"kind": "Status", "status": "Failure", "reason": "InternalError", "code": 500, "message": "no"}
            return transport.Reply(500, {}, jsons.dumps(status))
        return await go_on()

    bench.wire.on_binding = refuse_once
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        assert await bench.placed("p") == "n"
        assert len(answers) == 2
        assert used(placing) == {"n": 1000}


async def test_a_lost_answer_counts_the_pod_once(bench):
    await bench.nodes(a_node("n"))

    async def lose(go_on):
        await go_on()
        raise transport.Unreachable("the answer was lost")

    bench.wire.on_binding = lose
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        assert await bench.placed("p") == "n"
        bench.wire.on_binding = None
        # Decided after the first, so what became of it is settled.
        await bench.pods(a_pod("q"))
        await bench.event("Scheduled", "q")
        assert used(placing) == {"n": 2000}
        assert placing.queue.counts() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}


async def test_a_pod_deleted_while_it_is_bound_frees_its_place(bench):
    await bench.nodes(a_node("n", cpu="1"))
    asked, go = asyncio.Event(), asyncio.Event()

    async def hold(go_on):
        asked.set()
        await go.wait()
        return await go_on()

    bench.wire.on_binding = hold
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        await asyncio.wait_for(asked.wait(), SECONDS)
        assert used(placing) == {"n": 1000}
        await bench.gone("p")
        bench.wire.on_binding = None
        go.set()
        await bench.pods(a_pod("q"))
        assert await bench.placed("q") == "n"
        assert used(placing) == {"n": 1000}


async def test_pods_of_a_node_that_left_count_again_when_it_is_back(bench):
    await bench.nodes(a_node("n", cpu="2"))
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        await bench.placed("p")
        await bench.client.delete(kinds.NODES, "n")
        await bench.pods(a_pod("q", cpu="2"))
        await bench.refused("q", "no nodes available to schedule pods")
        await bench.nodes(a_node("n", cpu="2"))
        await bench.refused("q", "Insufficient cpu")
        assert used(placing) == {"n": 1000}


async def test_another_scheduler_takes_over_with_the_right_counts(bench):
    await bench.nodes(a_node("n", cpu="3"))
    async with bench.scheduling():
        await bench.pods(a_pod("p"))
        await bench.placed("p")
    # Made while nobody was there.
    await bench.pods(a_pod("q"), a_pod("large", cpu="3"))
    async with bench.scheduling() as placing:
        assert await bench.placed("q") == "n"
        await bench.refused("large", "Insufficient cpu")
        assert used(placing) == {"n": 2000}


async def test_a_gated_pod_waits_for_its_gates(bench):
    await bench.nodes(a_node("n"))
    async with bench.scheduling() as placing:
        [made] = await bench.pods(a_pod("p", schedulingGates=[{"name": "example.com/wait"}]))
        assert conditions.get(made, "PodScheduled")["reason"] == "SchedulingGated"
        await bench.pods(a_pod("q"))
        await bench.placed("q")
        assert placing.queue.counts()["gated"] == 1
        patch = {"spec": {"schedulingGates": []}}
        await bench.client.patch(kinds.PODS, "p", "default", patch)
        assert await bench.placed("p") == "n"


async def test_room_freed_by_a_pod_that_ended_is_used(bench):
    await bench.nodes(a_node("n", cpu="1"))
    async with bench.scheduling():
        await bench.pods(a_pod("p"))
        await bench.placed("p")
        await bench.pods(a_pod("q"))
        await bench.refused("q", "Insufficient cpu")
        patch = {"status": {"phase": "Succeeded"}}
        await bench.client.patch(kinds.PODS, "p", "default", patch, subresource="status")
        assert await bench.placed("q") == "n"


async def test_each_profile_places_its_own_pods_and_nobody_anothers(bench):
    await bench.nodes(a_node("n"))
    async with bench.scheduling(Profile("default-scheduler"), Profile("mine")) as placing:
        await bench.pods(a_pod("other", schedulerName="other"), a_pod("mine", schedulerName="mine"), a_pod("p"))
        assert await bench.placed("mine") == "n"
        assert (await bench.event("Scheduled", "mine"))["source"]["component"] == "mine"
        assert await bench.placed("p") == "n"
        assert placing.history.of("default/other") is None


async def test_what_if_changes_nothing(bench):
    await bench.nodes(a_node("n"))
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        await bench.placed("p")
        wanted = a_pod("q", cpu="3")
        wanted["metadata"]["uid"] = "q"
        decision = placing.decide(podinfo.of(wanted))
        assert placing.cluster.columns.name(decision.row) == "n"
        assert used(placing) == {"n": 1000}
        assert placing.history.of("default/q") is None


async def priority_class(bench, name, value):
    meta = {"name": name}
    made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta, "value": value}
    await bench.client.create(kinds.PRIORITY_CLASSES, made)


async def test_the_important_evict_the_unimportant(bench):
    await bench.nodes(a_node("n", cpu="1"))
    await priority_class(bench, "high", 1000)
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("low"))
        await bench.placed("low")
        [made] = await bench.pods(a_pod("high", priorityClassName="high"))
        nominated = await bench.wait("high", lambda pod: bool(pod["status"].get("nominatedNodeName")))
        assert nominated["status"]["nominatedNodeName"] == "n"
        victim = await bench.wait("low", lambda pod: bool(pod["metadata"].get("deletionTimestamp")))
        target = conditions.get(victim, "DisruptionTarget")
        assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
        assert target["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
        event = await bench.event("Preempted", "low")
        assert event["message"] == f"Preempted by pod {made['metadata']['uid']} on node n"
        # The room is not for pods of less importance, though they were here first.
        await bench.pods(a_pod("other"))
        await bench.refused("other", "Insufficient cpu")
        await bench.gone("low")
        assert await bench.placed("high") == "n"
        assert used(placing) == {"n": 1000}


async def test_a_pod_whose_victims_cannot_be_evicted_tries_again(bench):
    await bench.nodes(a_node("n", cpu="1"))
    await priority_class(bench, "high", 1000)
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("low"))
        await bench.placed("low")
        inner, failures = bench.wire.request, []

        async def refuse_once(method, path, **more):
            if method == "DELETE" and not failures:
                failures.append(path)
                raise transport.Unreachable("gone")
            return await inner(method, path, **more)

        bench.wire.request = refuse_once
        await bench.pods(a_pod("high", priorityClassName="high"))
        await bench.wait("low", lambda pod: bool(pod["metadata"].get("deletionTimestamp")))
        await bench.gone("low")
        assert await bench.placed("high") == "n"
        assert len(failures) == 1
        assert used(placing) == {"n": 1000}


async def test_a_pod_deleted_before_it_is_placed_is_forgotten(bench):
    async with bench.scheduling() as placing:
        await bench.pods(a_pod("p"))
        await bench.refused("p", "no nodes available")
        await bench.gone("p")
        await bench.nodes(a_node("n"))
        await bench.pods(a_pod("q"))
        await bench.placed("q")
        assert used(placing) == {"n": 1000}
        with pytest.raises(errors.NotFound):
            await bench.client.get(kinds.PODS, "p", "default")


async def test_what_was_done_is_counted(bench):
    def read(name, **labels):
        return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0.0

    placed = {"result": "scheduled", "profile": "counted"}
    refused = {"result": "unschedulable", "profile": "counted"}
    await bench.nodes(a_node("n"))
    async with bench.scheduling(Profile("counted")):
        await bench.pods(a_pod("p", schedulerName="counted"), a_pod("q", cpu="9", schedulerName="counted"))
        await bench.event("Scheduled", "p")
        await bench.refused("q", "Insufficient cpu")
        assert read("scheduler_schedule_attempts_total", **placed) == 1
        assert read("scheduler_schedule_attempts_total", **refused) == 1
        assert read("scheduler_scheduling_attempt_duration_seconds_count", **placed) == 1
        assert read("scheduler_pending_pods", queue="unschedulable") == 1
        assert read("scheduler_pending_pods", queue="active") == 0
        assert read("scheduler_cache_size", type="nodes") == 1
        assert read("scheduler_cache_size", type="pods") == 1
