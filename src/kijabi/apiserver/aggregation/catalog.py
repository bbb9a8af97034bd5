"""What aggregated servers offer: their part of discovery and of OpenAPI, fetched when they change and every minute.

A server that does not answer keeps its last offer, marked stale. Source: kube-aggregator's discovery manager and
OpenAPI v3 aggregation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from kijabi.api.schema import downgrade, protobuf
from kijabi.apiserver import contract, discovery
from kijabi.apiserver.aggregation import forwarding
from kijabi.apiserver.aggregation.remotes import Remote, Remotes, remote_of
from kijabi.apiserver.aggregation.rounds import Rounds
from kijabi.kit import clock

log = logging.getLogger(__name__)

Object = contract.Object
EVERY = 60.0
_KIND = f"g={discovery.AGGREGATED_GROUP};v={{}};as={discovery.AGGREGATED_KIND}"
_ACCEPT = ",".join(f"application/json;{_KIND.format(version)}" for version in ("v2", "v2beta1"))


class OpenApi(Protocol):
    def offer(self, source: str, documents: dict[str, Object]) -> None: ...


@dataclass(slots=True)
class Known:
    """What a server said last. ``tag`` is that of its OpenAPI document's address."""

    resources: list[Object] = field(default_factory=list)
    stale: bool = True
    tag: str = ""
    document: Object | None = None


def entries_of(document: Mapping[str, Any], group: str, version: str) -> list[Object] | None:
    """APIResource entries out of an APIGroupDiscoveryList; None where it does not have the group version."""
    for one in document.get("items") or ():
        if ((one.get("metadata") or {}).get("name") or "") != group:
            continue
        for listed in one.get("versions") or ():
            if listed.get("version") == version:
                return [entry for found in listed.get("resources") or () for entry in _entries(found)]
    return None


def _entries(found: Mapping[str, Any]) -> Iterable[Object]:
    namespaced = found.get("scope") == "Namespaced"
    whole: Object = {
        "name": found.get("resource", ""),
        "singularName": found.get("singularResource", ""),
        "namespaced": namespaced,
        **_kind(found),
        "verbs": list(found.get("verbs") or ()),
    }
    for key in ("shortNames", "categories"):
        if found.get(key):
            whole[key] = list(found[key])
    yield whole
    for below in found.get("subresources") or ():
        yield {
            "name": f"{whole['name']}/{below.get('subresource', '')}",
            "singularName": "",
            "namespaced": namespaced,
            **_kind(below),
            "verbs": list(below.get("verbs") or ()),
        }


def fault_of(document: Any) -> str:
    """Why a document cannot be merged with this server's own: one server's mistake must not cost all their schemas."""
    try:
        protobuf.document(downgrade.document(document))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _kind(found: Mapping[str, Any]) -> Object:
    kind = found.get("responseKind") or {}
    return {key: kind[key] for key in ("group", "version") if kind.get(key)} | {"kind": kind.get("kind", "")}


class Catalog:
    def __init__(
        self,
        table: Remotes,
        sender: forwarding.Sender,
        listing: discovery.Discovery,
        openapi: OpenApi,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._table = table
        self._sender = sender
        self._discovery = listing
        self._openapi = openapi
        self._known: dict[str, Known] = {}
        self._rounds = Rounds(timepiece, EVERY)
        table.listen(self._told)

    def _told(self, old: Object | None, new: Object | None) -> None:
        before = remote_of(old) if old is not None else None
        now = remote_of(new) if new is not None else None
        if before != now:
            # A version that is served elsewhere from now on stands in discovery before it is asked.
            if now is None and before is not None:
                self._known.pop(before.name, None)
            elif now is not None:
                self._known.setdefault(now.name, Known())
                self._rounds.add(now.name)
            self._offer()

    async def keep(self) -> None:
        await self._rounds.run(self.fetch, lambda: [remote.name for remote in self._table.by_version.values()])

    async def fetch(self, name: str) -> bool:
        """Ask one server; whether it answered."""
        remote = next((one for one in self._table.by_version.values() if one.name == name), None)
        known = self._known.get(name)
        if remote is None or known is None:
            return True
        found = await self._resources(remote) if remote.available else None
        known.stale = found is None
        if found is not None:
            known.resources = found
            await self._fetch_openapi(remote, known)
        self._offer()
        # One that is not available is not asked until that changes.
        return not known.stale or not remote.available

    async def _resources(self, remote: Remote) -> list[Object] | None:
        try:
            answer = await self._sender.fetch(remote, "/apis", {"Accept": _ACCEPT})
            kind = answer.headers.get("Content-Type", "").replace(" ", "")
            if answer.status == 200 and f"as={discovery.AGGREGATED_KIND}" in kind:
                return entries_of(orjson.loads(answer.body), remote.group, remote.version) or []
            answer = await self._sender.fetch(remote, remote.root, {"Accept": "application/json"})
            return list(orjson.loads(answer.body).get("resources") or ()) if answer.status == 200 else None
        except (forwarding.Unreachable, orjson.JSONDecodeError) as error:
            log.warning("discovery of %s failed: %s", remote.name, error)
            return None

    async def _fetch_openapi(self, remote: Remote, known: Known) -> None:
        try:
            index = await self._sender.fetch(remote, "/openapi/v3", {"Accept": "application/json"})
            paths = orjson.loads(index.body).get("paths") or {} if index.status == 200 else {}
            address = (paths.get(remote.root.strip("/")) or {}).get("serverRelativeURL", "")
            if not address or address == known.tag:
                return
            answer = await self._sender.fetch(remote, address, {"Accept": "application/json"})
            if answer.status == 200:
                document = orjson.loads(answer.body)
                fault = await asyncio.to_thread(fault_of, document)
                if fault:
                    log.warning("OpenAPI of %s is left out: %s", remote.name, fault)
                known.tag, known.document = address, None if fault else document
        except (forwarding.Unreachable, orjson.JSONDecodeError) as error:
            log.warning("OpenAPI of %s failed: %s", remote.name, error)

    def _offer(self) -> None:
        offered, documents = [], {}
        for remote in self._table.by_version.values():
            known = self._known.setdefault(remote.name, Known())
            one = discovery.Offered(
                remote.group,
                remote.version,
                known.resources,
                remote.group_priority,
                remote.version_priority,
                local=False,
                stale=known.stale,
            )
            offered.append(one)
            if known.document is not None:
                documents[remote.root.strip("/")] = known.document
        self._discovery.offer(discovery.AGGREGATED, offered)
        self._openapi.offer(discovery.AGGREGATED, documents)
