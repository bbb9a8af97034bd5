"""WATCH: from a revision on, every change, as lines of JSON.

A watch without a revision, or from 0, starts with what is there as synthetic ADDED events. ``sendInitialEvents`` does
the same for any revision and says where they end. Source: the API concepts' "Efficient detection of changes",
"Streaming lists" and "Watch bookmarks".
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson

from kijabi.api import errors
from kijabi.apiserver import negotiation, params, tables
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import converting as converting_
from kijabi.apiserver.registry import selection
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry
from kijabi.apiserver.watchcache import cache, listing
from kijabi.apiserver.watchcache.entry import Encoder, event_line
from kijabi.apiserver.watchcache.watcher import Watcher
from kijabi.kit import clock, http, tasks

BOOKMARK_EVERY = 60.0
# A last bookmark just before the end lets a client go on without listing again.
BOOKMARK_BEFORE_END = 2.0
# How often deadlines of watches are looked at.
TICK = 0.5

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Deadlines:
    """Sends the bookmarks and ends the watches whose time is over: one timer for all of them."""

    def __init__(self, timepiece: clock.Clock) -> None:
        self._clock = timepiece
        self._open: dict[Watcher, Bookmarks] = {}

    def add(self, watcher: Watcher, bookmarks: Bookmarks) -> None:
        self._open[watcher] = bookmarks

    def remove(self, watcher: Watcher) -> None:
        self._open.pop(watcher, None)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(TICK)
            self.look(self._clock.monotonic())

    def look(self, now: float) -> None:
        for watcher, bookmarks in list(self._open.items()):
            if now >= watcher.ends_at:
                watcher.close()
            elif now >= watcher.bookmark_at:
                watcher.bookmark_at = _next_bookmark(now, watcher.ends_at)
                bookmarks.send(watcher)

    def start(self, owner: tasks.Nursery) -> None:
        owner.keep(self.run, "watch-deadlines")


def _next_bookmark(now: float, ends_at: float) -> float:
    last = ends_at - BOOKMARK_BEFORE_END
    regular = now + BOOKMARK_EVERY
    return last if now < last < regular else regular


class Bookmarks:
    """Makes the bookmark lines of one watch; silent where the client did not ask for any."""

    def __init__(self, reg: Registry, endpoint: Endpoint, encode: Encoder, wanted: bool) -> None:
        self._reg = reg
        self._endpoint = endpoint
        self._encode = encode
        self._wanted = wanted

    def send(self, watcher: Watcher, annotations: Object | None = None) -> None:
        if not self._wanted:
            return
        meta: Object = {"creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        if self._reg.feed.revision < watcher.revision:
            # The watch begins later: a bookmark would send its client back.
            return
        # Everything up to the feed's revision has been offered, so what waits in front of the bookmark is older.
        value = self._endpoint.codec.empty(meta)
        watcher.push_nowait(event_line("BOOKMARK", self._encode(value, self._reg.feed.revision)))


class Shaped:
    """Encodes events as Tables or PartialObjectMetadata. A Table names its columns in the first event only."""

    def __init__(self, reg: Registry, endpoint: Endpoint, media: negotiation.Media, include: str) -> None:
        self._reg = reg
        self._endpoint = endpoint
        self._media = media
        self._include = include
        self._first = True

    def __call__(self, value: bytes, revision: int) -> bytes:
        obj = orjson.loads(self._endpoint.codec.full(value, revision))
        strategy, now = self._endpoint.strategy, self._reg.clock.time()
        if self._media.kind == negotiation.TABLE and not obj["metadata"].get("name"):
            return self._bookmark(obj)
        shaped = tables.shape(strategy, obj, self._media, self._include, now)
        if self._media.kind == negotiation.TABLE:
            if not self._first:
                shaped["columnDefinitions"] = None
            self._first = False
        return orjson.dumps(shaped)

    def _bookmark(self, obj: Object) -> bytes:
        version = f"{self._media.group}/{self._media.version}"
        width = len(tables.definitions(self._endpoint.strategy))
        rows = [{"cells": [""] * width, "object": tables.partial(obj, version)}]
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return orjson.dumps(tables.table(rows, [], meta, version))


async def watch(
    reg: Registry, deadlines: Deadlines, context: RequestContext, endpoint: Endpoint, shortest: int
) -> http.Response:
    """``shortest``: seconds that a watch lasts at least when the client names no timeout."""
    request, info = context.request, context.info
    media = negotiation.accept(request)
    if media.type == negotiation.YAML:
        streams = (type_ for type_ in negotiation.spoken(request) if type_ != negotiation.YAML)
        raise negotiation.not_acceptable(tuple(f"{type_};stream=watch" for type_ in streams))
    options = params.listing(request)
    name = info.name if len(info.parts) > 1 else ""
    interest = selection.interest(endpoint, info.namespace, options.label_selector, options.field_selector, name)
    encode: Encoder = endpoint.codec.full
    if media.kind:
        if media.kind == negotiation.PARTIAL_LIST:
            # No event is a list: upstream ends the stream at the first.
            return http.Response(200, _nothing(), _headers(media))
        encode = Shaped(reg, endpoint, media, tables.include_object(request, media))
    converting = None
    if endpoint.remote is not None:
        # What only the webhook's version can be asked is asked when events are sent.
        converting = encode = converting_.Converting(endpoint, endpoint.remote, encode, interest.also)
        interest = replace(interest, also=None)
    with_initial = _starts_with_state(options)
    try:
        if options.resource_version is None:
            await listing.consistent(reg.feed)
        elif with_initial:
            await listing.fresh(reg.feed, options.resource_version)
    except errors.Timeout as error:
        return _failed(media, error)
    # Who asks for changes only may ask for those after a revision to come, and hears nothing until then.
    after = reg.feed.revision if with_initial else options.resource_version or reg.feed.revision
    watcher = Watcher(interest, encode, endpoint.cache.read, after)
    bookmarks = Bookmarks(reg, endpoint, encode, options.bookmarks)
    try:
        if with_initial:
            read = endpoint.cache.read
            there = endpoint.cache.select(interest.namespace)
            watcher.start_with([entry for entry in there if interest.wants(entry, read)])
            if options.send_initial_events:
                bookmarks.send(watcher, {INITIAL_EVENTS_END: "true"})
        elif converting is not None:
            converting.start(endpoint.cache.as_of(after))
        endpoint.cache.watch(watcher)
    except cache.TooOld as error:
        return _failed(media, errors.Expired(f"too old resource version: {after} ({error.oldest})"))
    now = reg.clock.monotonic()
    lasts = options.timeout or shortest * (1 + random.random())
    watcher.ends_at = now + lasts
    watcher.bookmark_at = _next_bookmark(now, watcher.ends_at)
    deadlines.add(watcher, bookmarks)
    return http.Response(200, _lines(deadlines, endpoint, watcher, media, converting), _headers(media))


def _starts_with_state(options: params.ListOptions) -> bool:
    if options.send_initial_events is not None:
        return options.send_initial_events
    return not options.resource_version


def _headers(media: negotiation.Media) -> dict[str, str]:
    return {"Cache-Control": "no-cache, private", "Content-Type": media.stream_type}


async def _nothing() -> AsyncIterator[bytes]:
    lines: tuple[bytes, ...] = ()
    for line in lines:
        yield line


def _failed(media: negotiation.Media, error: errors.ApiError) -> http.Response:
    """A watch from too long ago, or from a time to come, is answered with one ERROR event, as upstream does."""
    line = event_line("ERROR", orjson.dumps(error.status))
    return http.Response(200, negotiation.frame(line, media), _headers(media))


async def _lines(
    deadlines: Deadlines,
    endpoint: Endpoint,
    watcher: Watcher,
    media: negotiation.Media,
    converting: converting_.Converting | None,
) -> AsyncIterator[bytes]:
    try:
        while lines := await watcher.take():
            if converting is not None:
                try:
                    lines = await converting.lines(lines)
                except errors.ApiError as error:
                    yield negotiation.frame(event_line("ERROR", orjson.dumps(error.status)), media)
                    return
                if not lines:
                    # The selector showed none of them; an empty chunk would end the answer.
                    continue
            if media.type != negotiation.JSON:
                lines = [negotiation.frame(line, media) for line in lines]
            yield lines[0] if len(lines) == 1 else b"".join(lines)
    finally:
        deadlines.remove(watcher)
        endpoint.cache.unwatch(watcher)
