"""Just enough of an API server for a kubelet: objects in memory, list and watch, the patches that it sends."""

from __future__ import annotations

import asyncio
import copy
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

from kijabi.api import errors
from kijabi.client import rest, transport
from kijabi.kit import http, jsons

_PATH = re.compile(
    r"^/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<ns>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)
_KINDS = {"pods": "Pod", "nodes": "Node", "services": "Service", "events": "Event", "leases": "Lease"}


class FakeApi:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.requests: list[tuple[str, str]] = []
        self._revision = itertools.count(1)
        self._watchers: list[tuple[str, asyncio.Queue[dict[str, Any]]]] = []
        self._changed = asyncio.Event()

    def client(self) -> rest.Client:
        return rest.Client(transport.Local(self.handle, None), "kubelet")

    # What a test does.

    def put(self, plural: str, obj: dict[str, Any]) -> dict[str, Any]:
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        key = f"{meta.get('namespace', '')}/{meta['name']}"
        known = self.objects.setdefault(plural, {})
        event = "MODIFIED" if key in known else "ADDED"
        meta.setdefault("uid", f"uid-{meta['name']}")
        self._store(plural, key, obj, event)
        return obj

    def get(self, plural: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        return self.objects.get(plural, {}).get(f"{namespace}/{name}")

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        gone = self.objects[plural].pop(f"{namespace}/{name}")
        gone["metadata"]["resourceVersion"] = str(next(self._revision))
        self._tell(plural, "DELETED", gone)

    async def until(self, condition: Any, seconds: float = 10.0) -> Any:
        """Wait for a state of the stored objects; ``condition`` is called after every change."""
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if found:
                    return found
                self._changed.clear()
                await self._changed.wait()

    # The server.

    def _store(self, plural: str, key: str, obj: dict[str, Any], event: str) -> None:
        obj["metadata"]["resourceVersion"] = str(next(self._revision))
        self.objects.setdefault(plural, {})[key] = obj
        self._tell(plural, event, obj)

    def _tell(self, plural: str, event: str, obj: dict[str, Any]) -> None:
        for wanted, queue in self._watchers:
            if wanted == plural:
                queue.put_nowait({"type": event, "object": copy.deepcopy(obj)})
        self._changed.set()

    async def handle(self, request: http.Request) -> http.Response:
        self.requests.append((request.method, request.path))
        try:
            return self._answer(request)
        except errors.ApiError as error:
            return http.Response(error.code, jsons.dumps(error.status))

    def _answer(self, request: http.Request) -> http.Response:
        match = _PATH.match(request.path)
        assert match is not None, request.path
        plural, name, sub, namespace = match["plural"], match["name"], match["sub"], match["ns"] or ""
        body = jsons.loads(request.body) if request.body else {}
        if request.method == "GET" and name is None:
            if request.param("watch"):
                return http.Response(200, self._watch(plural, namespace, request.param("fieldSelector")))
            items = self._select(plural, namespace, request.param("fieldSelector"))
            listed = {"items": items, "metadata": {"resourceVersion": str(next(self._revision))}}
            return http.Response(200, jsons.dumps(listed))
        if request.method == "POST":
            return self._create(plural, namespace, name, sub, body)
        key = f"{namespace}/{name}"
        found = self.objects.get(plural, {}).get(key)
        if found is None:
            raise errors.not_found(plural, name or "")
        if request.method == "DELETE":
            return self._delete(plural, key, found, body)
        if request.method in ("PUT", "PATCH"):
            made = body if request.method == "PUT" else merge(copy.deepcopy(found), body)
            made["metadata"] = {**found["metadata"], **made["metadata"]}
            self._store(plural, key, made, "MODIFIED")
            return http.Response(200, jsons.dumps(made))
        return http.Response(200, jsons.dumps(found))

    def _create(self, plural: str, namespace: str, name: str | None, sub: str | None, body: Any) -> http.Response:
        if sub == "token":
            status = {"token": f"token-of-{name}", "expirationTimestamp": "2100-01-01T00:00:00Z"}
            return http.Response(201, jsons.dumps({**body, "status": status}))
        key = f"{namespace}/{body['metadata']['name']}"
        if key in self.objects.get(plural, {}):
            raise errors.already_exists(plural, body["metadata"]["name"])
        if namespace:
            body["metadata"]["namespace"] = namespace
        return http.Response(201, jsons.dumps(self.put(plural, body)))

    def _delete(self, plural: str, key: str, found: dict[str, Any], body: dict[str, Any]) -> http.Response:
        wanted = (body.get("preconditions") or {}).get("uid")
        if wanted and wanted != found["metadata"]["uid"]:
            raise errors.conflict(plural, found["metadata"]["name"])
        namespace, _, name = key.partition("/")
        self.remove(plural, name, namespace)
        return http.Response(200, jsons.dumps(found))

    def _select(self, plural: str, namespace: str, fields: str) -> list[dict[str, Any]]:
        return [
            obj
            for key, obj in self.objects.get(plural, {}).items()
            if (not namespace or key.startswith(f"{namespace}/")) and _matches(obj, fields)
        ]

    async def _watch(self, plural: str, namespace: str, fields: str) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        entry = (plural, queue)
        self._watchers.append(entry)
        try:
            # What changed between the list and the watch is told again; an informer drops what it has.
            for obj in self._select(plural, namespace, fields):
                yield jsons.dumps({"type": "MODIFIED", "object": obj}) + b"\n"
            while True:
                event = await queue.get()
                obj = event["object"]
                if (not namespace or obj["metadata"].get("namespace") == namespace) and _matches(obj, fields):
                    yield jsons.dumps(event) + b"\n"
        finally:
            self._watchers.remove(entry)


def _matches(obj: dict[str, Any], fields: str) -> bool:
    for part in filter(None, fields.split(",")):
        path, _, wanted = part.partition("=")
        value: Any = obj
        for step in path.split("."):
            value = (value or {}).get(step)
        if value != wanted:
            return False
    return True


def merge(target: Any, patch: Any) -> Any:
    """A strategic merge patch as far as the kubelet uses it."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif key == "conditions":
            by_type = {condition["type"]: condition for condition in target.get(key) or ()}
            for condition in value:
                by_type[condition["type"]] = merge(dict(by_type.get(condition["type"], {})), condition)
            target[key] = list(by_type.values())
        elif isinstance(value, dict):
            target[key] = merge(dict(target.get(key) or {}), value)
        elif isinstance(value, list):
            target[key] = [entry for entry in value if not (isinstance(entry, dict) and "$patch" in entry)]
        else:
            target[key] = value
    return target
