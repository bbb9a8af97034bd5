"""Every way of saying who one is, in upstream's order: certificate, token, and nobody in particular."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.authn import names
from kijabi.kit import http

log = logging.getLogger(__name__)


class Union:
    """The first that recognizes the caller wins, also over a bad credential of an earlier kind. A caller with only bad
    credentials is refused, never taken for anonymous."""

    def __init__(
        self, members: Sequence[contract.Authenticator], *, anonymous: bool, paths: frozenset[str] = frozenset()
    ) -> None:
        """``paths``: where a request may be nobody's; none for everywhere."""
        self._members = tuple(members)
        self._anonymous = anonymous
        self._paths = paths

    async def authenticate(self, request: http.Request) -> contract.UserInfo | None:
        if isinstance(request.identity, contract.UserInfo):
            return request.identity
        failure: errors.Unauthorized | None = None
        for member in self._members:
            try:
                user = await member.authenticate(request)
            except errors.Unauthorized as error:
                failure = failure or error
                continue
            if user is not None:
                return names.authenticated(user)
        if failure is not None:
            # Why a credential was refused is for the log alone: the answer must not help who is guessing.
            log.info("unable to authenticate %s %s: %s", request.method, request.path, failure.message)
            raise errors.Unauthorized from failure
        if not self._anonymous or (self._paths and request.path not in self._paths):
            return None
        return contract.ANONYMOUS
