"""All that is no resource, by path: the index, version, discovery, OpenAPI, health and metrics."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping

from kijabi.api import errors
from kijabi.apiserver import responses
from kijabi.apiserver.authn import keys
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.discovery import Discovery
from kijabi.apiserver.health import ROOTS, Health
from kijabi.apiserver.metrics import Metrics
from kijabi.apiserver.openapi import OpenApi
from kijabi.kit import http

# Go clients parse all of these; gitCommit and buildDate are upstream's placeholders for a build without them.
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+kijabi",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": sys.implementation.name,
    "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
}


class StandardPages:
    def __init__(
        self,
        discovery: Discovery,
        health: Health,
        metrics: Metrics | None = None,
        openapi: OpenApi | None = None,
        documents: Mapping[str, keys.Document] | None = None,
        debug: Callable[[str], http.Response | None] | None = None,
    ) -> None:
        self._discovery = discovery
        self._health = health
        self._metrics = metrics
        self._openapi = openapi
        self._documents = documents or {}
        self._debug = debug

    def _index(self) -> dict[str, list[str]]:
        paths = [*self._discovery.paths(), *self._health.paths(), "/metrics", "/version", *self._documents]
        if self._openapi is not None:
            paths += self._openapi.paths()
        return {"paths": sorted(paths)}

    def _described(self, request: http.Request, path: str) -> http.Response | None:
        if path.strip("/") == "version":
            response: http.Response | None = responses.of_object(request, VERSION)
        else:
            response = self._discovery.page(request)
        # The document of a group is there for any method too.
        is_group = path.startswith("/apis/") and path.strip("/").count("/") == 1
        if response is not None and request.method != "GET" and not is_group:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        return response

    async def page(self, context: RequestContext) -> http.Response | None:
        request, path = context.request, context.info.path
        root = path.strip("/").partition("/")[0]
        if root in ROOTS:
            return self._health.page(request)
        # As upstream, these are there for any method.
        if path in ("/", "/index.html"):
            return responses.of_object(request, self._index())
        if root in ("api", "apis", "version"):
            return self._described(request, path)
        if request.method not in ("GET", "HEAD"):
            return None
        if root == "metrics" and self._metrics is not None:
            return await self._metrics.page()
        if root == "openapi" and self._openapi is not None:
            return await self._openapi.page(request)
        if root == "debug" and self._debug is not None:
            return self._debug(path)
        document = self._documents.get(path)
        if document is None:
            return None
        headers = {"Content-Type": document.content_type, "Cache-Control": document.cache_control}
        return http.Response(200, document.body, headers)
