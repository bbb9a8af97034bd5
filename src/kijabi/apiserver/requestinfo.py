"""What a request means, read from its method and path alone.

Source: k8s.io/apiserver endpoints/request, RequestInfo; the API concepts' resource URIs.
"""

from __future__ import annotations

from kijabi.apiserver.contract import RequestInfo
from kijabi.kit import http

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_WITH_SELECTORS = ("list", "watch", "deletecollection")


class Unclear(Exception):
    """A request that cannot even be described: upstream answers 500 in plain text, and caches nothing."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f'Internal Server Error: "{path}": failed to create RequestInfo: {why}')


def parse(request: http.Request) -> RequestInfo:
    """Raises Unclear for a special verb (``/api/v1/watch``) that names nothing."""
    path = request.path
    parts = [part for part in path.split("/") if part] if "//" in path else path.strip("/").split("/")
    first = 1 if parts[0] == "api" else 2 if parts[0] == "apis" else 0
    if not first or len(parts) < first + 2:
        return RequestInfo(False, path, request.method.lower())
    info = RequestInfo(True, path, _VERBS.get(request.method, ""))
    info.api_prefix = parts[0]
    info.api_group = parts[1] if first == 2 else ""
    info.api_version = parts[first]
    _resource(info, parts[first + 1 :])
    special = info.verb in ("watch", "proxy")
    if not info.name:
        if info.verb == "get":
            _collection(info, request)
        elif info.verb == "delete":
            info.verb = "deletecollection"
    if not special and info.verb in _WITH_SELECTORS:
        info.field_selector = request.param("fieldSelector")
        info.label_selector = request.param("labelSelector")
    return info


def _resource(info: RequestInfo, parts: list[str]) -> None:
    if parts[0] in ("watch", "proxy"):
        if len(parts) < 2:
            raise Unclear(info.path, f"unable to determine kind and namespace from url, {info.path}")
        info.verb = parts[0]
        parts = parts[1:]
    if parts[0] == "namespaces" and len(parts) > 1:
        info.namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    info.parts = tuple(parts)
    info.resource = parts[0]
    if len(parts) > 1:
        info.name = parts[1]
        if len(parts) > 2 and info.verb != "proxy":
            info.subresource = parts[2]


def _collection(info: RequestInfo, request: http.Request) -> None:
    watch = request.query.get("watch")
    info.verb = "watch" if watch and watch[0].lower() not in ("false", "0") else "list"
    # A selector for one name is authorized like a read of that one object.
    selector = request.param("fieldSelector")
    if "metadata.name=" in selector:
        for term in selector.split(","):
            field, _, value = term.partition("=")
            if field == "metadata.name" and _is_segment(value.lstrip("=")):
                info.name = value.lstrip("=")


def _is_segment(name: str) -> bool:
    return bool(name) and name not in (".", "..") and "/" not in name and "%" not in name
