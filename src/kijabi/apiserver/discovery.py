"""What the server offers: /api, /apis, one document per group and per version, and the aggregated form of all of it.

The documents are made once, for the catalog does not change while the server runs. Custom resources and aggregated
servers are left out until there are any. Source: "The Kubernetes API", discovery; KEP-3352.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from kijabi.api import resource, served
from kijabi.apiserver import negotiation, responses
from kijabi.apiserver.registry import registry
from kijabi.kit import http

AGGREGATED_GROUP, AGGREGATED_KIND = "apidiscovery.k8s.io", "APIGroupDiscoveryList"
_AGGREGATED_VERSIONS = ("v2", "v2beta1")

Object = resource.Object


class Discovery:
    """``address`` is what clients are told to reach the server at."""

    def __init__(self, strategies: Iterable[resource.Strategy], address: str = "") -> None:
        by_version: dict[tuple[str, str], list[resource.Strategy]] = {}
        for strategy in strategies:
            by_version.setdefault((strategy.resource.group, strategy.resource.version), []).append(strategy)
        versions: dict[str, list[str]] = {}
        for group, version in by_version:
            versions.setdefault(group, []).append(version)
        self.versions = versions
        self._documents: dict[str, Object] = {}
        self._aggregated: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._add_legacy(versions.get("", []), address)
        groups = [_group(name, found) for name, found in versions.items() if name]
        self._documents["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        for entry in groups:
            self._documents[f"/apis/{entry['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **entry}
        for (name, version), found in by_version.items():
            self._documents[found[0].resource.root] = _resources(name, version, found)
        for root, names in (("/api", [""]), ("/apis", [name for name in versions if name])):
            items = [_discovered(name, versions[name], by_version) for name in names if name in versions]
            for version in _AGGREGATED_VERSIONS:
                self._aggregated[root, version] = _tagged(version, items)

    def _add_legacy(self, versions: list[str], address: str) -> None:
        self._documents["/api"] = {
            "kind": "APIVersions",
            "versions": versions,
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        }

    def paths(self) -> list[str]:
        return list(self._documents)

    def page(self, request: http.Request) -> http.Response | None:
        path = request.path.rstrip("/") or "/"
        document = self._documents.get(path)
        if document is None:
            return None
        if path in ("/api", "/apis"):
            version = _aggregated_version(request)
            if version:
                return self._aggregate(request, path, version)
            response = responses.of_object(request, document)
            response.headers = {**response.headers, "Vary": "Accept"}
            return response
        return responses.of_object(request, document)

    def _aggregate(self, request: http.Request, path: str, version: str) -> http.Response:
        body, tag = self._aggregated[path, version]
        headers = {
            "Cache-Control": "public",
            "Content-Type": f"application/json;g={AGGREGATED_GROUP};v={version};as={AGGREGATED_KIND}",
            "ETag": tag,
            "Vary": "Accept",
        }
        if tag in request.headers.get("If-None-Match", ""):
            return http.Response(304, b"", headers)
        return http.Response(200, body, headers)


def _aggregated_version(request: http.Request) -> str:
    """The version of the aggregated form that the client prefers to the old documents; empty where it does not."""
    for type_, options in negotiation.clauses(request.headers.get("Accept", "")):
        if type_ not in (negotiation.JSON, "*/*", "application/*"):
            continue
        if options.get("g") == AGGREGATED_GROUP and options.get("as") == AGGREGATED_KIND:
            if options.get("v") in _AGGREGATED_VERSIONS:
                return options["v"]
            continue
        if "as" not in options:
            return ""
    return ""


def _tagged(version: str, items: list[Object]) -> tuple[bytes, str]:
    document = {
        "kind": AGGREGATED_KIND,
        "apiVersion": f"{AGGREGATED_GROUP}/{version}",
        "metadata": {},
        "items": items,
    }
    body = orjson.dumps(document)
    return body, f'"{hashlib.sha512(body).hexdigest().upper()}"'


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group: str, version: str, strategies: list[resource.Strategy]) -> Object:
    found: list[Object] = []
    for strategy in strategies:
        what = strategy.resource
        found.append(_entry(strategy))
        for name in sorted(what.subresources):
            below = served.subresource(what, name)
            if below is not None:
                found.append(_below(what, below))
    found.sort(key=lambda entry: entry["name"])
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": found,
    }


def _entry(strategy: resource.Strategy) -> Object:
    what = strategy.resource
    entry: Object = {
        "name": what.plural,
        "singularName": _singular(what),
        "namespaced": what.namespaced,
        "kind": what.kind,
        "verbs": list(what.verbs),
    }
    if what.short_names:
        entry["shortNames"] = list(what.short_names)
    if what.categories:
        entry["categories"] = list(what.categories)
    if registry.is_stored(strategy):
        entry["storageVersionHash"] = _version_hash(strategy.extra.get("stored") or what)
    return entry


def _singular(what: resource.Resource) -> str:
    # Upstream has one irregular name: endpoints are their own singular.
    return "endpoints" if what.plural == "endpoints" else what.singular or what.kind.lower()


def _version_hash(stored: resource.Resource) -> str:
    text = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _below(what: resource.Resource, below: served.Subresource) -> Object:
    entry: Object = {
        "name": f"{what.plural}/{below.name}",
        "singularName": "",
        "namespaced": what.namespaced,
        "kind": below.kind,
        "verbs": list(below.verbs),
    }
    if below.version:
        entry["group"], entry["version"] = below.group, below.version
    return entry


def _discovered(group: str, versions: list[str], by_version: dict[tuple[str, str], list[resource.Strategy]]) -> Object:
    """An APIGroupDiscovery."""
    meta: Object = {"name": group} if group else {}
    listed: list[Any] = []
    for version in versions:
        found = sorted(by_version[group, version], key=lambda strategy: strategy.resource.plural)
        listed.append(
            {
                "version": version,
                "resources": [_discovered_resource(strategy.resource) for strategy in found],
                "freshness": "Current",
            }
        )
    return {"metadata": {**meta, "creationTimestamp": None}, "versions": listed}


def _discovered_resource(what: resource.Resource) -> Object:
    entry: Object = {
        "resource": what.plural,
        "responseKind": {"group": "", "version": "", "kind": what.kind},
        "scope": "Namespaced" if what.namespaced else "Cluster",
        "singularResource": _singular(what),
        "verbs": list(what.verbs),
    }
    if what.short_names:
        entry["shortNames"] = list(what.short_names)
    if what.categories:
        entry["categories"] = list(what.categories)
    below = [served.subresource(what, name) for name in sorted(what.subresources)]
    if below:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                "verbs": list(sub.verbs),
            }
            for sub in below
            if sub is not None
        ]
    return entry
