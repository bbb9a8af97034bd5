"""``url`` and its parts. Source: kubernetes.io "Kubernetes URL library"."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from kijabi.api.cel import functions, types, values
from kijabi.api.cel.types import BOOL, STRING
from kijabi.api.cel.values import Failure

FUNCTIONS = functions.Functions()
TYPE = types.struct("kubernetes.URL")
# What Go's EscapedPath leaves as it is.
_SAFE = "/$&+,:;=@%!*'()~"


@dataclass(frozen=True, slots=True)
class Url(values.Opaque):
    TYPE = TYPE
    text: str
    scheme: str
    host: str
    path: str
    query: str


class Malformed(ValueError):
    """The message is the one upstream's parser gives."""


def parse(text: str) -> Url:
    """An absolute URI or an absolute path. Raises Malformed."""
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        raise Malformed(f'parse "{text}": net/url: invalid control character in URL')
    if not text:
        raise Malformed(f'parse "{text}": empty url')
    scheme, separator, rest = text.partition(":")
    if not text.startswith("/"):
        if separator and not scheme:
            raise Malformed(f'parse "{text}": missing protocol scheme')
        valid = scheme[:1].isalpha() and all(letter.isalnum() or letter in "+-." for letter in scheme)
        if not separator or not valid or not scheme.isascii():
            raise Malformed(f'parse "{text}": invalid URI for request')
    else:
        scheme, rest = "", text
    rest, _, query = rest.partition("?")
    host = ""
    if rest.startswith("//") and scheme:
        host, slash, path = rest[2:].partition("/")
        host = host.rpartition("@")[2]
        rest = slash + path
        _check_host(text, host)
    return Url(text, scheme.lower(), host, rest, query)


def _check_host(text: str, host: str) -> None:
    if " " in host:
        raise Malformed(f'parse "{text}": invalid character " " in host name')
    _, bracket, after = host.rpartition("]")
    port = after if bracket else host
    if host.startswith("[") and not bracket:
        raise Malformed(f"parse \"{text}\": missing ']' in host")
    _, colon, digits = port.rpartition(":")
    if colon and digits and not digits.isdigit():
        raise Malformed(f'parse "{text}": invalid port ":{digits}" after host')


def _url(text: str) -> Url:
    try:
        return parse(text)
    except Malformed as malformed:
        raise Failure(f"URL parse error during conversion from string: {malformed}") from None


def _is_url(text: str) -> bool:
    try:
        parse(text)
    except Malformed:
        return False
    return True


def _hostname(url: Url) -> str:
    if url.host.startswith("["):
        return url.host[1:].partition("]")[0]
    return url.host.rpartition(":")[0] if ":" in url.host else url.host


def _port(url: Url) -> str:
    after = url.host.rpartition("]")[2]
    return after.rpartition(":")[2] if ":" in after else ""


def _query(url: Url) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in urllib.parse.parse_qsl(url.query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


def _declare() -> None:
    FUNCTIONS.add("url", "string_to_url", (STRING,), TYPE, _url, functions.traverse())
    FUNCTIONS.add("isURL", "is_url_string", (STRING,), BOOL, _is_url)
    add = FUNCTIONS.member
    add("getScheme", "url_get_scheme", (TYPE,), STRING, lambda url: url.scheme)
    add("getHost", "url_get_host", (TYPE,), STRING, lambda url: url.host)
    add("getHostname", "url_get_hostname", (TYPE,), STRING, _hostname)
    add("getPort", "url_get_port", (TYPE,), STRING, _port)
    add("getEscapedPath", "url_get_escaped_path", (TYPE,), STRING, lambda url: urllib.parse.quote(url.path, safe=_SAFE))
    add("getQuery", "url_get_query", (TYPE,), types.map_of(STRING, types.list_of(STRING)), _query)


_declare()
