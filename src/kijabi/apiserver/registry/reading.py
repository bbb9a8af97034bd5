"""GET of one object and of a collection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from kijabi.apiserver import negotiation, params, responses, tables
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import selection
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry
from kijabi.apiserver.watchcache import listing
from kijabi.apiserver.watchcache.entry import Entry
from kijabi.apiserver.watchcache.watcher import Interest
from kijabi.kit import http


async def get(reg: Registry, context: RequestContext, endpoint: Endpoint) -> http.Response:
    """One object: two joins of bytes where nothing but JSON is asked for."""
    request, info = context.request, context.info
    media = negotiation.accept(request)
    wanted = params.revision(request)
    if wanted:
        await listing.fresh(reg.feed, wanted)
    elif wanted is None and reg.feed.shared:
        await listing.consistent(reg.feed)
    entry = endpoint.cache.get(info.namespace, info.name)
    if entry is None:
        raise reg.missing(endpoint, info.namespace, info.name)
    if endpoint.remote is not None:
        await endpoint.remote.ready((entry.value,))
    body = endpoint.codec.full(entry.value, entry.revision)
    if media is negotiation.DEFAULT and not negotiation.is_pretty(request, media):
        return responses.of_bytes(body)
    return present(reg, request, endpoint, body, media)


def present(
    reg: Registry,
    request: http.Request,
    endpoint: Endpoint,
    body: bytes,
    media: negotiation.Media,
    status: int = 200,
) -> http.Response:
    """One object's JSON in the shape and type that the client accepts."""
    if media.kind:
        include = tables.include_object(request, media)
        shaped = tables.shape(endpoint.strategy, orjson.loads(body), media, include, reg.clock.time())
        return responses.of_object(request, shaped, status, media)
    return responses.of_json(request, body, media, status)


async def list_(reg: Registry, context: RequestContext, endpoint: Endpoint) -> http.Response:
    request = context.request
    media = negotiation.accept(request)
    options = params.listing(request)
    listed = await page(reg, context, endpoint, options)
    if media.kind:
        return _shaped(reg, request, endpoint, listed, media)
    return responses.of_json(request, encode(endpoint, listed), media)


async def page(
    reg: Registry, context: RequestContext, endpoint: Endpoint, options: params.ListOptions
) -> listing.Listed:
    """The entries a list is about. Raises BadRequest, Expired or Timeout."""
    info = context.info
    if reg.store.unreadable:
        reg.check_readable(endpoint, info.namespace)
    interest = selection.interest(endpoint, info.namespace, options.label_selector, options.field_selector)
    wanted = listing.Wanted(
        interest,
        bool(options.label_selector or options.field_selector),
        options.limit,
        options.continue_,
        options.resource_version,
        options.resource_version_match,
        _preparing(endpoint, interest),
    )
    listed = await reg.lister.page(endpoint.cache, wanted)
    if endpoint.remote is not None:
        await endpoint.remote.ready(entry.value for entry in listed.entries)
    return listed


def _preparing(endpoint: Endpoint, interest: Interest) -> Callable[[list[Entry]], Awaitable[None]] | None:
    """Converts everything before it is asked about, where a webhook makes what is asked."""
    remote = endpoint.remote
    if remote is None or interest.also is None:
        return None
    return lambda entries: remote.ready(entry.value for entry in entries)


def list_meta(listed: listing.Listed) -> Object:
    meta: Object = {"resourceVersion": str(listed.revision)}
    if listed.token:
        meta["continue"] = listed.token
    if listed.remaining is not None:
        meta["remainingItemCount"] = listed.remaining
    return meta


def encode(endpoint: Endpoint, listed: listing.Listed) -> bytes:
    """The List as JSON: the items' stored bytes, joined, and copied only then."""
    codec = endpoint.codec
    head = b'{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[' % (
        codec.kind.encode(),
        codec.api_version.encode(),
        orjson.dumps(list_meta(listed)),
    )
    item = codec.item
    parts: list[bytes | memoryview] = [head]
    for entry in listed.entries:
        parts += item(entry.value, entry.revision)
        parts.append(b",")
    if listed.entries:
        parts.pop()
    parts.append(b"]}")
    return b"".join(parts)


def _shaped(
    reg: Registry, request: http.Request, endpoint: Endpoint, listed: listing.Listed, media: negotiation.Media
) -> http.Response:
    include = tables.include_object(request, media)
    objects = [endpoint.codec.decode(entry.value, entry.revision) for entry in listed.entries]
    now = reg.clock.time()
    shaped = tables.shape_list(endpoint.strategy, objects, list_meta(listed), media, include, now)
    return responses.of_object(request, shaped, 200, media)
