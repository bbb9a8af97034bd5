"""/openapi/v2 and /openapi/v3: the schemas of everything, for clients that validate, explain and complete.

Version 3 is one document per group version; its address carries the hash of its content, so that a client may keep it
for ever. Documents are made on first use, in a worker thread. Source: "OpenAPI specification" in the documentation.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

import orjson

from kijabi.api.schema import protobuf
from kijabi.apiserver import negotiation, responses
from kijabi.kit import http


class Documents(Protocol):
    """The schema room's side. A group version is written as in paths: ``api/v1``, ``apis/apps/v1``."""

    def openapi_v2(self) -> bytes: ...

    def openapi_v2_protobuf(self) -> bytes: ...

    def openapi_v3(self, group_version: str) -> bytes | None: ...


# The only form that kubectl reads before 1.27. It is asked for by either name, and answered by the second: the '@' of
# the first is not allowed in a media type, and Go's parser refuses it.
_ANSWERED = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUF = (protobuf.MEDIA_TYPE, _ANSWERED)


class OpenApi:
    """``group_versions`` are (group, version), in discovery's order."""

    def __init__(self, documents: Documents, group_versions: Iterable[tuple[str, str]]) -> None:
        self._documents = documents
        self._paths = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in group_versions]
        self._v2: dict[str, tuple[bytes, str]] = {}
        self._v3: dict[str, tuple[bytes, str]] = {}
        self._making = asyncio.Lock()

    def paths(self) -> list[str]:
        return ["/openapi/v2", "/openapi/v3", *(f"/openapi/v3/{path}" for path in self._paths)]

    async def page(self, request: http.Request) -> http.Response | None:
        path = request.path.rstrip("/")
        if path == "/openapi/v2":
            return await self._serve_v2(request)
        if path == "/openapi/v3":
            return await self._index(request)
        name = path.removeprefix("/openapi/v3/")
        return await self._serve_v3(request, name) if name in self._paths else None

    async def _serve_v2(self, request: http.Request) -> http.Response:
        packed = any(type_ in _PROTOBUF for type_, _ in negotiation.clauses(request.headers.get("Accept", "")))
        media = _ANSWERED if packed else negotiation.JSON
        make = self._documents.openapi_v2_protobuf if packed else self._documents.openapi_v2
        async with self._making:
            if media not in self._v2:
                self._v2[media] = await asyncio.to_thread(_made, make)
        body, tag = self._v2[media]
        return _unless_known(request, body, {"Content-Type": media, "ETag": f'"{tag}"', "Vary": "Accept"})

    async def _document(self, name: str) -> tuple[bytes, str]:
        async with self._making:
            if name not in self._v3:
                self._v3[name] = await asyncio.to_thread(_made, lambda: self._documents.openapi_v3(name))
        return self._v3[name]

    async def _index(self, request: http.Request) -> http.Response:
        paths = {}
        for name in self._paths:
            _, tag = await self._document(name)
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={tag}"}
        body = orjson.dumps({"paths": paths})
        tag = hashlib.sha512(body).hexdigest().upper()
        return _unless_known(request, body, {"Content-Type": "application/json", "ETag": f'"{tag}"'})

    async def _serve_v3(self, request: http.Request, name: str) -> http.Response:
        body, tag = await self._document(name)
        asked = request.param("hash")
        if asked and asked != tag:
            # The address of an older document: send the client on to the present one.
            where = f"/openapi/v3/{name}?hash={tag}"
            return http.Response(301, b"", {"Location": where, "Cache-Control": "no-cache, private"})
        headers = {"Content-Type": "application/json", "ETag": f'"{tag}"', "Vary": "Accept"}
        if asked:
            headers["Cache-Control"] = "public, immutable"
            headers["Expires"] = "Thu, 31 Dec 2099 23:59:59 GMT"
        return _unless_known(request, body, headers)


def _made(make: Callable[[], bytes | None]) -> tuple[bytes, str]:
    body = make() or b"{}"
    return body, hashlib.sha512(body).hexdigest().upper()


def _unless_known(request: http.Request, body: bytes, headers: dict[str, str]) -> http.Response:
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return http.Response(304, b"", headers)
    response = responses.of_bytes(body)
    response.headers = {**response.headers, **headers}
    return response
