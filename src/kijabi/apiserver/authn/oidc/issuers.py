"""The token authenticator of all issuers, and the file that names them put in force anew when it has changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from kijabi.apiserver import configfiles, tally
from kijabi.apiserver.authn import bearer
from kijabi.apiserver.authn.oidc import configuration, provider
from kijabi.kit import clock

log = logging.getLogger(__name__)

# How long the issuers of a changed file may take to be reached, in seconds; the file before stays in force till then.
_PATIENCE = 60.0

_Member = tuple[provider.Provider, configuration.Authenticator]


class Issuers:
    """A token authenticator. ``run`` reaches the issuers; ``close`` at the end."""

    def __init__(self, first: configuration.Configuration, timepiece: clock.Clock = clock.SYSTEM) -> None:
        """Raises trust.Untrusted."""
        self._clock = timepiece
        self._members = self._made(first)
        self._former: list[provider.Provider] = []

    def _made(self, said: configuration.Configuration) -> list[_Member]:
        return [(provider.Provider(one.issuer, self._clock), one) for one in said.authenticators]

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearer.Authenticated | None:
        if not self._members:
            return None
        try:
            _, unverified = provider.unverified(token)
        except bearer.Rejected:
            return None
        issuer = unverified.get("iss")
        if issuer == "accounts.google.com":
            # OpenID Connect Core: what Google's tokens said before there was a rule.
            issuer = "https://accounts.google.com"
        for known, settings in self._members:
            if settings.issuer.url == issuer:
                said = await known.verified(token)
                return bearer.Authenticated(settings.mapper.user(said), tuple(audiences), float(said["exp"]))
        return None

    @property
    def problems(self) -> list[str]:
        return [known.problem for known, _ in self._members if known.problem]

    async def run(self) -> None:
        """For ever: ask each issuer for its keys until it has answered once."""
        while True:
            await self.reach()
            await self._clock.sleep(provider.EVERY)

    async def reach(self) -> None:
        """Ask those once that have not answered yet."""
        await _discover(self._members)

    async def replace(self, said: configuration.Configuration) -> bool:
        """Put other issuers in force, as soon as all of them have been reached; False when they have not in time."""
        fresh = self._made(said)
        try:
            reached = await self._reached(fresh)
        except asyncio.CancelledError:
            await _close(known for known, _ in fresh)
            raise
        if not reached:
            await _close(known for known, _ in fresh)
            return False
        # Requests may still be about to ask those before; they are closed when there is another change.
        former, self._former = self._former, [known for known, _ in self._members]
        self._members = fresh
        await _close(former)
        return True

    async def _reached(self, members: Sequence[_Member]) -> bool:
        until = self._clock.monotonic() + _PATIENCE
        await _discover(members)
        while not all(known.ready for known, _ in members):
            if self._clock.monotonic() >= until:
                return False
            await self._clock.sleep(provider.EVERY)
            await _discover(members)
        return True

    async def close(self) -> None:
        await _close([*self._former, *(known for known, _ in self._members)])


async def _close(providers: Iterable[provider.Provider]) -> None:
    for known in providers:
        await known.close()


async def _discover(members: Sequence[_Member]) -> None:
    await asyncio.gather(*(known.discover() for known, _ in members if not known.ready))


class Reload:
    """What is done with a changed AuthenticationConfiguration. Who is anonymous is settled at the start."""

    def __init__(
        self,
        issuers: Issuers,
        first: configuration.Configuration,
        disallowed: Sequence[str],
        counts: tally.Tally | None = None,
    ) -> None:
        self._counts = counts or tally.Tally()
        self._issuers = issuers
        self._anonymous = first.anonymous
        self._disallowed = tuple(disallowed)

    async def __call__(self, data: bytes) -> bool:
        """False: to be tried again."""
        good, done = await self._replace(data)
        self._counts.reloaded(tally.AUTHENTICATION_RELOADS, good)
        return done

    async def _replace(self, data: bytes) -> tuple[bool, bool]:
        """Whether it is in force now, and whether there is no more to be done about it."""
        try:
            said = configuration.of_file(data, self._disallowed)
            if said.anonymous != self._anonymous:
                raise configfiles.Unusable("anonymous: Forbidden: changed from initial configuration file")
        except ValueError as error:
            log.error("the authentication configuration is not reloaded: %s", error)
            return False, True
        if not await self._issuers.replace(said):
            log.error("the authentication configuration is not reloaded: an issuer cannot be reached")
            return False, False
        log.info("reloaded authentication config")
        return True, True
