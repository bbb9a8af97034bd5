"""Load on an API server over TLS: GET, create, patch, list, watch. Takes one kubeconfig, or two to compare."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

import figures
import footprint
import uvloop
import wire

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
        self.name = path
        self.client = kubeconfig.connect(path, component="load")
        self.server = wire.Server(path)
        self.callers: list[wire.Caller] = []
        self.namespace = f"load-{uuid.uuid4().hex[:8]}"

    async def prepare(self) -> None:
        meta = {"name": self.namespace}
        await self.client.create(kinds.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        with contextlib.suppress(rest.errors.AlreadyExists):
            await self.client.create(kinds.SERVICE_ACCOUNTS, account, namespace=self.namespace)
        self.callers = [await self.server.connect() for _ in range(CONNECTIONS)]

    async def close(self) -> None:
        for caller in self.callers:
            caller.close()
        await self.client.delete(kinds.NAMESPACES, self.namespace)
        await self.client.wire.close()

    def creation(self, name: str) -> bytes:
        body = json.dumps(pod(name, self.namespace)).encode()
        return self.callers[0].message("POST", kinds.PODS.path(self.namespace), body)

    async def send(self, messages: Iterable[bytes], status: int, seconds: float = 3600.0) -> float:
        """Send all (or what can be sent in ``seconds``) over all connections; gives answers per second."""
        until = time.perf_counter() + seconds
        turns = iter(messages)
        before = sum(caller.done for caller in self.callers)

        def drive(caller: wire.Caller) -> Awaitable[None]:
            def following() -> bytes | None:
                assert caller.status in (0, status), f"the server answered {caller.status}"
                return next(turns, None) if time.perf_counter() < until else None

            caller.status = 0
            return caller.drive(following)

        started = time.perf_counter()
        await asyncio.gather(*map(drive, self.callers))
        took = time.perf_counter() - started
        return (sum(caller.done for caller in self.callers) - before) / took


async def gets(subject: Subject) -> float:
    name = f"get-{uuid.uuid4().hex[:8]}"
    await subject.client.create(kinds.PODS, pod(name, subject.namespace))
    message = subject.callers[0].message("GET", kinds.PODS.path(subject.namespace, name))
    return await subject.send(itertools.repeat(message), 200, SECONDS)


async def creates(subject: Subject) -> float:
    run = uuid.uuid4().hex[:6]
    # Made beforehand, and joined while the clock runs: what encoding costs here is not the server's.
    head, _, tail = subject.creation("c-000000-0000000").partition(b"c-000000-0000000")
    return await subject.send((head + b"c-%s-%07d" % (run.encode(), n) + tail for n in itertools.count()), 201, SECONDS)


async def patches(subject: Subject) -> float:
    run = uuid.uuid4().hex[:6]
    names = [f"p-{run}-{number}" for number in range(CONNECTIONS * 4)]
    await subject.send(map(subject.creation, names), 201)
    body = b'{"metadata":{"annotations":{"number":"%08d"}}}'
    parts = [
        subject.callers[0]
        .message("PATCH", kinds.PODS.path(subject.namespace, name), body, "application/merge-patch+json")
        .replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(body % 0))
        for name in names
    ]
    return await subject.send((parts[n % len(parts)] % n for n in itertools.count()), 200, SECONDS)


async def applies(subject: Subject) -> float:
    """Server-side apply of a whole pod, one label of which is another each time, by one manager."""
    run = uuid.uuid4().hex[:6]
    messages = []
    for number in range(CONNECTIONS * 4):
        name = f"a-{run}-{number}"
        made = pod(name, subject.namespace)
        made["metadata"]["labels"]["number"] = "%08d"
        body = json.dumps(made).encode()
        path = f"{kinds.PODS.path(subject.namespace, name)}?fieldManager=load&force=true"
        message = subject.callers[0].message("PATCH", path, body, "application/apply-patch+yaml")
        messages.append(message.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(body % 0)))
    await subject.send((message % 0 for message in messages), 201)
    return await subject.send((messages[n % len(messages)] % n for n in itertools.count(1)), 200, SECONDS)


async def fill(subject: Subject) -> None:
    listed = await subject.client.list(kinds.PODS, rest.Selection(subject.namespace), limit=1)
    there = len(listed["items"]) + int(listed["metadata"].get("remainingItemCount") or 0)
    run = uuid.uuid4().hex[:6]
    await subject.send((subject.creation(f"f-{run}-{number}") for number in range(PODS - there)), 201)


async def list_time(subject: Subject) -> float:
    """Milliseconds for a list of 10,000 pods, read whole but not decoded."""
    caller = subject.callers[0]
    message = caller.message("GET", f"{kinds.PODS.path(subject.namespace)}?limit={PODS}&resourceVersion=0")
    started = time.perf_counter()
    assert await caller.ask(message) == 200
    return (time.perf_counter() - started) * 1000


async def fan_out(subject: Subject) -> float:
    """Events per second that reach 100 watchers in all."""
    select = rest.Selection(subject.namespace)
    version = (await subject.client.list(kinds.CONFIG_MAPS, select))["metadata"]["resourceVersion"]
    path = kinds.CONFIG_MAPS.path(subject.namespace)
    watch = f"{path}?watch=true&resourceVersion={version}&allowWatchBookmarks=true"
    run = uuid.uuid4().hex[:6]

    def creation(number: int) -> bytes:
        meta = {"name": f"w-{run}-{number}"}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b" * 500}}
        return subject.callers[0].message("POST", path, json.dumps(obj).encode())

    messages = [creation(number) for number in range(CHANGES + 1)]
    listeners = [asyncio.ensure_future(subject.server.listen(watch, CHANGES)) for _ in range(WATCHERS)]
    # A server may hold its head back until there is a first event.
    while not all(listener.done() for listener in listeners):
        done, _ = await asyncio.wait(listeners, timeout=0.3)
        if len(done) < len(listeners):
            break
    started = time.perf_counter()
    await subject.send(messages, 201)
    open_ = await asyncio.gather(*listeners)
    await asyncio.gather(*(listener.finished for listener in open_))
    took = time.perf_counter() - started
    for listener in open_:
        listener.close()
    return WATCHERS * CHANGES / took


async def memory(subject: Subject) -> float:
    """PSS of the process that listens, which must be on this machine; where the store is another, without it."""
    return footprint.of_listener(subject.server.port)


BENCHES: list[tuple[str, str, Callable[[Subject], Awaitable[float]]]] = [
    ("get", "1/s", gets),
    ("create", "1/s", creates),
    ("patch", "1/s", patches),
    ("apply", "1/s", applies),
    ("watch fan-out", "events/s", fan_out),
    ("list 10,000 pods", "ms", list_time),
    ("memory with 10,000 pods", "MB", memory),
]
_FILLED = (list_time, memory)


async def main(paths: list[str], only: str) -> None:
    subjects = [Subject(path) for path in paths]
    for subject in subjects:
        await subject.prepare()
    try:
        for name, unit, bench in BENCHES:
            if only not in name:
                continue
            if bench in _FILLED:
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig", nargs="+", help="one, or two to compare")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the benchmarks whose name has this in it")
    given = parser.parse_args()
    uvloop.run(main(given.kubeconfig[:2], given.only))
