"""Asking the server that a kubeconfig file names: the webhooks for tokens and for authorization.

Source: k8s.io/apiserver util/webhook GenericWebhook: which failures are tried again, and how often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from kijabi.apiserver import configfiles
from kijabi.apiserver.outbound import failures, webhooks
from kijabi.client import kubeconfig, transport
from kijabi.kit import backoff, clock

_TRIES = 5
_PAUSES = backoff.Policy(base=0.5, ceiling=10.0, factor=1.5, jitter=0.2)
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, */*"}
# Internal error, timeout, too many requests: the other side may be better in a moment.
_TRANSIENT = frozenset((429, 500, 504))


class Remote:
    """``review`` posts to the URL of the file's current context. ``close`` at the end."""

    def __init__(self, path: str, timepiece: clock.Clock = clock.SYSTEM, seconds: float = 30.0) -> None:
        """Raises kubeconfig.Unusable, OSError."""
        self._wire = kubeconfig.load(path, user_agent="kube-apiserver")
        self._clock = timepiece
        self._seconds = seconds
        self._url = f"{self._wire.server}?timeout={configfiles.shown(seconds)}"
        parts = urlsplit(self._wire.server)
        self._host, self._port = parts.hostname or "", parts.port or 443

    async def review(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The object in the answer. Raises webhooks.Failed when the last try failed too."""
        data = orjson.dumps(body)
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._once(data)
            except webhooks.Failed as error:
                if attempt == _TRIES or not _worth_another(error):
                    raise
            await self._clock.sleep(_PAUSES.delay(attempt))
        raise AssertionError("unreachable: the last try returns or raises")

    async def _once(self, data: bytes) -> dict[str, Any]:
        try:
            reply = await self._wire.request(
                "POST",
                "",
                query={"timeout": configfiles.shown(self._seconds)},
                headers=_HEADERS,
                body=data,
                timeout=self._seconds,
            )
        except transport.Unreachable as error:
            raise webhooks.Failed(f'Post "{self._url}": {self._words(error)}') from error
        if not 200 <= reply.status < 300:
            raise webhooks.refusal(reply.status, reply.body)
        try:
            found = orjson.loads(reply.body)
        except orjson.JSONDecodeError as error:
            raise webhooks.Failed(f"couldn't get version/kind; json parse error: {error}", 502) from error
        if not isinstance(found, dict):
            raise webhooks.Failed("couldn't get version/kind; json parse error: not an object", 502)
        return found

    def _words(self, error: BaseException) -> str:
        cause = error.__cause__ or error
        if isinstance(cause, TimeoutError):
            return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return failures.words(cause, self._host, self._port)

    async def close(self) -> None:
        await self._wire.close()


def _worth_another(error: webhooks.Failed) -> bool:
    return error.code in _TRANSIENT or "connection reset by peer" in error.message
