"""The API's verbs over a transport. Objects are plain dicts; failures are ``api.errors``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from kijabi.api import errors
from kijabi.api.resource import Object, Resource
from kijabi.client import transport
from kijabi.kit import http, jsons

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """``type`` is ADDED, MODIFIED, DELETED or BOOKMARK (an ERROR is raised, never yielded)."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class Selection:
    """What part of a resource: a namespace (empty: all), and label and field selectors in their text form."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def query(self) -> dict[str, str]:
        query = {}
        if self.labels:
            query["labelSelector"] = self.labels
        if self.fields:
            query["fieldSelector"] = self.fields
        return query


EVERYTHING = Selection()


class Client:
    """Requests as one user. Every method raises an ``errors.ApiError`` or ``transport.Unreachable``.

    ``namespace`` is ignored for cluster-scoped resources. Writes of objects take the namespace from the object.
    """

    def __init__(self, wire: transport.Transport, field_manager: str = "kijabi") -> None:
        self.wire = wire
        self._manager = field_manager

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = 60.0,
    ) -> Any:
        """One request for JSON, decoded; raises for a status of 400 and above."""
        headers = {"Accept": "application/json"}
        data = b""
        if body is not None:
            headers["Content-Type"] = content_type
            data = body if isinstance(body, bytes) else jsons.dumps(body)
        reply = await self.wire.request(method, path, query=query, headers=headers, body=data, timeout=timeout)
        if reply.status >= 400:
            raise failure(reply)
        return jsons.loads(reply.body) if reply.body else None

    async def get(self, resource: Resource, name: str, namespace: str = "", *, subresource: str = "") -> Object:
        found: Object = await self.raw("GET", resource.path(namespace, name, subresource))
        return found

    async def list(
        self,
        resource: Resource,
        select: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_: str = "",
        resource_version: str | None = None,
    ) -> Object:
        """The List object: ``items`` and ``metadata.resourceVersion``. One page when ``limit`` is given."""
        query = select.query()
        if limit:
            query["limit"] = str(limit)
        if continue_:
            query["continue"] = continue_
        if resource_version is not None:
            query["resourceVersion"] = resource_version
        found: Object = await self.raw("GET", resource.path(select.namespace), query=query)
        if found.get("items") is None:
            found["items"] = []
        return found

    async def create(
        self, resource: Resource, obj: Object, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> Object:
        """``name`` and ``subresource`` are for creations below an object (``binding``, ``eviction``, ``token``)."""
        namespace = namespace or obj.get("metadata", {}).get("namespace", "")
        made: Object = await self.raw(
            "POST", resource.path(namespace, name, subresource), query=self._managed(), body=obj
        )
        return made

    async def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        meta = obj["metadata"]
        path = resource.path(meta.get("namespace", ""), meta["name"], subresource)
        written: Object = await self.raw("PUT", path, query=self._managed(), body=obj)
        return written

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: str = MERGE_PATCH,
        subresource: str = "",
        force: bool = False,
    ) -> Object:
        query = self._managed()
        if force:
            query["force"] = "true"
        path = resource.path(namespace, name, subresource)
        patched: Object = await self.raw("PATCH", path, query=query, body=patch, content_type=type)
        return patched

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        grace_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> Object:
        """The deleted object or a Status. ``propagation`` is Background, Foreground or Orphan."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation:
            options["propagationPolicy"] = propagation
        preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        if preconditions:
            options["preconditions"] = preconditions
        gone: Object = await self.raw("DELETE", resource.path(namespace, name), body=options)
        return gone

    async def delete_collection(self, resource: Resource, select: Selection, *, propagation: str = "") -> Object:
        options = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation:
            options["propagationPolicy"] = propagation
        gone: Object = await self.raw("DELETE", resource.path(select.namespace), query=select.query(), body=options)
        return gone

    async def watch(
        self,
        resource: Resource,
        select: Selection = EVERYTHING,
        *,
        resource_version: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = True,
    ) -> AsyncIterator[WatchEvent]:
        """Events until the server ends the watch (iteration then ends) or it breaks (raises)."""
        query = {**select.query(), "watch": "true"}
        if resource_version:
            query["resourceVersion"] = resource_version
        if timeout_seconds:
            query["timeoutSeconds"] = str(timeout_seconds)
        if bookmarks:
            query["allowWatchBookmarks"] = "true"
        path = resource.path(select.namespace)
        async with self.wire.stream("GET", path, query=query, headers={"Accept": "application/json"}) as reply:
            if reply.status >= 400 or reply.chunks is None:
                raise failure(reply)
            async for line in http.lines(reply.chunks):
                event = jsons.loads(line)
                if event["type"] == ERROR:
                    raise errors.from_status(event["object"])
                yield WatchEvent(event["type"], event["object"])

    def _managed(self) -> dict[str, str]:
        return {"fieldManager": self._manager} if self._manager else {}


def failure(reply: transport.Reply) -> errors.ApiError:
    """The error in a reply whose status says that there is one."""
    try:
        status = jsons.loads(reply.body)
    except jsons.Malformed:
        status = {"message": reply.body.decode(errors="replace")[:1000]}
    return errors.from_status(status if isinstance(status, dict) else {}, reply.status)
