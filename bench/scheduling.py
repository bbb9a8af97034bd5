"""How fast pods are placed: the decision alone, and end to end with an API server in the same process."""

from __future__ import annotations

import asyncio
import random
import time

import figures
import uvloop

from kijabi import testing
from kijabi.api import kinds, labels
from kijabi.api.resource import Object
from kijabi.client import rest
from kijabi.scheduler import columns, cycle, explain, plugins, podinfo, tallies
from kijabi.scheduler.plugins import contract

SIZES = (1000, 5000)
PODS = 2000
ROUNDS = 3
ZONES = 3


def node(number: int) -> Object:
    name = f"node-{number}"
    marks = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % ZONES}"}
    room = {"cpu": "32", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": marks},
        "spec": {},
        "status": {
            "allocatable": room,
            "capacity": room,
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
        },
    }


def pod(number: int, namespace: str = "default") -> Object:
    container = {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    meta = {"name": f"pod-{number}", "namespace": namespace, "uid": f"uid-{number}", "labels": {"app": "load"}}
    # Nodes are objects only here, and nobody takes the taint off that a new node gets.
    tolerations = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    spec = {"containers": [container], "tolerations": tolerations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def decisions(size: int) -> float:
    """Pods per second of the decision and its bookkeeping, with default topology spreading in effect."""
    table = columns.Columns()
    counts = tallies.Tallies(table)
    for number in range(size):
        table.set_node(node(number))
    selector, chance = labels.from_set({"app": "load"}), random.Random(1)
    rules, history = cycle.Rules(plugins.FILTERS, plugins.SCORES), explain.History()
    pods = [pod(number) for number in range(PODS)]
    started = time.perf_counter()
    for number in range(PODS):
        parsed = podinfo.of(pods[number])
        view = contract.View(parsed, table, counts, lambda name: {}, lambda pod: selector)
        decision = cycle.decide(view, rules, chance)
        history.note(explain.note(decision, 0.0, 1))
        assert decision.row is not None
        row = table.add_pod(table.name(decision.row), parsed)
        assert row is not None
        counts.place(row, parsed)
    return PODS / (time.perf_counter() - started)


async def end_to_end(size: int) -> float:
    """Pods per second created, placed, bound and seen by a watcher. Nodes are objects only: nothing runs."""
    async with testing.InProcess(nodes=0, controllers=("serviceaccount-controller",)) as cluster:
        client = cluster.client
        for start in range(0, size, 500):
            numbers = range(start, min(start + 500, size))
            await asyncio.gather(*(client.create(kinds.NODES, node(number)) for number in numbers))
        await cluster.wait(kinds.SERVICE_ACCOUNTS, "default", lambda obj: True, "default")
        version = (await client.list(kinds.PODS))["metadata"]["resourceVersion"]
        placed = 0

        async def follow() -> None:
            nonlocal placed
            select = rest.Selection("default", fields="spec.nodeName!=")
            async for event in client.watch(kinds.PODS, select, resource_version=version):
                placed += event.type == rest.ADDED
                if placed == PODS:
                    return

        following = asyncio.ensure_future(follow())
        started = time.perf_counter()
        for start in range(0, PODS, 100):
            await asyncio.gather(*(client.create(kinds.PODS, pod(number)) for number in range(start, start + 100)))
        await following
        return PODS / (time.perf_counter() - started)


def main() -> None:
    for size in SIZES:
        values = [decisions(size) for _ in range(ROUNDS)]
        figures.figure(f"decisions, {size} nodes", "pods/s", values, note="the scheduler's own work only")
        values = [uvloop.run(end_to_end(size)) for _ in range(ROUNDS)]
        figures.figure(f"placed end to end, {size} nodes", "pods/s", values, note="API server in the same process")


if __name__ == "__main__":
    main()
