"""Handing a request on: to an endpoint of the Service, as this server, in the caller's name."""

from __future__ import annotations

import asyncio
import string
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import contract, responses
from kijabi.apiserver.aggregation.remotes import Remote, Remotes
from kijabi.apiserver.outbound import failures, services, trust
from kijabi.apiserver.proxies import relay
from kijabi.kit import http

# Who the aggregator is when it asks for itself.
AGGREGATOR = contract.UserInfo("system:kube-aggregator", groups=("system:masters",))
_DISCOVERY_SECONDS = 5.0
_TOKEN = frozenset(string.ascii_letters + string.digits + "!#$&'*+-.^_`|~")


def identity_headers(user: contract.UserInfo) -> CIMultiDict[str]:
    """The caller as the other server's request-header authenticator reads it."""
    headers = CIMultiDict({"X-Remote-User": user.name})
    if user.uid:
        headers["X-Remote-Uid"] = user.uid
    for group in user.groups:
        headers.add("X-Remote-Group", group)
    for key, values in user.extra.items():
        for value in values:
            headers.add(f"X-Remote-Extra-{escape(key)}", value)
    return headers


def escape(key: str) -> str:
    """A key of ``extra`` as part of a header's name: what may not stand there becomes ``%XX``."""
    if all(letter in _TOKEN for letter in key):
        return key
    return "".join(chr(byte) if chr(byte) in _TOKEN else f"%{byte:02X}" for byte in key.encode())


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    headers: CIMultiDict[str]
    body: bytes


class Sender:
    def __init__(self, resolver: services.Resolver, contexts: trust.Contexts, wire: relay.Relay) -> None:
        self._services = resolver
        self._contexts = contexts
        self._relay = wire

    async def backend(self, remote: Remote, path: str) -> relay.Backend:
        """Raises services.Unresolvable, trust.Untrusted, OSError for key files that cannot be read."""
        address, port = await self._services.resolve(remote.namespace, remote.service, remote.port)
        context = self._contexts.get(remote.bundle, insecure=remote.insecure)
        return relay.Backend(address, port, path, context, remote.host)

    async def fetch(self, remote: Remote, path: str, headers: dict[str, str] | None = None) -> Fetched:
        """A GET of the aggregator's own. Raises Unreachable."""
        url = f"https://{remote.host}:{remote.port}{path}"
        try:
            backend = await self.backend(remote, path)
        except (services.Unresolvable, trust.Untrusted, OSError) as error:
            raise Unreachable(url, str(error)) from error
        named = identity_headers(AGGREGATOR)
        named.update(headers or {})
        try:
            async with asyncio.timeout(_DISCOVERY_SECONDS):
                answer = await self._relay.send("GET", backend, named, b"")
                try:
                    body = await answer.read()
                finally:
                    answer.close()
        except TimeoutError as error:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise Unreachable(backend.url, f'Get "{backend.url}": {why}') from error
        except (aiohttp.ClientError, OSError) as error:
            why = failures.words(error, _shown(error, remote, backend), backend.dial_port)
            raise Unreachable(backend.url, f'Get "{backend.url}": {why}') from error
        return Fetched(answer.status, CIMultiDict(answer.headers), body)

    async def forward(self, request: http.Request, user: contract.UserInfo, remote: Remote) -> http.Response:
        """The whole exchange, streams and upgrades included."""
        path = request.raw_path.partition("?")[0] or request.path
        path = f"{path}?{request.query_string}" if request.query_string else path
        try:
            backend = await self.backend(remote, path)
        except (services.Unresolvable, OSError):
            return unavailable()
        except trust.Untrusted as error:
            return responses.text(f"{error}\n", 500)
        named = identity_headers(user)
        try:
            if relay.is_upgrade(request):
                return await self._relay.upgrade(request, backend, named)
            return await self._relay.pass_on(request, backend, named)
        except errors.ServiceUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, Exception):
                why = failures.words(cause, _shown(cause, remote, backend), backend.dial_port)
                return responses.text(f"error trying to reach service: {why}\n", 503)
            return responses.text(f"{error.message}\n", 503)


def _shown(error: BaseException, remote: Remote, backend: relay.Backend) -> str:
    """A certificate is held against a name, a connection against an address."""
    return remote.host if isinstance(error, aiohttp.ClientSSLError) else backend.host


class Unreachable(Exception):
    """No answer to the aggregator's own question; the message is Go's."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(why)
        self.url = url


def unavailable() -> http.Response:
    return responses.text("service unavailable\n", 503)


class Elsewhere:
    """The chain's side: whose a request is, and the answer to it."""

    def __init__(self, table: Remotes, sender: Sender) -> None:
        self._by_version = table.by_version
        self._sender = sender

    def find(self, info: contract.RequestInfo) -> Remote | None:
        by_version = self._by_version
        if not by_version:
            return None
        if info.is_resource:
            return by_version.get((info.api_group, info.api_version))
        parts = info.path.strip("/").split("/")
        if parts[0] == "apis" and len(parts) == 3:
            return by_version.get((parts[1], parts[2]))
        return by_version.get(("", parts[1])) if parts[0] == "api" and len(parts) == 2 else None

    async def answer(self, context: contract.RequestContext, remote: Remote) -> http.Response:
        if not remote.available:
            return unavailable()
        return await self._sender.forward(context.request, context.user, remote)
