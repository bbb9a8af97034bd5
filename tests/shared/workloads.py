"""Objects and waits that tests of the controllers share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kijabi import testing
from kijabi.api import kinds
from kijabi.client import rest

Object = dict[str, Any]
NAMESPACE = "default"


def template(name: str = "web", image: str = "nginx:1", **spec: Any) -> Object:
    containers = [{"name": "c", "image": image}]
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers, **spec}}


def workload(kind: str, name: str = "web", *, image: str = "nginx:1", pod: Object | None = None, **spec: Any) -> Object:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image, **(pod or {})),
            **spec,
        },
    }


def job(name: str = "sum", *, pod: Object | None = None, **spec: Any) -> Object:
    inner = template(name, **{"restartPolicy": "Never", **(pod or {})})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": inner, **spec},
    }


def settled(**counts: int) -> Callable[[Object], bool]:
    """Whether the controller has seen the present generation and the status has these counts (missing is 0)."""

    def holds(obj: Object) -> bool:
        status = obj.get("status") or {}
        seen = status.get("observedGeneration") == obj["metadata"]["generation"]
        return seen and all(status.get(name, 0) == count for name, count in counts.items())

    return holds


def holds(name: str, value: str = "True") -> Callable[[Object], bool]:
    """Whether a condition has this status."""

    def check(obj: Object) -> bool:
        listed = (obj.get("status") or {}).get("conditions") or []
        return any((item["type"], item["status"]) == (name, value) for item in listed)

    return check


async def pods(cluster: testing.InProcess, *, going: bool = False) -> list[Object]:
    """By name; those that are being deleted only if asked for."""
    found = (await cluster.client.list(kinds.PODS, rest.Selection(NAMESPACE)))["items"]
    return sorted(
        (pod for pod in found if going or not pod["metadata"].get("deletionTimestamp")),
        key=lambda pod: pod["metadata"]["name"],
    )


async def names(cluster: testing.InProcess, resource: Any) -> list[str]:
    listed = await cluster.client.list(resource, rest.Selection(NAMESPACE))
    return sorted(item["metadata"]["name"] for item in listed["items"])


async def wait_all(
    cluster: testing.InProcess, check: Callable[[list[Object]], bool], resource: Any = kinds.PODS, seconds: float = 20.0
) -> list[Object]:
    """The objects of the namespace as soon as ``check`` holds for all of them together."""
    there: list[Object] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                listed = await cluster.client.list(resource, rest.Selection(NAMESPACE))
                there = listed["items"]
                if check(there):
                    return there
                version = listed["metadata"]["resourceVersion"]
                select = rest.Selection(NAMESPACE)
                async for _ in cluster.client.watch(resource, select, resource_version=version, bookmarks=False):
                    break
    except TimeoutError as error:
        short = [(item["metadata"], item.get("status")) for item in there]
        raise TimeoutError(f"{resource}: {short}") from error


async def end_pod(cluster: testing.InProcess, pod: Object, exit_code: int = 0) -> None:
    """Let the container of a pod end, as soon as it runs."""
    meta = pod["metadata"]
    ran = await cluster.wait(
        kinds.PODS, meta["name"], lambda item: item["status"].get("phase") == "Running", meta["namespace"]
    )
    cluster.runtimes[ran["spec"]["nodeName"]].finish(meta["uid"], "c", exit_code)


async def wait_events(cluster: testing.InProcess, kind: str, *reasons: str) -> None:
    """Until there are events with these reasons about objects of a kind: events are written late."""

    def told(there: list[Object]) -> bool:
        return set(reasons) <= {item["reason"] for item in there if item["involvedObject"]["kind"] == kind}

    await wait_all(cluster, told, kinds.EVENTS)
