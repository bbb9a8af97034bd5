"""Users by bearer token: finding it in a request, asking each kind of token authenticator, remembering answers."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.authn import names
from kijabi.kit import clock, http

# How long an accepted token is not looked at again, in seconds; upstream's default as well.
REMEMBERED = 10.0
_MAX_REMEMBERED = 8192

_SPACE = "the provided Authorization header contains extra space before the bearer token, and is ignored"
_WEBSOCKET_PREFIX = "base64url.bearer.authorization.k8s.io."


class Rejected(Exception):
    """A token of a known kind that is not accepted; the text says why."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who, and for which of the audiences asked for. ``expires`` is seconds since the epoch, 0 for never; ``notes`` are
    for who brought the token (kind ``contract.WARNING``), or for the audit log (the kind is an annotation's key)."""

    user: contract.UserInfo
    audiences: tuple[str, ...]
    expires: float = 0.0
    notes: tuple[tuple[str, str], ...] = ()


class TokenAuthenticator(Protocol):
    async def authenticate(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """None: not a token of this kind. Raises Rejected."""
        ...


class Static:
    """Tokens known from the start, for tests and the assembly's own use."""

    def __init__(self, tokens: Mapping[str, contract.UserInfo]) -> None:
        self._tokens = dict(tokens)

    async def authenticate(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        user = self._tokens.get(token)
        return Authenticated(user, tuple(audiences)) if user is not None else None


class Tokens:
    """All kinds of token, asked in order; the first that knows the token answers."""

    def __init__(self, members: Sequence[TokenAuthenticator], audiences: Sequence[str], timepiece: clock.Clock) -> None:
        self._members = tuple(members)
        self.audiences = tuple(audiences)
        self._clock = timepiece
        self._remembered: dict[tuple[str, tuple[str, ...]], tuple[float, Authenticated]] = {}

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Raises Unauthorized with a reason that a TokenReview may show."""
        wanted = tuple(audiences) or self.audiences
        key = (token, wanted)
        known = self._remembered.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        found = await self._ask(token, wanted)
        found = dataclasses.replace(found, user=names.authenticated(found.user))
        self._remember(key, found)
        return found

    async def authenticate(self, request: http.Request) -> contract.UserInfo | None:
        token = bearer_token(request)
        if not token:
            return None
        found = await self.authenticate_token(token)
        if found.notes:
            request.notes = [*(request.notes or ()), *found.notes]
        return found.user

    async def _ask(self, token: str, wanted: tuple[str, ...]) -> Authenticated:
        reasons = []
        for member in self._members:
            try:
                found = await member.authenticate(token, wanted)
            except Rejected as error:
                reasons.append(str(error))
                continue
            if found is not None:
                return found
        why = ", ".join(["invalid bearer token", *reasons])
        raise errors.Unauthorized(f"[{why}]" if reasons else why)

    def _remember(self, key: tuple[str, tuple[str, ...]], found: Authenticated) -> None:
        # Never past the token's own end.
        seconds = REMEMBERED
        if found.expires:
            seconds = min(seconds, max(found.expires - self._clock.time(), 0.0))
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (self._clock.monotonic() + seconds, found)


def bearer_token(request: http.Request) -> str:
    """The token of a request: in Authorization, or among the WebSocket protocols where a browser must put it."""
    parts = request.headers.get("Authorization", "").strip().split(" ", 2)
    if len(parts) > 1 and parts[0].lower() == "bearer":
        if parts[1]:
            return parts[1]
        request.notes = [*(request.notes or ()), (contract.WARNING, _SPACE)]
    for protocol in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        encoded = protocol.strip()
        if encoded.startswith(_WEBSOCKET_PREFIX):
            return _decoded(encoded.removeprefix(_WEBSOCKET_PREFIX))
    return ""


def without_token(protocols: str) -> str:
    """Sec-WebSocket-Protocol without the token, as it may be handed on."""
    kept = [one.strip() for one in protocols.split(",") if not one.strip().startswith(_WEBSOCKET_PREFIX)]
    return ", ".join(kept)


def _decoded(encoded: str) -> str:
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        # Not a token that anybody knows.
        return encoded
