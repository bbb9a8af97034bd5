"""Other API servers behind this one: APIService objects, and requests handed on to who serves a group version.

``remotes`` is the table of group versions served elsewhere, as the APIServices say; ``forwarding`` hands a request on
with the caller's name in headers, under this server's front-proxy certificate; ``availability`` keeps their
``Available`` condition; ``catalog`` fetches what they offer for discovery and OpenAPI; ``registration`` keeps the
APIServices of what is served here. Guarantees: a request for what is served here costs one look into a dictionary;
a change of an APIService counts from the next request on.

Source: kube-aggregator. Left out: OpenAPI version 2 of servers that have no version 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kijabi.api import served
from kijabi.apiserver import contract, discovery, outbound
from kijabi.apiserver import options as options_
from kijabi.apiserver.aggregation import availability, catalog, forwarding, metrics, registration, remotes
from kijabi.apiserver.outbound import trust
from kijabi.apiserver.proxies import relay
from kijabi.kit import clock, tasks


class OpenApi(Protocol):
    def offer(self, source: str, documents: dict[str, contract.Object]) -> None: ...


@dataclass(slots=True)
class Aggregation:
    """``elsewhere`` is for the chain. ``start`` when caches are loaded; what runs is the nursery's."""

    elsewhere: forwarding.Elsewhere
    metrics: metrics.Metrics
    _registration: registration.Registration
    _availability: availability.Availability
    _catalog: catalog.Catalog

    async def start(self, owner: tasks.Nursery) -> None:
        await self._registration.ensure()
        owner.keep(self._registration.keep, "APIService registration")
        owner.keep(self._availability.keep, "APIService availability")
        owner.keep(self._catalog.keep, "discovery of aggregated servers")


@dataclass(frozen=True, slots=True)
class Room:
    """What of this server aggregation works with."""

    relay: relay.Relay
    discovery: discovery.Discovery
    openapi: OpenApi


def build(
    access: contract.Access,
    options: options_.Options,
    outside: outbound.Outbound,
    room: Room,
    *,
    timepiece: clock.Clock = clock.SYSTEM,
) -> Aggregation | None:
    """None for a server without APIServices."""
    own = remotes.API_SERVICES
    if access.strategy(own.group, own.version, own.plural) is None:
        return None
    table = remotes.Remotes(access)
    contexts = trust.Contexts(KeyPair(options.proxy_client_cert_file, options.proxy_client_key_file).read)
    sender = forwarding.Sender(outside.services, contexts, room.relay)
    builtin = dict.fromkeys((row.group, row.version) for row in served.RESOURCES)
    counts = metrics.Metrics(table)
    return Aggregation(
        forwarding.Elsewhere(table, sender),
        counts,
        registration.Registration(access, list(builtin), timepiece),
        availability.Availability(access, table, sender, counts, timepiece),
        catalog.Catalog(table, sender, room.discovery, room.openapi, timepiece),
    )


class KeyPair:
    """The files of this server's certificate, read again when they have changed."""

    def __init__(self, certificate: str, key: str) -> None:
        self._certificate = certificate
        self._key = key
        self._stamp = 0
        self._known: trust.Identity | None = None

    def read(self) -> trust.Identity | None:
        if not self._certificate:
            return None
        path = Path(self._certificate)
        stamp = path.stat().st_mtime_ns
        if self._known is None or stamp != self._stamp:
            key = Path(self._key or self._certificate).read_bytes()
            self._stamp, self._known = stamp, trust.Identity(path.read_bytes(), key)
        return self._known
