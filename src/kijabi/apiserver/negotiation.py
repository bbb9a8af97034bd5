"""Which media types go in and out.

``as=Table`` and ``as=PartialObjectMetadata`` ask for another shape. A list of types is tried in the client's order of
preference, and what is unknown is passed over. Protobuf, which only built-in kinds have, is read wherever it is sent
but written only to clients that take nothing else: what is stored is JSON, and most clients that say protobuf first
name JSON too. Source: the API concepts' "Alternate representations of resources".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from kijabi.api import errors
from kijabi.api.protobuf import codec, compiled
from kijabi.kit import http, yamls

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
# Of any kind, and of built-in kinds.
SUPPORTED = (JSON, YAML)
BUILT_IN = (JSON, YAML, PROTOBUF)
TABLE = "Table"
PARTIAL, PARTIAL_LIST = "PartialObjectMetadata", "PartialObjectMetadataList"
PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_BROWSERS = ("curl", "Wget", "Mozilla/5.0")


@dataclass(frozen=True, slots=True)
class Media:
    """``kind`` is the shape asked for (empty: the object as it is), ``group`` and ``version`` those of that shape."""

    type: str = JSON
    kind: str = ""
    group: str = ""
    version: str = ""
    stream: str = ""
    pretty: bool = False

    @property
    def content_type(self) -> str:
        return self.type

    @property
    def stream_type(self) -> str:
        """The content type of a watch."""
        return self.type if self.type == JSON else f"{self.type};stream=watch"


DEFAULT = Media()


def not_acceptable(accepted: tuple[str, ...] = SUPPORTED) -> errors.NotAcceptable:
    return errors.NotAcceptable(f"only the following media types are accepted: {', '.join(accepted)}")


def unroutable(accepted: tuple[str, ...]) -> errors.NotAcceptable:
    """Where none of the types that a path offers is named; upstream finds that out before it looks at parameters."""
    return errors.NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(accepted)}", details={})


@functools.lru_cache(maxsize=512)
def is_routable(header: str, offered: tuple[str, ...] = BUILT_IN) -> bool:
    """Whether an Accept header names one of the types, letter by letter, or any type at all."""
    return not header or any(part.partition(";")[0].strip() in (*offered, "*/*") for part in header.split(","))


def _offered(request: http.Request) -> tuple[str, ...]:
    """The types that the path of a built-in kind offers; a collection's are those of its watch too."""
    parts = request.path.strip("/").split("/")
    parts = parts[2 if parts[0] == "api" else 3 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    streams = tuple(f"{type_};stream=watch" for type_ in BUILT_IN if type_ != YAML)
    return BUILT_IN + streams if request.method == "GET" and len(parts) == 1 else BUILT_IN


def unsupported(accepted: tuple[str, ...]) -> errors.UnsupportedMediaType:
    return errors.UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    )


def spoken(request: http.Request) -> tuple[str, ...]:
    """The media types of the kinds that a request's path is about."""
    protobuf = compiled.load()
    if protobuf is None:
        return SUPPORTED
    start, group, version, *_ = [*request.path.strip("/").split("/"), "", ""]
    return BUILT_IN if start != "apis" or protobuf.has(group, version) else SUPPORTED


def _named() -> tuple[str, ...]:
    """What refusals name: upstream's custom resources name protobuf too, which they have no form of."""
    return SUPPORTED if compiled.load() is None else BUILT_IN


@functools.lru_cache(maxsize=512)
def clauses(header: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """(media type, parameters) of an Accept header, best first."""
    found = []
    for text in header.split(","):
        type_, *params = (part.strip() for part in text.split(";"))
        options = {}
        for param in params:
            name, _, value = param.partition("=")
            options[name.strip()] = value.strip().strip('"')
        try:
            quality = float(options.pop("q", "1"))
        except ValueError:
            quality = 1.0
        found.append((-quality, type_, options))
    found.sort(key=lambda clause: clause[0])
    return tuple((type_, options) for _, type_, options in found)


def _concrete(type_: str) -> tuple[str, ...]:
    if type_ in ("*/*", "application/*"):
        return SUPPORTED
    return (type_,) if type_ in SUPPORTED else ()


@functools.lru_cache(maxsize=512)
def _accept(header: str) -> Media | None:
    for type_, options in clauses(header):
        for candidate in _concrete(type_):
            media = _media(candidate, options)
            if media is not None:
                return media
    return None


@functools.lru_cache(maxsize=512)
def _accept_protobuf(header: str) -> Media | None:
    for type_, options in clauses(header):
        media = _media(type_, options) if type_ == PROTOBUF else None
        # Tables have no protobuf form.
        if media is not None and media.kind != TABLE:
            return media
    return None


def _media(type_: str, options: dict[str, str]) -> Media | None:
    kind, group, version = options.get("as", ""), options.get("g", ""), options.get("v", "")
    if kind or group or version:
        known = group == "meta.k8s.io" and version in ("v1", "v1beta1") and kind in (TABLE, PARTIAL, PARTIAL_LIST)
        if not known:
            return None
    if options.get("stream", "") not in ("", "watch"):
        return None
    return Media(type_, kind, group, version, options.get("stream", ""), options.get("pretty") == "1")


def accept(request: http.Request) -> Media:
    """The media type of the answer about a resource. Raises NotAcceptable."""
    header = request.headers.get("Accept")
    if not header or header == JSON:
        return DEFAULT
    media = _accept(header)
    if media is not None and (is_routable(header) or spoken(request) == SUPPORTED):
        return media
    types, media = spoken(request), _accept_protobuf(header)
    if types == BUILT_IN and not is_routable(header):
        raise unroutable(_offered(request))
    if media is None or not (PROTOBUF in types or (media.kind and compiled.load())):
        raise not_acceptable(_named())
    return media


def refuse_tables(request: http.Request) -> None:
    """For answers that cannot be shown as a table. Raises NotAcceptable where nothing else is asked for."""
    header = request.headers.get("Accept", "")
    if TABLE in header and all(options.get("as") == TABLE for _, options in clauses(header)):
        raise not_acceptable(_named())


def plain(request: http.Request) -> Media:
    """The media type of an answer that has no other shape (a Status, discovery); JSON where nothing fits."""
    accepted = clauses(request.headers.get("Accept", ""))
    for type_, _ in accepted:
        for candidate in _concrete(type_):
            return Media(candidate)
    if compiled.load() is not None and any(type_ == PROTOBUF for type_, _ in accepted):
        return Media(PROTOBUF)
    return DEFAULT


def body_type(request: http.Request) -> str:
    """The media type of a request's body (JSON where it says nothing). Raises UnsupportedMediaType."""
    return _body_type(request, spoken)


def options_type(request: http.Request) -> str:
    """The same for a body that is an object of ours on any path, such as DeleteOptions."""
    return _body_type(request, lambda _: SUPPORTED if compiled.load() is None else BUILT_IN)


def _body_type(request: http.Request, types_of: Callable[[http.Request], tuple[str, ...]]) -> str:
    header = request.headers.get("Content-Type")
    if not header:
        return JSON
    type_ = header.partition(";")[0].strip().lower()
    if type_ in SUPPORTED:
        return type_
    accepted = types_of(request)
    if type_ not in accepted:
        raise unsupported(_named())
    return type_


def is_pretty(request: http.Request, media: Media) -> bool:
    """Whether a human reads this: asked for, or the client is a browser or curl."""
    if "pretty" in request.query_string:
        asked = request.param("pretty")
        if asked:
            return asked.lower() in ("1", "t", "true")
    return media.pretty or request.headers.get("User-Agent", "").startswith(_BROWSERS)


def encode(obj: Any, media: Media, pretty: bool = False) -> bytes:
    if media.type == YAML:
        return yamls.dumps(obj, ordered=True).encode()
    if media.type == PROTOBUF:
        return _protobuf(obj)
    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if pretty else 0)
    return orjson.dumps(obj, option=option)


def recode(body: bytes, media: Media, pretty: bool) -> bytes:
    """JSON bytes as ``media`` asks; the same bytes where nothing is to be done."""
    if media.type == JSON and not pretty:
        return body
    return encode(orjson.loads(body), media, pretty)


def frame(line: bytes, media: Media) -> bytes:
    """An event of a watch, given as a line of JSON, as ``media`` asks."""
    if media.type == JSON:
        return line
    event = orjson.loads(line)
    return codec.watch_event(event["type"], _protobuf(event["object"]))


def _protobuf(obj: Any) -> bytes:
    protobuf = compiled.load()
    body = protobuf.encode(obj) if protobuf is not None else None
    if body is None:
        raise not_acceptable()
    return body
