"""The cluster on a thread of its own, for synchronous tests.

    with Cluster() as cluster:
        cluster.apply(deployment)
        cluster.wait("apps/v1", "deployments", "web", lambda it: it["status"].get("readyReplicas") == 3)

The official Python client works against it too: ``cluster.kubernetes_client()`` (this opens a port).
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, Self, TypeVar

import uvloop

from kijabi.api.resource import Object, Resource
from kijabi.kit import jsons
from kijabi.testing import inprocess

T = TypeVar("T")


class Cluster:
    """Ready when entered. Methods may be called from any thread; they raise ``api.errors`` and TimeoutError."""

    def __init__(self, *, nodes: int = 1, controllers: Sequence[str] = ("*",), scheduler: bool = True) -> None:
        self._options: dict[str, Any] = {"nodes": nodes, "controllers": controllers, "scheduler": scheduler}
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kijabi", daemon=True)
        self.inside: inprocess.InProcess

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self._open())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            self.run(self.inside.close())
        finally:
            self._stop()

    async def _open(self) -> None:
        self.inside = await inprocess.InProcess(**self._options).__aenter__()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the cluster's loop and wait for what it gives."""
        future: futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def resource(self, api_version: str, plural: str) -> Resource:
        """The address of a resource, custom ones included."""
        return self.run(self._resource(api_version, plural))

    async def _resource(self, api_version: str, plural: str) -> Resource:
        return await self._find(api_version, lambda entry: entry["name"] == plural, plural)

    async def _find(self, api_version: str, fits: Callable[[Object], bool], wanted: str) -> Resource:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        listed = await self.inside.client.raw("GET", root)
        for entry in listed["resources"]:
            if "/" not in entry["name"] and fits(entry):
                group, _, version = api_version.rpartition("/")
                return Resource(group, version, entry["name"], entry["kind"], entry["namespaced"])
        raise LookupError(f"{api_version} has no {wanted}")

    def create(self, obj: Object) -> Object:
        """Create an object where its apiVersion, kind and namespace say (``default`` where they do not)."""
        return self.run(self._create(obj))

    async def _create(self, obj: Object) -> Object:
        kind = obj["kind"]
        resource = await self._find(obj["apiVersion"], lambda entry: entry["kind"] == kind, f"kind {kind}")
        namespace = obj["metadata"].get("namespace", "default") if resource.namespaced else ""
        return await self.inside.client.create(resource, obj, namespace=namespace)

    def wait(
        self,
        api_version: str,
        plural: str,
        name: str,
        holds: Callable[[Object], bool],
        namespace: str = "default",
        seconds: float = 30.0,
    ) -> Object:
        """The object as soon as ``holds`` for it."""
        resource = self.resource(api_version, plural)
        where = namespace if resource.namespaced else ""
        return self.run(self.inside.wait(resource, name, holds, where, seconds=seconds))

    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator. Opens a port on the loopback interface."""
        return self.run(self.inside.listen())

    def kubernetes_client(self) -> Any:
        """An ``ApiClient`` of the official Python client, as the administrator. Opens a port."""
        client = importlib.import_module("kubernetes.client")
        config = importlib.import_module("kubernetes.config")
        chosen = client.Configuration()
        config.load_kube_config(str(self.kubeconfig()), client_configuration=chosen)
        return client.ApiClient(chosen)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request as the administrator, decoded."""
        data = jsons.dumps(body) if body is not None else None
        return self.run(self.inside.client.raw(method, path, body=data))
