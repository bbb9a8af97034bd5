"""An issuer's keys, from its discovery document; and whether one of them signed a token.

Source: OpenID Connect Discovery 1.0, RFC 7517; the texts of go-oidc, which upstream uses.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt

from kijabi.apiserver.authn import bearer
from kijabi.apiserver.outbound import failures, trust
from kijabi.kit import clock

log = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
# Seconds between attempts to reach an issuer, and that one exchange may take.
EVERY = 10.0
_WITHIN = 30.0
# Clocks differ, in seconds.
_LEEWAY = 60.0


class Unreachable(Exception):
    """The issuer gave no usable answer."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """``authority`` is PEM, empty for the system's; ``discovery`` an address other than below the issuer's own."""

    url: str
    audiences: tuple[str, ...]
    discovery: str = ""
    authority: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    key: Any
    family: str


class Provider:
    """``settle`` until there are keys; ``problem`` says why there are none yet."""

    def __init__(self, issuer: Issuer, timepiece: clock.Clock = clock.SYSTEM) -> None:
        """Raises trust.Untrusted."""
        self.issuer = issuer
        self.problem = f'oidc: authenticator for issuer "{issuer.url}" is not initialized'
        self._tls: ssl.SSLContext = trust.context(issuer.authority.encode())
        self._clock = timepiece
        self._session: aiohttp.ClientSession | None = None
        self._jwks = ""
        self._keys: tuple[Key, ...] = ()
        self._fetches = 0
        self._fetching = asyncio.Lock()

    @property
    def ready(self) -> bool:
        return not self.problem

    async def discover(self) -> None:
        """One attempt to learn where the keys are."""
        url = self.issuer.discovery or self.issuer.url.removesuffix("/") + WELL_KNOWN
        try:
            found = await self._get(url)
            if found.get("issuer") != self.issuer.url:
                raise Unreachable(
                    "oidc: issuer did not match the issuer returned by provider, expected "
                    f'"{self.issuer.url}" got "{found.get("issuer") or ""}"'
                )
            if not found.get("jwks_uri"):
                raise Unreachable("provider did not return JWKS URL")
        except Unreachable as error:
            log.error("oidc authenticator: initializing plugin: %s", error)
            self.problem = f'oidc: authenticator for issuer "{self.issuer.url}" is not healthy: {error}'
            return
        self._jwks = str(found["jwks_uri"])
        self.problem = ""

    async def verified(self, token: str) -> dict[str, Any]:
        """The claims of a token of this issuer. Raises bearer.Rejected."""
        if not self.ready:
            raise bearer.Rejected("oidc: authenticator not initialized")
        header, claims = unverified(token)
        check(claims, self.issuer, self._clock.time())
        algorithm = header.get("alg")
        if algorithm not in self.issuer.algorithms:
            wanted = " ".join(f'"{one}"' for one in self.issuer.algorithms)
            raise bearer.Rejected(
                f"oidc: verify token: oidc: id token signed with unsupported algorithm, expected [{wanted}] "
                f'got "{algorithm or ""}"'
            )
        await self._check_signature(token, str(header.get("kid") or ""), algorithm)
        return claims

    async def _check_signature(self, token: str, kid: str, algorithm: str) -> None:
        seen = self._fetches
        if signed(token, self._keys, kid, algorithm):
            return
        try:
            await self._refresh(seen)
        except Unreachable as error:
            raise bearer.Rejected(f"oidc: verify token: failed to verify signature: fetching keys {error}") from error
        if not signed(token, self._keys, kid, algorithm):
            raise bearer.Rejected("oidc: verify token: failed to verify signature: failed to verify id token signature")

    async def _refresh(self, seen: int) -> None:
        async with self._fetching:
            # Who waited for another's fetch has what it brought.
            if self._fetches != seen:
                return
            found = await self._get(self._jwks)
            self._keys = read_keys(found)
            self._fetches += 1

    async def _get(self, url: str) -> dict[str, Any]:
        if self._session is None or self._session.closed:
            # Made late: a session belongs to the loop that is running.
            connector = aiohttp.TCPConnector(ssl=self._tls)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with asyncio.timeout(_WITHIN), self._session.get(url) as answer:
                body = await answer.read()
        except TimeoutError as error:
            raise Unreachable(f'Get "{url}": context deadline exceeded') from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            place = urlsplit(url)
            words = failures.words(error, place.hostname or "", place.port or 443)
            raise Unreachable(f'Get "{url}": {words}') from error
        if answer.status != 200:
            raise Unreachable(f"{answer.status} {answer.reason}: {body.decode(errors='replace')}")
        try:
            found = json.loads(body)
        except ValueError as error:
            raise Unreachable(f"oidc: failed to decode provider discovery object: {error}") from error
        if not isinstance(found, dict):
            raise Unreachable("oidc: failed to decode provider discovery object: not an object")
        return found

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, claims) of a token that nobody has looked at yet. Raises bearer.Rejected."""
    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError) as error:
        raise bearer.Rejected(f"oidc: verify token: oidc: malformed jwt: {error}") from error
    return whole["header"], whole["payload"]


def check(claims: dict[str, Any], issuer: Issuer, now: float) -> None:
    """Audience and dates. Raises bearer.Rejected."""
    said = claims.get("aud")
    audiences = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    if not set(issuer.audiences) & {one for one in audiences if isinstance(one, str)}:
        got = " ".join(f'"{one}"' for one in audiences)
        if len(issuer.audiences) == 1:
            raise bearer.Rejected(f'oidc: verify token: oidc: expected audience "{issuer.audiences[0]}" got [{got}]')
        wanted = " ".join(f'"{one}"' for one in sorted(issuer.audiences))
        raise bearer.Rejected(f"oidc: verify token: oidc: expected audience in [{wanted}] got [{got}]")
    expires, starts = _seconds(claims.get("exp")), _seconds(claims.get("nbf"))
    if expires < now:
        raise bearer.Rejected(f"oidc: verify token: oidc: token is expired (Token Expiry: {_shown(expires)})")
    if starts and now + _LEEWAY < starts:
        raise bearer.Rejected(
            f"oidc: verify token: oidc: current time {_shown(now)} before the nbf (not before) time: {_shown(starts)}"
        )


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _shown(stamp: float) -> str:
    try:
        when = datetime.datetime.fromtimestamp(stamp, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return str(stamp)
    return when.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def read_keys(found: dict[str, Any]) -> tuple[Key, ...]:
    """The keys of a key set that can be used; others (symmetric ones, unknown curves) are passed over."""
    keys = []
    for one in found.get("keys") or ():
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC"):
            continue
        try:
            keys.append(Key(str(one.get("kid") or ""), jwt.PyJWK(one, _any_algorithm(one)).key, one["kty"]))
        except (jwt.PyJWTError, ValueError, KeyError) as error:
            log.info("a key of a key set is passed over: %s", error)
    return tuple(keys)


def _any_algorithm(one: dict[str, Any]) -> str:
    return "RS256" if one["kty"] == "RSA" else {"P-384": "ES384", "P-521": "ES512"}.get(one.get("crv", ""), "ES256")


def signed(token: str, keys: Sequence[Key], kid: str, algorithm: str) -> bool:
    """Whether one of the keys that the token may mean signed it."""
    family = "EC" if algorithm.startswith("ES") else "RSA"
    for one in keys:
        if one.family != family or (kid and one.id != kid):
            continue
        try:
            jwt.decode(token, one.key, algorithms=[algorithm], options=_ONLY_SIGNATURE)
        except jwt.PyJWTError:
            continue
        return True
    return False


# Dates and audience are checked by us, with upstream's leeway and texts.
_ONLY_SIGNATURE: Any = {
    "verify_signature": True,
    **dict.fromkeys(("verify_aud", "verify_exp", "verify_nbf", "verify_iat", "verify_sub", "verify_jti"), False),
    "verify_iss": False,
}
