"""Who asks, and may they: client certificates, bearer tokens by TokenReview, SubjectAccessReview on ``nodes/...``.

Source: the documented "Kubelet authentication/authorization" and KEP-2862 (fine-grained subresources, tried first).
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from kijabi.api import errors
from kijabi.client import delegated, rest, transport
from kijabi.kit import clock

_VERBS: Final = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_FINE: Final = (("/pods", "pods"), ("/runningpods", "pods"), ("/healthz", "healthz"), ("/configz", "configz"))
_COARSE: Final = (("/stats", "stats"), ("/metrics", "metrics"), ("/logs", "log"), ("/checkpoint", "checkpoint"))
# The kubelet's documented defaults: cacheTTL, cacheAuthorizedTTL and cacheUnauthorizedTTL.
LIFETIMES: Final = delegated.Lifetimes(token=120.0, allowed=300.0, denied=30.0)


ANONYMOUS: Final = delegated.Caller("system:anonymous", groups=("system:unauthenticated",))


def verb(method: str) -> str:
    return _VERBS.get(method, "")


def subresources(path: str) -> list[str]:
    """What of the node a path needs, any one of which suffices; the last is the coarse one."""
    found = [name for prefix, name in _FINE if path == prefix or path.startswith(prefix + "/")]
    coarse = next((name for prefix, name in _COARSE if path == prefix or path.startswith(prefix + "/")), "proxy")
    return [*found, coarse]


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
        self._access = delegated.Delegated(client, timepiece, LIFETIMES)
        self._node_name = node_name
        self._anonymous = anonymous
        self._webhook = webhook
        self._always_allow = always_allow

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

    async def _user(self, request: web.BaseRequest) -> delegated.Caller | None:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        der = tls.getpeercert(True) if tls is not None else None
        authorization = request.headers.get("Authorization", "")
        caller = await self._access.authenticate(der, authorization if self._webhook else "")
        if caller is None and self._anonymous and not authorization.lower().startswith("bearer "):
            return ANONYMOUS
        return caller

    async def _allowed(self, user: delegated.Caller, action: str, subresource: str) -> bool:
        if self._always_allow:
            return True
        node = {"version": "v1", "resource": "nodes", "subresource": subresource, "name": self._node_name}
        return (await self._access.authorize(user, resource=node, verb=action))[0]
