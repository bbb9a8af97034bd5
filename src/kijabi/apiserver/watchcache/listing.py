"""A list: which entries, of which revision, in pages.

Source: the API concepts' "Semantics for get and list", "Retrieving large results sets in chunks" and 410 responses.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from kijabi.api import errors
from kijabi.apiserver.watchcache.cache import Cache
from kijabi.apiserver.watchcache.entry import Entry
from kijabi.apiserver.watchcache.feed import Feed
from kijabi.apiserver.watchcache.watcher import Interest
from kijabi.kit import jsons
from kijabi.store import contract

# Seconds to wait for a revision that has not happened yet.
PATIENCE = 3.0

TOO_OLD = "The resourceVersion for the provided list is too old."
INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class ContinueExpired(errors.Expired):
    """410 for a page of a snapshot that is gone; carries a token that goes on with what is there now."""

    def __init__(self, token: str) -> None:
        super().__init__(INCONSISTENT)
        self.token = token

    @property
    def status(self) -> dict[str, Any]:
        return {**super().status, "metadata": {"continue": self.token}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """``revision`` None: not given. ``match`` is '', 'Exact' or 'NotOlderThan'.

    ``prepare`` is awaited with the entries before they are asked about.
    """

    interest: Interest
    selective: bool = False
    limit: int = 0
    token: str = ""
    revision: int | None = None
    match: str = ""
    prepare: Callable[[list[Entry]], Awaitable[None]] | None = None


@dataclass(slots=True)
class Listed:
    entries: list[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None


def encode_token(start: str, revision: int) -> str:
    data = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_token(token: str) -> tuple[str, int]:
    """Start key below the resource's prefix, and revision (-1: the newest). Raises BadRequest."""
    try:
        illegal = [place for place, letter in enumerate(token) if letter not in _ALPHABET]
        if illegal:
            raise ValueError(f"illegal base64 data at input byte {illegal[0]}")
        data = jsons.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, revision, start = data.get("v", ""), data.get("rv", 0), data.get("start", "")
        if not isinstance(revision, int) or not isinstance(start, str):
            raise ValueError("wrong types")
    except (ValueError, binascii.Error, AttributeError) as error:
        raise errors.BadRequest(f"invalid continue token: continue key is not valid: {error}") from error
    if version != "meta.k8s.io/v1":
        raise _bad_token(f"server does not recognize this encoded version {version}")
    if revision == 0:
        raise _bad_token("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not start:
        raise _bad_token("encoded start key empty (version meta.k8s.io/v1)")
    # A token is the client's to forge: it must not lead out of the resource's own keys.
    rooted = start if start.startswith("/") else "/" + start
    if posixpath.normpath(rooted) != rooted:
        raise errors.BadRequest(f"invalid continue token: continue key is not valid: {start}")
    return rooted[1:], revision


def _bad_token(why: str) -> errors.BadRequest:
    return errors.BadRequest(f"invalid continue token: continue key is not valid: {why}")


def too_large(wanted: int, current: int) -> errors.Timeout:
    """504 for a revision that has not happened."""
    return errors.Timeout(
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )


async def fresh(feed: Feed, revision: int) -> None:
    """Wait until ``revision`` is here; raises Timeout when it does not come."""
    if feed.revision < revision and not await feed.reach_within(revision, PATIENCE):
        raise too_large(revision, feed.revision)


async def consistent(feed: Feed) -> None:
    """Wait until everything is here that was written anywhere before now; raises Timeout when it does not come.

    Costs nothing where this server is the only writer. Source: KEP-2340.
    """
    if feed.shared:
        await fresh(feed, await feed.current())


class Lister:
    def __init__(self, store: contract.Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed

    async def page(self, cache: Cache, wanted: Wanted) -> Listed:
        """One page. Raises BadRequest, Expired or Timeout."""
        start, exact = "", 0
        if wanted.token:
            start, revision = decode_token(wanted.token)
            exact = max(revision, 0)
            if wanted.revision:
                raise errors.BadRequest("specifying resource version is not allowed when using continue")
            if not exact:
                await consistent(self._feed)
        elif wanted.revision:
            legacy = not wanted.match and wanted.limit > 0
            exact = wanted.revision if wanted.match == "Exact" or legacy else 0
            await fresh(self._feed, wanted.revision)
        elif wanted.revision is None:
            await consistent(self._feed)
        if exact and (exact < cache.changed or exact > self._feed.revision):
            entries, revision = await self._at(cache, wanted, start, exact), exact
        else:
            # Nothing of this resource changed since: the present is the snapshot that was asked for.
            entries = cache.select(wanted.interest.namespace, cache.prefix + start if start else "")
            revision = exact or self._feed.revision
        if wanted.prepare is not None:
            await wanted.prepare(entries)
        return self._cut(cache, wanted, entries, revision)

    async def _at(self, cache: Cache, wanted: Wanted, start: str, revision: int) -> list[Entry]:
        namespace = wanted.interest.namespace
        prefix = f"{cache.prefix}{namespace}/" if namespace else cache.prefix
        try:
            page = await self._store.range(prefix, at=revision)
        except contract.Compacted as error:
            if wanted.token:
                raise ContinueExpired(encode_token(start, -1)) from error
            raise errors.Expired(TOO_OLD) from error
        except contract.Future as error:
            raise too_large(revision, error.revision) from error
        least = cache.prefix + start
        return [cache.entry_of(entry.key, entry.value, entry.revision) for entry in page.entries if entry.key >= least]

    def _cut(self, cache: Cache, wanted: Wanted, entries: list[Entry], revision: int) -> Listed:
        # Who takes any revision gets all of it at once, as upstream's watch cache has always done.
        interest, limit = wanted.interest, 0 if wanted.revision == 0 else wanted.limit
        if not interest.is_selective:
            if not limit or len(entries) <= limit:
                return Listed(entries, revision)
            token = encode_token(entries[limit - 1].key[len(cache.prefix) :] + "\0", revision)
            remaining = None if wanted.selective else len(entries) - limit
            return Listed(entries[:limit], revision, token, remaining)
        found: list[Entry] = []
        for item in entries:
            if interest.is_chosen(item, cache.read):
                if limit and len(found) == limit:
                    # Upstream cannot count what a selector leaves, so neither do we.
                    return Listed(found, revision, encode_token(found[-1].key[len(cache.prefix) :] + "\0", revision))
                found.append(item)
        return Listed(found, revision)
