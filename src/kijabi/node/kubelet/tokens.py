"""Bound service account tokens for pods: asked for once, kept, and renewed before they expire.

Source: KEP-1205; renewal at 80 % of the life time or after 24 hours, as upstream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kijabi.api import kinds, timestamps
from kijabi.client import rest
from kijabi.kit import clock
from kijabi.node.kubelet import pods
from kijabi.node.kubelet.volumes import content

_LONGEST = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    expires_at: float


class Tokens:
    def __init__(self, client: rest.Client, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._client = client
        self._clock = timepiece
        self._tokens: dict[tuple[str, content.TokenRequest], _Token] = {}

    async def get(self, pod: pods.Object, request: content.TokenRequest) -> str:
        """A token that is not due for renewal; raises what the client raises, unless the old one is still valid."""
        key = (pods.uid(pod), request)
        kept = self._tokens.get(key)
        now = self._clock.time()
        if kept is not None and now < kept.renew_at:
            return kept.text
        try:
            fresh = await self._request(pod, request)
        except Exception:
            if kept is not None and now < kept.expires_at:
                return kept.text
            raise
        self._tokens[key] = fresh
        return fresh.text

    def forget(self, uid: str) -> None:
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    async def _request(self, pod: pods.Object, request: content.TokenRequest) -> _Token:
        spec: dict[str, Any] = {
            "audiences": [request.audience] if request.audience else [],
            "expirationSeconds": request.seconds,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pods.name(pod), "uid": pods.uid(pod)},
        }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": spec}
        account = pod["spec"].get("serviceAccountName") or "default"
        made = await self._client.create(
            kinds.SERVICE_ACCOUNTS, body, namespace=pods.namespace(pod), name=account, subresource="token"
        )
        now = self._clock.time()
        expires = timestamps.parse(made["status"]["expirationTimestamp"])
        return _Token(made["status"]["token"], now + min(0.8 * (expires - now), _LONGEST), expires)
