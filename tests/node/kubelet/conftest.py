"""Fixtures: a fake API, a hollow runtime and a kubelet between them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kijabi.node.cri import hollow
from kijabi.node.kubelet import agent, options

_spec = importlib.util.spec_from_file_location("kubelet_fake_api", Path(__file__).with_name("fake_api.py"))
assert _spec is not None
assert _spec.loader is not None
fake_api = importlib.util.module_from_spec(_spec)
sys.modules["kubelet_fake_api"] = fake_api
_spec.loader.exec_module(fake_api)

Make = Callable[..., dict[str, Any]]


def make_pod(name: str = "web", **spec: Any) -> dict[str, Any]:
    containers = spec.pop("containers", [{"name": "main", "image": "busybox:1"}])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1},
        "spec": {
            "nodeName": "node-1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "enableServiceLinks": True,
            "containers": containers,
            **spec,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


@pytest.fixture
def pod() -> Make:
    return make_pod


class Bench:
    """A running kubelet with everything a test looks at."""

    def __init__(self, api: Any, runtime: hollow.Hollow, kubelet: agent.Kubelet) -> None:
        self.api = api
        self.runtime = runtime
        self.kubelet = kubelet

    def pod(self, name: str = "web") -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.api.get("pods", name, "default")
        return found

    async def until_phase(self, phase: str, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = await self.api.until(
            lambda: (self.pod(name) or {}).get("status", {}).get("phase") == phase and self.pod(name)
        )
        return found

    async def until_ready(self, name: str = "web") -> dict[str, Any]:
        def ready() -> Any:
            conditions = (self.pod(name) or {}).get("status", {}).get("conditions") or ()
            listed = {entry["type"]: entry["status"] for entry in conditions}
            return listed.get("Ready") == "True" and self.pod(name)

        found: dict[str, Any] = await self.api.until(ready)
        return found

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Until something holds that the API does not show; the loop runs on meanwhile."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # what is waited for has no event, and needs none elsewhere
                await asyncio.sleep(0)

    def events(self, reason: str) -> list[str]:
        return [event["message"] for event in self.api.objects.get("events", {}).values() if event["reason"] == reason]


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path, api: Any = None, runtime: hollow.Hollow | None = None, **chosen: Any
) -> AsyncIterator[Bench]:
    api = api or fake_api.FakeApi()
    runtime = runtime or hollow.Hollow()
    settings = options.Options(
        hostname_override="node-1",
        node_ip="192.0.2.10",
        root_dir=str(tmp_path),
        pod_logs_dir=str(tmp_path / "logs"),
        port=0,
    )
    for key, value in chosen.items():
        setattr(settings, key, value)
    kubelet = agent.Kubelet(api.client(), runtime, settings)
    task = asyncio.create_task(kubelet.run())
    try:
        yield Bench(api, runtime, kubelet)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
def start_kubelet(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Bench]]:
    """Start further kubelets against the same API and runtime."""
    return lambda **more: running(tmp_path, **more)
