"""Who asks, and may they: client certificates, bearer tokens by TokenReview, SubjectAccessReview on ``nodes/...``.

Source: the documented "Kubelet authentication/authorization" and KEP-2862 (fine-grained subresources, tried first).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from kijabi.api import errors, kinds
from kijabi.client import rest, transport
from kijabi.kit import clock

_VERBS: Final = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_FINE: Final = (("/pods", "pods"), ("/runningpods", "pods"), ("/healthz", "healthz"), ("/configz", "configz"))
_COARSE: Final = (("/stats", "stats"), ("/metrics", "metrics"), ("/logs", "log"), ("/checkpoint", "checkpoint"))
TOKEN_KEPT, ALLOWED_KEPT, DENIED_KEPT = 120.0, 300.0, 30.0
_CACHED: Final = 2000


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))


def verb(method: str) -> str:
    return _VERBS.get(method, "")


def subresources(path: str) -> list[str]:
    """What of the node a path needs, any one of which suffices; the last is the coarse one."""
    found = [name for prefix, name in _FINE if path == prefix or path.startswith(prefix + "/")]
    coarse = next((name for prefix, name in _COARSE if path == prefix or path.startswith(prefix + "/")), "proxy")
    return [*found, coarse]


def from_certificate(der: bytes) -> User | None:
    """Common name and organizations of a certificate that TLS has verified."""
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names:
        return None
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    groups = tuple(str(entry.value) for entry in organizations)
    return User(str(names[0].value), (*groups, "system:authenticated"))


class Auth:
    """``anonymous`` lets the unknown in as system:anonymous; ``webhook`` asks the API server about tokens."""

    def __init__(
        self,
        client: rest.Client,
        node_name: str,
        *,
        anonymous: bool = False,
        webhook: bool = True,
        always_allow: bool = False,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._client = client
        self._node_name = node_name
        self._anonymous = anonymous
        self._webhook = webhook
        self._always_allow = always_allow
        self._clock = timepiece
        self._tokens: dict[bytes, tuple[float, User | None]] = {}
        self._verdicts: dict[tuple[User, str, str], tuple[float, bool]] = {}

    async def check(self, request: web.BaseRequest) -> web.Response | None:
        """None when the request may go on."""
        try:
            user = await self._user(request)
            if user is None:
                return web.Response(status=401, text="Unauthorized")
            wanted = subresources(request.path)
            for subresource in wanted:
                if await self._allowed(user, verb(request.method), subresource):
                    return None
        except (errors.ApiError, transport.Unreachable) as error:
            # Upstream answers the same when it cannot ask: the caller has not proved anything.
            return web.Response(status=500, text=f"Authorization error: {error}")
        shown = "[" + " ".join(wanted) + "]"
        text = f"Forbidden (user={user.name}, verb={verb(request.method)}, resource=nodes, subresource(s)={shown})\n"
        return web.Response(status=403, text=text)

    async def _user(self, request: web.BaseRequest) -> User | None:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        der = tls.getpeercert(True) if tls is not None else None
        if der:
            user = from_certificate(der)
            if user is not None:
                return user
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return await self._review(token.strip()) if self._webhook else None
        return ANONYMOUS if self._anonymous else None

    async def _review(self, token: str) -> User | None:
        key = hashlib.sha256(token.encode()).digest()
        now = self._clock.monotonic()
        kept = self._tokens.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status: dict[str, Any] = (await self._client.create(kinds.TOKEN_REVIEWS, review)).get("status") or {}
        user = _reviewed(status.get("user") or {}) if status.get("authenticated") else None
        if len(self._tokens) >= _CACHED:
            self._tokens.clear()
        self._tokens[key] = (now + TOKEN_KEPT, user)
        return user

    async def _allowed(self, user: User, action: str, subresource: str) -> bool:
        if self._always_allow:
            return True
        key = (user, action, subresource)
        now = self._clock.monotonic()
        kept = self._verdicts.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        attributes = {"verb": action, "version": "v1", "resource": "nodes", "subresource": subresource}
        spec: dict[str, Any] = {
            "resourceAttributes": {**attributes, "name": self._node_name},
            "user": user.name,
            "groups": list(user.groups),
        }
        if user.uid:
            spec["uid"] = user.uid
        if user.extra:
            spec["extra"] = {name: list(values) for name, values in user.extra}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await self._client.create(kinds.SUBJECT_ACCESS_REVIEWS, review)).get("status") or {}
        allowed = bool(status.get("allowed"))
        if len(self._verdicts) >= _CACHED:
            self._verdicts.clear()
        self._verdicts[key] = (now + (ALLOWED_KEPT if allowed else DENIED_KEPT), allowed)
        return allowed


def _reviewed(user: dict[str, Any]) -> User:
    extra = tuple(sorted((name, tuple(values)) for name, values in (user.get("extra") or {}).items()))
    return User(user.get("username", ""), tuple(user.get("groups") or ()), user.get("uid", ""), extra)
