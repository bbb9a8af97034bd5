"""Answers: objects, Status objects of errors, plain text, and the Warning headers that go with them."""

from __future__ import annotations

from typing import Any

from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import negotiation
from kijabi.kit import http

_JSON_HEADERS = {"Cache-Control": "no-cache, private", "Content-Type": negotiation.JSON}
# Upstream gives each warning in full only while all of them together stay below this.
_WARNING_BUDGET = 4096


def of_bytes(body: bytes, status: int = 200) -> http.Response:
    """JSON that is ready to go."""
    return http.Response(status, body, _JSON_HEADERS)


def of_json(request: http.Request, body: bytes, media: negotiation.Media, status: int = 200) -> http.Response:
    """JSON as ``media`` asks."""
    response = of_bytes(negotiation.recode(body, media, negotiation.is_pretty(request, media)), status)
    if media.type != negotiation.JSON:
        response.headers = {**response.headers, "Content-Type": media.content_type}
    return response


def of_object(
    request: http.Request, obj: Any, status: int = 200, media: negotiation.Media | None = None
) -> http.Response:
    chosen = media or negotiation.plain(request)
    body = negotiation.encode(obj, chosen, negotiation.is_pretty(request, chosen))
    return http.Response(status, body, {**_JSON_HEADERS, "Content-Type": chosen.content_type})


def of_error(request: http.Request, error: errors.ApiError) -> http.Response:
    """The error's Status. Retry-After is set where the Status says when to try again."""
    response = of_object(request, error.status, error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    if seconds:
        response.headers = {**response.headers, "Retry-After": str(seconds)}
    return response


def text(body: str, status: int = 200) -> http.Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return http.Response(status, body.encode(), {"Cache-Control": "no-cache, private", **headers})


def warn(response: http.Response, warnings: list[str]) -> http.Response:
    """Add ``Warning: 299 - "text"`` headers, each text once."""
    if not warnings:
        return response
    headers = CIMultiDict(response.headers)
    spent = 0
    for warning in dict.fromkeys(warnings):
        quoted = _quote(warning)
        spent += len(quoted)
        if spent > _WARNING_BUDGET:
            break
        headers.add("Warning", f'299 - "{quoted}"')
    response.headers = headers
    return response


def _quote(message: str) -> str:
    flat = "".join(letter if letter.isprintable() else " " for letter in message)
    return flat.replace("\\", "\\\\").replace('"', '\\"')
