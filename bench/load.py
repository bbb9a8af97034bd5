"""Load on an API server over TLS: GET, create, patch, list, watch. Takes one kubeconfig, or two to compare."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import figures
import uvloop

from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.client import kubeconfig, rest

CONNECTIONS = 16
SECONDS = 3.0
ROUNDS = 3
PODS = 10_000
WATCHERS = 100
CHANGES = 200


def pod(name: str, namespace: str) -> Object:
    container = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        # Nobody places it, so nothing but the server is measured.
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "load", "part": name[-1]}},
        "spec": {"schedulerName": "nobody", "containers": [container]},
    }


class Subject:
    """One server under load, in a namespace of this run's own."""

    def __init__(self, path: str) -> None:
        self.name = Path(path).name
        self.client = kubeconfig.connect(path, component="load")
        self.namespace = f"load-{uuid.uuid4().hex[:8]}"

    async def prepare(self) -> None:
        meta = {"name": self.namespace}
        await self.client.create(kinds.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        try:
            await self.client.create(kinds.SERVICE_ACCOUNTS, account, namespace=self.namespace)
        except rest.errors.AlreadyExists:
            print("# the service account was there already", file=sys.stderr)

    async def close(self) -> None:
        await self.client.delete(kinds.NAMESPACES, self.namespace)
        await self.client.wire.close()


async def rate(work: Callable[[int], Awaitable[object]]) -> float:
    """Calls per second of ``work(number)`` from ``CONNECTIONS`` workers for ``SECONDS``."""
    done = 0
    until = time.perf_counter() + SECONDS

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < until:
            done += 1
            await work(done)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return done / (time.perf_counter() - started)


async def gets(subject: Subject) -> float:
    name = f"get-{uuid.uuid4().hex[:8]}"
    await subject.client.create(kinds.PODS, pod(name, subject.namespace))
    path = kinds.PODS.path(subject.namespace, name)
    return await rate(lambda number: subject.client.wire.request("GET", path))


async def creates(subject: Subject) -> float:
    run = uuid.uuid4().hex[:6]
    return await rate(lambda number: subject.client.create(kinds.PODS, pod(f"c-{run}-{number}", subject.namespace)))


async def patches(subject: Subject) -> float:
    run = uuid.uuid4().hex[:6]
    names = [f"p-{run}-{number}" for number in range(CONNECTIONS * 4)]
    await asyncio.gather(*(subject.client.create(kinds.PODS, pod(name, subject.namespace)) for name in names))

    async def one(number: int) -> object:
        patch = {"metadata": {"annotations": {"number": str(number)}}}
        return await subject.client.patch(kinds.PODS, names[number % len(names)], subject.namespace, patch)

    return await rate(one)


async def fill(subject: Subject) -> None:
    listed = await subject.client.list(kinds.PODS, rest.Selection(subject.namespace), limit=1)
    there = len(listed["items"]) + int(listed["metadata"].get("remainingItemCount") or 0)
    run, missing = uuid.uuid4().hex[:6], PODS - there
    for start in range(0, missing, 200):
        numbers = range(start, min(start + 200, missing))
        await asyncio.gather(
            *(subject.client.create(kinds.PODS, pod(f"f-{run}-{number}", subject.namespace)) for number in numbers)
        )


async def list_time(subject: Subject) -> float:
    """Milliseconds for a list of 10,000 pods, read whole but not decoded."""
    path = kinds.PODS.path(subject.namespace)
    started = time.perf_counter()
    reply = await subject.client.wire.request("GET", path, query={"resourceVersion": "0"})
    assert reply.status == 200
    return (time.perf_counter() - started) * 1000


async def fan_out(subject: Subject) -> float:
    """Events per second that reach 100 watchers in all."""
    select = rest.Selection(subject.namespace)
    version = (await subject.client.list(kinds.CONFIG_MAPS, select))["metadata"]["resourceVersion"]
    path = kinds.CONFIG_MAPS.path(subject.namespace)
    query = {"watch": "true", "resourceVersion": version}
    ready = asyncio.Semaphore(0)
    run = uuid.uuid4().hex[:6]

    async def watcher() -> None:
        seen = 0
        async with subject.client.wire.stream("GET", path, query=query) as reply:
            ready.release()
            assert reply.chunks is not None
            async for chunk in reply.chunks:
                seen += chunk.count(b"\n")
                if seen >= CHANGES:
                    return

    watchers = [asyncio.ensure_future(watcher()) for _ in range(WATCHERS)]
    for _ in watchers:
        await ready.acquire()
    started = time.perf_counter()
    for number in range(CHANGES):
        obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"w-{run}-{number}"},
            "data": {"a": "b" * 500},
        }
        await subject.client.create(kinds.CONFIG_MAPS, obj, namespace=subject.namespace)
    await asyncio.gather(*watchers)
    return WATCHERS * CHANGES / (time.perf_counter() - started)


BENCHES: list[tuple[str, str, Callable[[Subject], Awaitable[float]]]] = [
    ("get", "1/s", gets),
    ("create", "1/s", creates),
    ("patch", "1/s", patches),
    ("watch fan-out", "events/s", fan_out),
    ("list 10,000 pods", "ms", list_time),
]


async def main(paths: list[str]) -> None:
    subjects = [Subject(path) for path in paths]
    for subject in subjects:
        await subject.prepare()
    try:
        for name, unit, bench in BENCHES:
            if bench is list_time:
                for subject in subjects:
                    await fill(subject)
            values: dict[str, list[float]] = {subject.name: [] for subject in subjects}
            for _ in range(ROUNDS):
                for subject in subjects:
                    values[subject.name].append(await bench(subject))
            medians = {key: figures.figure(name, unit, found, subject=key) for key, found in values.items()}
            figures.ratios(name, medians)
    finally:
        for subject in subjects:
            await subject.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: load.py KUBECONFIG [KUBECONFIG]")
    uvloop.run(main(sys.argv[1:]))
