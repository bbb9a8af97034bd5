"""/openapi/v2 and /openapi/v3: the schemas of everything, for clients that validate, explain and complete.

Version 3 is one document per group version; its address carries the hash of its content, so that a client may keep it
for ever. Documents of built-in kinds are made on first use, in a worker thread; other sources (custom resources,
aggregated servers) ``offer`` theirs in version 3's form, from which version 2 is merged. Source: "OpenAPI
specification" in the documentation.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import orjson

from kijabi.api import resource
from kijabi.api.schema import downgrade, protobuf
from kijabi.apiserver import negotiation, responses
from kijabi.kit import http

Object = resource.Object


class Documents(Protocol):
    """The schema room's side. A group version is written as in paths: ``api/v1``, ``apis/apps/v1``."""

    def openapi_v2(self) -> bytes: ...

    def openapi_v2_protobuf(self) -> bytes: ...

    def openapi_v3(self, group_version: str) -> bytes | None: ...


# The only form that kubectl reads before 1.27. It is asked for by either name, and answered by the second: the '@' of
# the first is not allowed in a media type, and Go's parser refuses it.
_ANSWERED = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUF = (protobuf.MEDIA_TYPE, _ANSWERED)

# These are taken for JSON, which upstream's clients read too.
_PROTOBUF_V3 = tuple(name.replace("v2", "v3") for name in _PROTOBUF)
Made = tuple[bytes, str]


class OpenApi:
    """``group_versions`` are the built-in (group, version), in discovery's order."""

    def __init__(self, documents: Documents, group_versions: Iterable[tuple[str, str]]) -> None:
        self._documents = documents
        self._builtin = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in group_versions]
        self._offers: dict[str, dict[str, Object]] = {}
        self._v2: dict[str, Made] = {}
        self._v3: dict[str, Made] = {}
        self._making = asyncio.Lock()

    def offer(self, source: str, documents: Mapping[str, Object]) -> None:
        """Replace all that ``source`` offered before: group version path (``apis/g/v``) → OpenAPI 3 document.

        The documents are kept, not copied; one that is the same object as before keeps its encoded form.
        """
        before, now = self._offers.get(source, {}), dict(documents)
        if before.keys() == now.keys() and all(before[path] is now[path] for path in now):
            return
        for path in before.keys() | now.keys():
            if before.get(path) is not now.get(path) and path not in self._builtin:
                self._v3.pop(path, None)
        self._offers[source] = now
        self._v2.clear()

    def _added(self) -> dict[str, Object]:
        """What is offered beside the built-in kinds; the first source that has a group version gives it."""
        found: dict[str, Object] = {}
        for offered in self._offers.values():
            for path, document in offered.items():
                if path not in self._builtin:
                    found.setdefault(path, document)
        return found

    def _paths(self) -> list[str]:
        return [*self._builtin, *self._added()]

    def paths(self) -> list[str]:
        return ["/openapi/v2", "/openapi/v3", *(f"/openapi/v3/{path}" for path in self._paths())]

    async def page(self, request: http.Request) -> http.Response | None:
        path = request.path.rstrip("/")
        if path == "/openapi/v2":
            return await self._serve_v2(request)
        if path == "/openapi/v3":
            return await self._index(request)
        name = path.removeprefix("/openapi/v3/")
        return await self._serve_v3(request, name) if name in self._paths() else None

    async def _serve_v2(self, request: http.Request) -> http.Response:
        if not negotiation.is_routable(request.headers.get("Accept", ""), (negotiation.JSON, *_PROTOBUF)):
            return _not_acceptable()
        packed = any(type_ in _PROTOBUF for type_, _ in negotiation.clauses(request.headers.get("Accept", "")))
        media = _ANSWERED if packed else negotiation.JSON
        async with self._making:
            made = self._v2.get(media)
            if made is None:
                added = list(self._added().values())
                made = await asyncio.to_thread(_tagged, self._merged_packed if packed else self._merged, added)
                if added == list(self._added().values()):
                    self._v2[media] = made
        body, tag = made
        return _unless_known(request, body, {"Content-Type": media, "ETag": f'"{tag}"', "Vary": "Accept"})

    def _merged(self, added: list[Object]) -> bytes:
        if not added:
            return self._documents.openapi_v2()
        whole: dict[str, Any] = orjson.loads(self._documents.openapi_v2())
        for document in added:
            more = downgrade.document(document)
            whole["paths"].update(more["paths"])
            for name, definition in more["definitions"].items():
                whole["definitions"].setdefault(name, definition)
        return orjson.dumps(whole)

    def _merged_packed(self, added: list[Object]) -> bytes:
        # Messages of protobuf merge by standing behind each other.
        parts = [self._documents.openapi_v2_protobuf()]
        parts += [protobuf.document(downgrade.document(document, only_own=True)) for document in added]
        return b"".join(parts)

    async def _document(self, name: str) -> Made | None:
        """None where the document is no longer offered."""
        async with self._making:
            made = self._v3.get(name)
            if made is None:
                added = self._added().get(name)
                if name in self._builtin:
                    made = await asyncio.to_thread(_tagged, lambda _: self._documents.openapi_v3(name) or b"{}", [])
                elif added is None:
                    return None
                else:
                    made = _tagged(lambda documents: orjson.dumps(documents[0]), [added])
                self._v3[name] = made
        return made

    async def _index(self, request: http.Request) -> http.Response:
        paths = {}
        for name in self._paths():
            made = await self._document(name)
            if made is not None:
                paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={made[1]}"}
        body = orjson.dumps({"paths": paths})
        tag = hashlib.sha512(body).hexdigest().upper()
        return _unless_known(request, body, {"Content-Type": "application/json", "ETag": f'"{tag}"'})

    async def _serve_v3(self, request: http.Request, name: str) -> http.Response | None:
        made = await self._document(name)
        if made is None:
            return None
        if not negotiation.is_routable(request.headers.get("Accept", ""), (negotiation.JSON, *_PROTOBUF_V3)):
            return _not_acceptable()
        body, tag = made
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


def _not_acceptable() -> http.Response:
    return http.Response(406, b"", {"Cache-Control": "no-cache, private", "Vary": "Accept"})


def _tagged(make: Callable[[list[Object]], bytes], added: list[Object]) -> Made:
    body = make(added)
    return body, hashlib.sha512(body).hexdigest().upper()


def _unless_known(request: http.Request, body: bytes, headers: dict[str, str]) -> http.Response:
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return http.Response(304, b"", headers)
    response = responses.of_bytes(body)
    response.headers = {**response.headers, **headers}
    return response
