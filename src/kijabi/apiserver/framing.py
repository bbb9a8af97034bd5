"""Answers as bytes of HTTP/1: heads, refusals of what is not HTTP, compression."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import helpers as aiohttp_helpers
from aiohttp import http_exceptions
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11


class Unreadable(NamedTuple):
    """Stands in the queue for a message that is not HTTP."""

    status: int
    why: str


_REASONS = {status.value: status.phrase for status in HTTPStatus}
BODILESS = (204, 304)
# What the framing alone decides.
_OWN = ("content-length", "transfer-encoding", "connection", "date")


def head_of(status: int, headers: Mapping[str, str], framing: str, head: RawRequestMessage, goes_on: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n"]
    for name, value in headers.items():
        if "\n" not in value and "\r" not in value and name.lower() not in _OWN:
            lines.append(f"{name}: {value}\r\n")
    lines.append(framing)
    if not goes_on:
        lines.append("Connection: close\r\n")
    elif head.version < HttpVersion11:
        lines.append("Connection: keep-alive\r\n")
    lines.append(f"Date: {aiohttp_helpers.rfc822_formatted_time()}\r\n\r\n")
    return "".join(lines).encode("latin-1", "replace")


def unreadable(error: http_exceptions.HttpProcessingError) -> Unreadable:
    # In net/http's words where it has some; what the parser says is about this server's parser.
    if isinstance(error, http_exceptions.LineTooLong) or "Too many" in error.message:
        return Unreadable(431, "")
    if "Host" in error.message:
        return Unreadable(400, "missing required Host header")
    return Unreadable(400, "")


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header names gzip, and not as what is never to come."""
    for clause in accepted.lower().split(","):
        name, *options = (part.strip() for part in clause.split(";"))
        if name == "gzip":
            return not any(option.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for option in options)
    return False


async def compressed(head: RawRequestMessage, body: bytes, headers: Mapping[str, str]) -> tuple[bytes, Any]:
    accepted = head.headers.get("Accept-Encoding", "")
    if head.method != "GET" or not takes_gzip(accepted) or "Content-Encoding" in headers:
        return body, headers
    # zlib releases the interpreter's lock: other requests go on meanwhile.
    packed = await asyncio.get_running_loop().run_in_executor(None, gzip, body)
    vary = ", ".join(part for part in (headers.get("Vary", ""), "Accept-Encoding") if part)
    return packed, {**headers, "Content-Encoding": "gzip", "Vary": vary}


def gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def refusal(what: Unreadable) -> bytes:
    """The whole answer to a message that is not HTTP, after which the connection ends."""
    text = f"{what.status} {_REASONS[what.status]}" + (f": {what.why}" if what.why else "")
    return (
        f"HTTP/1.1 {what.status} {_REASONS[what.status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Connection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}"
    ).encode("latin-1", "replace")
