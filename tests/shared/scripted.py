"""A server that says what a test tells it to, in place of a transport."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from kijabi.client import transport
from kijabi.kit import jsons


class Scripted:
    """Answers each list and watch of one resource from queues of what the test put there.

    A list is a dict (or a list of objects with a version), a watch an async iterator's worth of events, ending with
    None (the server ends it) or an exception.
    """

    def __init__(self) -> None:
        self.lists: asyncio.Queue[Any] = asyncio.Queue()
        self.watches: asyncio.Queue[Any] = asyncio.Queue()
        self.requests: list[tuple[str, str, dict[str, Any]]] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 60.0,
    ) -> transport.Reply:
        self.requests.append((method, path, dict(query or {})))
        answer = await self.lists.get()
        if isinstance(answer, Exception):
            raise answer
        status = answer.pop("code", 200) if answer.get("kind") == "Status" else 200
        return transport.Reply(status, {}, jsons.dumps(answer))

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[transport.Reply]:
        self.requests.append(("WATCH", path, dict(query or {})))
        yield transport.Reply(200, {}, chunks=self._events())

    async def _events(self) -> AsyncIterator[bytes]:
        while (event := await self.watches.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield jsons.dumps(event) + b"\n"

    async def close(self) -> None:
        return None


def listed(version: int, *objects: dict[str, Any], token: str = "") -> dict[str, Any]:
    meta = {"resourceVersion": str(version), **({"continue": token} if token else {})}
    return {"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": list(objects)}


def pod(name: str, version: int, uid: str = "", **labels: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "ns", "resourceVersion": str(version), "uid": uid or f"uid-{name}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "labels": labels}, "spec": {}}


def event(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": obj}
