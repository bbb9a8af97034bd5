"""Real pods on a real cluster: create to Ready, thirty side by side, and deletion. Takes one kubeconfig, or two."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable

import figures
import uvloop

from kijabi.api import kinds
from kijabi.api.predicates import pods as facts
from kijabi.api.resource import Object
from kijabi.client import kubeconfig, rest

ROUNDS = 5
MANY = 30
# Seconds until a pod that does not come is given up.
PATIENCE = 120.0
# Ends at once when asked to, as a well-behaved container does.
COMMAND = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"]


class Subject:
    """One cluster, in a namespace of this run's own."""

    def __init__(self, path: str, image: str) -> None:
        self.name = path
        self.client = kubeconfig.connect(path, component="pods")
        self.namespace = f"pods-{uuid.uuid4().hex[:8]}"
        self._image = image
        self._pods: dict[str, Object] = {}
        self._changed = asyncio.Condition()
        self._watching: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        meta = {"name": self.namespace}
        await self.client.create(kinds.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        with contextlib.suppress(rest.errors.AlreadyExists):
            await self.client.create(kinds.SERVICE_ACCOUNTS, account, namespace=self.namespace)
        listed = await self.client.list(kinds.PODS, rest.Selection(self.namespace))
        self._watching = asyncio.ensure_future(self._watch(listed["metadata"]["resourceVersion"]))

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self.client.delete(kinds.NAMESPACES, self.namespace)
        await self.client.wire.close()

    async def _watch(self, version: str) -> None:
        select = rest.Selection(self.namespace)
        async for event in self.client.watch(kinds.PODS, select, resource_version=version):
            async with self._changed:
                name = event.object["metadata"].get("name", "")
                if event.type == "DELETED":
                    self._pods.pop(name, None)
                elif event.type in ("ADDED", "MODIFIED"):
                    self._pods[name] = event.object
                self._changed.notify_all()

    async def create(self, names: list[str]) -> None:
        await asyncio.gather(*(self.client.create(kinds.PODS, self._pod(name)) for name in names))

    def _pod(self, name: str) -> Object:
        container = {"name": "c", "image": self._image, "command": COMMAND, "imagePullPolicy": "IfNotPresent"}
        meta = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}

    async def delete(self, names: list[str]) -> None:
        await asyncio.gather(*(self.client.delete(kinds.PODS, name, self.namespace) for name in names))

    async def wait_ready(self, names: list[str]) -> None:
        await self._wait(lambda: all(name in self._pods and facts.is_ready(self._pods[name]) for name in names))

    async def wait_gone(self, names: list[str]) -> None:
        await self._wait(lambda: not any(name in self._pods for name in names))

    async def _wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(holds)


async def timed(work: Awaitable[object], until: Awaitable[object]) -> float:
    """Seconds from before the request until the watch has shown what was waited for."""
    started = time.perf_counter()
    await work
    await until
    return time.perf_counter() - started


async def round_of(subject: Subject) -> dict[str, float]:
    run = uuid.uuid4().hex[:6]
    one, many = [f"one-{run}"], [f"many-{run}-{number}" for number in range(MANY)]
    found = {"pod create to Ready": await timed(subject.create(one), subject.wait_ready(one))}
    found["pod delete"] = await timed(subject.delete(one), subject.wait_gone(one))
    found[f"{MANY} pods to Ready"] = await timed(subject.create(many), subject.wait_ready(many))
    found[f"{MANY} pods deleted"] = await timed(subject.delete(many), subject.wait_gone(many))
    return found


async def main(paths: list[str], image: str) -> None:
    subjects = [Subject(path, image) for path in paths]
    values: dict[str, dict[str, list[float]]] = {}
    try:
        for subject in subjects:
            await subject.prepare()
        for _ in range(ROUNDS):
            for subject in subjects:
                for name, seconds in (await round_of(subject)).items():
                    values.setdefault(name, {}).setdefault(subject.name, []).append(seconds)
    finally:
        for subject in subjects:
            await subject.close()
    for name, by_subject in values.items():
        medians = {key: figures.figure(name, "s", found, subject=key) for key, found in by_subject.items()}
        figures.ratios(name, medians)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig", nargs="+", help="one, or two to compare")
    parser.add_argument("--image", default="busybox", help="an image with a shell that the nodes have or can pull")
    given = parser.parse_args()
    uvloop.run(main(given.kubeconfig[:2], given.image))
