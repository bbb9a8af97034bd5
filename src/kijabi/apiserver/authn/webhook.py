"""Users by a webhook: a TokenReview to a server elsewhere, whose answers are kept for a while.

Source: the Kubernetes documentation, "Webhook Token Authentication"; k8s.io/apiserver
plugin/pkg/authenticator/token/webhook.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from kijabi.apiserver import contract
from kijabi.apiserver.authn import bearer
from kijabi.apiserver.outbound import webhooks
from kijabi.kit import clock, config

log = logging.getLogger(__name__)

VERSIONS = ("v1", "v1beta1")
_MOST = 8192


class UnknownVersion(config.Unusable):
    """A value of ``--authentication-token-webhook-version`` that is not served."""


class Server(Protocol):
    async def review(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises webhooks.Failed."""
        ...

    async def close(self) -> None: ...


Outcome = bearer.Authenticated | bearer.Rejected | None


class WebhookTokens:
    """A token authenticator. ``implicit`` are the audiences of answers that name none; ``seconds`` how long an answer,
    yes or no, is kept. That nobody answered is never kept."""

    def __init__(
        self,
        server: Server,
        version: str,
        implicit: Sequence[str],
        seconds: float,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        if version not in VERSIONS:
            raise UnknownVersion(
                f'unsupported authentication webhook version "{version}", supported versions are "v1", "v1beta1"'
            )
        self._server = server
        self._version = version
        self._implicit = tuple(implicit)
        self._seconds = seconds
        self._clock = timepiece
        self._known: OrderedDict[bytes, tuple[float, Outcome]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Outcome]] = {}

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearer.Authenticated | None:
        outcome = await self._outcome(token, tuple(audiences))
        if isinstance(outcome, bearer.Rejected):
            raise bearer.Rejected(str(outcome))
        return outcome

    async def _outcome(self, token: str, audiences: tuple[str, ...]) -> Outcome:
        key = _key(token, audiences)
        known = self._known.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            self._known.move_to_end(key)
            return known[1]
        task = self._asking.get(key)
        if task is None:
            # One question for all who bring the same token at once; who leaves does not end it for the others.
            task = self._asking[key] = asyncio.create_task(self._ask(key, token, audiences))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, token: str, audiences: tuple[str, ...]) -> Outcome:
        spec: dict[str, Any] = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
        body = {
            "kind": "TokenReview",
            "apiVersion": f"authentication.k8s.io/{self._version}",
            "metadata": {},
            "spec": spec,
            "status": {"user": {}},
        }
        try:
            status = (await self._server.review(body)).get("status") or {}
        except webhooks.Failed as error:
            log.error("Failed to make webhook authenticator request: %s", error.message)
            return bearer.Rejected(error.message)
        outcome = read(status, audiences, self._implicit)
        if self._seconds > 0 and not isinstance(outcome, bearer.Rejected):
            self._known[key] = (self._clock.monotonic() + self._seconds, outcome)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return outcome

    async def close(self) -> None:
        await self._server.close()


def _key(token: str, audiences: tuple[str, ...]) -> bytes:
    # Not the token itself: it is a secret, and this memory lives long.
    return hashlib.sha256("\0".join((token, *audiences)).encode(errors="surrogateescape")).digest()


def read(status: dict[str, Any], wanted: Sequence[str], implicit: Sequence[str]) -> Outcome:
    """What the answer means: a user, a refusal with its reason, or that the token is not known there."""
    audiences: tuple[str, ...] = ()
    if wanted:
        audiences = tuple(one for one in wanted if one in (status.get("audiences") or implicit))
        if not audiences:
            return None
    if not status.get("authenticated"):
        return bearer.Rejected(str(status["error"])) if status.get("error") else None
    user = status.get("user") or {}
    return bearer.Authenticated(
        contract.UserInfo(
            user.get("username") or "",
            user.get("uid") or "",
            tuple(user.get("groups") or ()),
            {key: tuple(values or ()) for key, values in (user.get("extra") or {}).items()},
        ),
        audiences,
    )
