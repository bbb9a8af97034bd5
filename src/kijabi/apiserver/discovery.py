"""What the server offers: /api, /apis, one document per group and per version, and the aggregated form of all of it.

Several sources offer group versions: the built-in kinds, custom resources, aggregated servers. Each says anew all it
has whenever that changes (``offer``); the documents are made when they are next asked for. Where two sources offer one
group version, the built-in kinds come first, aggregated servers next. Groups and versions stand in the order of
upstream's APIService priorities. Source: "The Kubernetes API", discovery; KEP-3352; kube-aggregator's sorting.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kijabi.api import resource, served, versions
from kijabi.apiserver import negotiation, responses
from kijabi.apiserver.registry import registry
from kijabi.kit import http

AGGREGATED_GROUP, AGGREGATED_KIND = "apidiscovery.k8s.io", "APIGroupDiscoveryList"
_AGGREGATED_VERSIONS = ("v2",)

BUILTIN, AGGREGATED, CRDS = "builtin", "aggregated", "crds"
_SOURCES = (BUILTIN, AGGREGATED, CRDS)

# GroupPriorityMinimum of what is built in, highest first; what is not named has upstream's 1000.
_GROUP_PRIORITIES = {
    "apiregistration.k8s.io": 20000,
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "admissionregistration.k8s.io": 16700,
    "apiextensions.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
}
DEFAULT_GROUP_PRIORITY, DEFAULT_VERSION_PRIORITY = 1000, 15
# What upstream registers for the group versions of custom resources.
CRD_GROUP_PRIORITY, CRD_VERSION_PRIORITY = 1000, 100

Object = resource.Object


def group_priority(group: str) -> int:
    """GroupPriorityMinimum of a built-in group."""
    return _GROUP_PRIORITIES.get(group, DEFAULT_GROUP_PRIORITY)


def version_priority(group: str, version: str) -> int:
    """VersionPriority of a built-in group version."""
    return 30 if (group, version) == ("autoscaling", "v2") else DEFAULT_VERSION_PRIORITY


@dataclass(frozen=True, slots=True)
class Offered:
    """One group version.

    ``resources`` are APIResource entries, subresources among them (``pods/status``). Not ``local``: its document
    ``/apis/G/V`` is another server's to answer. ``stale``: that server did not answer when last asked. ``qualified``:
    the aggregated form's response kinds name this group and version where an entry names none.
    """

    group: str
    version: str
    resources: Sequence[Object]
    group_priority: int
    version_priority: int
    local: bool = True
    stale: bool = False
    qualified: bool = False

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


class Discovery:
    """``address`` is what clients are told to reach the server at."""

    def __init__(self, strategies: Iterable[resource.Strategy], address: str = "") -> None:
        self._address = address
        self._offers: dict[str, tuple[Offered, ...]] = {}
        self._made: _Documents | None = None
        self.offer(BUILTIN, builtin(strategies))

    def offer(self, source: str, offered: Sequence[Offered]) -> None:
        """Replace all that ``source`` offered before; an empty sequence withdraws it."""
        now = tuple(offered)
        if self._offers.get(source, ()) == now:
            return
        self._offers[source] = now
        self._made = None

    def _documents(self) -> _Documents:
        if self._made is None:
            self._made = _Documents(ordered(self._offers), self._address)
        return self._made

    def paths(self) -> list[str]:
        return list(self._documents().plain)

    def page(self, request: http.Request) -> http.Response | None:
        path = request.path.rstrip("/") or "/"
        documents = self._documents()
        document = documents.plain.get(path)
        if document is None:
            return None
        accepted = request.headers.get("Accept", "")
        if not negotiation.is_routable(accepted):
            raise negotiation.unroutable(negotiation.BUILT_IN)
        if path in ("/api", "/apis"):
            version = _aggregated_version(request)
            if version:
                return _aggregated_page(request, documents.aggregated(path, version), version)
            if accepted and all("as" in options for _, options in negotiation.clauses(accepted)):
                raise negotiation.not_acceptable(negotiation.BUILT_IN)
        return responses.of_object(request, document)


def ordered(offers: dict[str, tuple[Offered, ...]]) -> dict[str, list[Offered]]:
    """Pure: group → its versions, both by priority; each group version from the first source that has it."""
    found: dict[tuple[str, str], Offered] = {}
    for source in sorted(offers, key=lambda name: _SOURCES.index(name) if name in _SOURCES else len(_SOURCES)):
        for offered in offers[source]:
            found.setdefault((offered.group, offered.version), offered)
    groups: dict[str, list[Offered]] = {}
    for offered in found.values():
        groups.setdefault(offered.group, []).append(offered)
    for listed in groups.values():
        listed.sort(key=lambda one: (-one.version_priority, versions.key(one.version)))
    return dict(sorted(groups.items(), key=lambda pair: (-max(one.group_priority for one in pair[1]), pair[0])))


class _Documents:
    """All documents of one state of the offers. The aggregated forms are large, so they wait until asked for."""

    def __init__(self, groups: dict[str, list[Offered]], address: str) -> None:
        self._groups = groups
        self._aggregated: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.plain: dict[str, Object] = {
            "/api": {
                "kind": "APIVersions",
                "versions": [one.version for one in groups.get("", ())],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
            }
        }
        listed = [_group(name, found) for name, found in groups.items() if name]
        self.plain["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        for entry in listed:
            self.plain[f"/apis/{entry['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **entry}
        for found in groups.values():
            for one in found:
                if one.local:
                    self.plain[one.root] = _resource_list(one)

    def aggregated(self, root: str, version: str) -> tuple[bytes, str]:
        """The body and its tag."""
        made = self._aggregated.get((root, version))
        if made is None:
            names = [name for name in self._groups if bool(name) == (root == "/apis")]
            items = [_discovered(name, self._groups[name]) for name in names]
            made = self._aggregated[root, version] = _tagged(version, items)
        return made


def _aggregated_page(request: http.Request, made: tuple[bytes, str], version: str) -> http.Response:
    body, tag = made
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


def _group(name: str, found: list[Offered]) -> Object:
    listed = [{"groupVersion": f"{name}/{one.version}", "version": one.version} for one in found]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(one: Offered) -> Object:
    version = f"{one.group}/{one.version}" if one.group else one.version
    # Upstream's core names no version of the list itself.
    head: Object = {"kind": "APIResourceList", **({"apiVersion": "v1"} if one.group else {})}
    return {**head, "groupVersion": version, "resources": list(one.resources)}


# --- what is built in


def builtin(strategies: Iterable[resource.Strategy]) -> list[Offered]:
    """The group versions of a catalog's strategies."""
    by_version: dict[tuple[str, str], list[Object]] = {}
    for strategy in strategies:
        what = strategy.resource
        entries = by_version.setdefault((what.group, what.version), [])
        hashed = _version_hash(strategy.extra.get("stored") or what) if registry.is_stored(strategy) else ""
        entries.append(entry(what, hashed))
        for name in sorted(what.subresources):
            below = served.subresource(what, name)
            if below is not None:
                entries.append(entry_below(what, below))
    return [
        Offered(
            group,
            version,
            sorted(entries, key=lambda one: str(one["name"])),
            group_priority(group),
            version_priority(group, version),
        )
        for (group, version), entries in by_version.items()
    ]


def entry(what: resource.Resource, version_hash: str = "") -> Object:
    """An APIResource."""
    made: Object = {
        "name": what.plural,
        "singularName": _singular(what),
        "namespaced": what.namespaced,
        "kind": what.kind,
        "verbs": list(what.verbs),
    }
    if what.short_names:
        made["shortNames"] = list(what.short_names)
    if what.categories:
        made["categories"] = list(what.categories)
    if version_hash:
        made["storageVersionHash"] = version_hash
    return made


def _singular(what: resource.Resource) -> str:
    # Upstream has one irregular name: endpoints are their own singular.
    return "endpoints" if what.plural == "endpoints" else what.singular or what.kind.lower()


def version_hash(group: str, version: str, kind: str) -> str:
    """What stands as ``storageVersionHash``: it differs where objects are stored as another version."""
    text = f"{group}/{version}/{kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


# What upstream stores as an older version, for servers that are not upgraded yet.
_STORED_AS = dict.fromkeys(
    ("CustomResourceDefinition", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"), "v1beta1"
)


def _version_hash(stored: resource.Resource) -> str:
    return version_hash(stored.group, _STORED_AS.get(stored.kind, stored.version), stored.kind)


def entry_below(what: resource.Resource, below: served.Subresource) -> Object:
    """An APIResource of a subresource."""
    made: Object = {
        "name": f"{what.plural}/{below.name}",
        "singularName": "",
        "namespaced": what.namespaced,
        "kind": below.kind,
        "verbs": list(below.verbs),
    }
    if below.version:
        made["group"], made["version"] = below.group, below.version
    return made


# --- the aggregated form


def _discovered(group: str, found: list[Offered]) -> Object:
    """An APIGroupDiscovery."""
    meta: Object = {"name": group} if group else {}
    listed: list[Any] = [
        {
            "version": one.version,
            "resources": _discovered_resources(one),
            "freshness": "Stale" if one.stale else "Current",
        }
        for one in found
    ]
    return {"metadata": meta, "versions": listed}


def _discovered_resources(one: Offered) -> list[Object]:
    below: dict[str, list[Object]] = {}
    for found in one.resources:
        parent, _, name = found["name"].partition("/")
        if name:
            kind = {"subresource": name, "responseKind": _response_kind(one, found), "verbs": list(found["verbs"])}
            below.setdefault(parent, []).append(kind)
    return [_discovered_resource(one, found, below) for found in one.resources if "/" not in found["name"]]


def _response_kind(one: Offered, found: Object) -> Object:
    group, version = (one.group, one.version) if one.qualified else ("", "")
    if found.get("version"):
        group, version = found.get("group", ""), found["version"]
    return {"group": group, "version": version, "kind": found["kind"]}


def _discovered_resource(one: Offered, found: Object, below: dict[str, list[Object]]) -> Object:
    made: Object = {
        "resource": found["name"],
        "responseKind": _response_kind(one, found),
        "scope": "Namespaced" if found.get("namespaced") else "Cluster",
        "singularResource": found.get("singularName", ""),
        "verbs": list(found["verbs"]),
    }
    for key in ("shortNames", "categories"):
        if found.get(key):
            made[key] = list(found[key])
    if found["name"] in below:
        made["subresources"] = below[found["name"]]
    return made
