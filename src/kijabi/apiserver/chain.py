"""One request's way through the server, step by step in upstream's order.

request info → authentication → audit → impersonation → limits → authorization → the handler of the path. Each step is
a few lines here and a module of its own; a step says no by raising an ``ApiError``, which becomes a Status.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import audit, contract, fairness, flow, requestinfo, responses
from kijabi.apiserver.authn import impersonation
from kijabi.apiserver.authz import denial
from kijabi.apiserver.contract import RequestContext, RequestInfo, UserInfo, Verdict
from kijabi.apiserver.fairness import gate
from kijabi.apiserver.registry.registry import Registry
from kijabi.apiserver.registry.verbs import Verbs, no_such_resource, not_allowed
from kijabi.kit import http
from kijabi.store import contract as store_contract

log = logging.getLogger(__name__)


class Pages(Protocol):
    """What is served beside resources: discovery, OpenAPI, health, metrics, version."""

    async def page(self, context: RequestContext) -> http.Response | None:
        """None where there is no such page."""
        ...


class Measure(Protocol):
    """Hears of every request that was answered (a watch when it has ended)."""

    def request(self, info: RequestInfo, code: int, seconds: float) -> None: ...


class Elsewhere(Protocol):
    """Group versions that another server answers for."""

    def find(self, info: RequestInfo) -> Any:
        """None where it is this server."""
        ...

    async def answer(self, context: RequestContext, found: Any) -> http.Response: ...


class Several:
    """The first of several that says it serves a group version."""

    def __init__(self, parts: Sequence[Elsewhere]) -> None:
        self._parts = tuple(parts)

    def find(self, info: RequestInfo) -> Any:
        for part in self._parts:
            found = part.find(info)
            if found is not None:
                return part, found
        return None

    async def answer(self, context: RequestContext, found: Any) -> http.Response:
        part, inner = found
        response: http.Response = await part.answer(context, inner)
        return response


@dataclass(slots=True)
class Steps:
    """What a server is made of beside its registry. ``specials`` answer what the generic verbs do not."""

    access: contract.Access
    authenticator: contract.Authenticator
    authorizer: contract.Authorizer
    pages: Pages
    limits: flow.Limits
    specials: Mapping[contract.SpecialKey, contract.Special] = field(default_factory=dict)
    measure: Measure | None = None
    audit: audit.Auditor | None = None
    fairness: fairness.Fairness | None = None
    # Seconds after which a request that is not long-running is answered 504.
    timeout: float = 60.0
    elsewhere: Elsewhere | None = None
    # Whether a certificate's holder speaks for others, whom it names in headers.
    is_proxy: Callable[[bytes], bool] = lambda certificate: False


class ApiServer:
    """``handle`` is the ``http.Handler`` that both the socket server and the in-process transport call."""

    def __init__(self, registry: Registry, verbs: Verbs, steps: Steps) -> None:
        self.registry = registry
        self.access = steps.access
        self._verbs = verbs
        self._steps = steps
        self._impersonation = impersonation.Impersonation(steps.authorizer, denial.forbidden)
        self._endpoints = registry.endpoints
        self._specials = {
            (key.group, key.resource, key.subresource, key.method): special for key, special in steps.specials.items()
        }
        # The writes under way, with when they began.
        self._began: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        verbs.authorize_create = self._authorize

    async def handle(self, request: http.Request) -> http.Response:
        """Never raises but for cancellation: what nobody expected is logged and answered 500."""
        began = time.perf_counter()
        info = _NO_INFO
        identity = _audit_id(request)
        try:
            info = requestinfo.parse(request)
            if self._steps.audit is None:
                response = await self._serve(request, info)
            else:
                response = await self._audited(self._steps.audit, request, info, identity)
        except Exception as error:  # noqa: BLE001  # _of_error logs what nobody expected
            response = self._of_error(request, info, error)
        if request.notes:
            responses.warn(response, [text for kind, text in request.notes if kind == contract.WARNING])
        if type(response.headers) is dict:
            response.headers = {**response.headers, "Audit-Id": identity}
        else:
            # Warnings, of which there may be several.
            response.headers = CIMultiDict(response.headers)
            response.headers["Audit-Id"] = identity
        return self._measured(info, response, began)

    def _of_error(self, request: http.Request, info: RequestInfo, error: Exception) -> http.Response:
        """The answer where a step said no, or failed."""
        if isinstance(error, requestinfo.Unclear):
            return responses.text(f"{error}\n", 500)
        if isinstance(error, denial.Undecided):
            log.error("%s", error)
            return responses.text(f"{error}\n", 500)
        if isinstance(error, errors.ApiError):
            return responses.of_error(request, error)
        if isinstance(error, store_contract.Closed | TimeoutError):
            return responses.of_error(request, _unavailable(info, error))
        if isinstance(error, store_contract.StoreError):
            # The store's refusal (a value too large, no space): its words are the answer, and no bug of ours.
            log.error("%s %s: the store refuses: %s", request.method, request.path, error)
            return responses.of_error(request, errors.InternalError(str(error)))
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return responses.of_error(request, errors.InternalError("Internal error occurred: see the server's log"))

    async def _audited(
        self, auditor: audit.Auditor, request: http.Request, info: RequestInfo, identity: str
    ) -> http.Response:
        """The same with an audit trail, which also hears of errors."""
        received = self.registry.clock.time()
        try:
            user = await self._authenticate(request)
        except errors.Unauthorized as error:
            response = responses.of_error(request, error)
            trail = auditor.begin(request, info, _NOBODY, identity, received)
            if trail is not None:
                await trail.unauthenticated(response)
            return response
        trail = auditor.begin(request, info, user, identity, received)
        if trail is None:
            return await self._serve(request, info, user)
        for kind, text in request.notes or ():
            if kind != contract.WARNING:
                trail.annotate(kind, text)
        if not await trail.begun():
            auditor.counters.rejected += 1
            raise errors.InternalError("Internal error occurred: failed to store audit event")
        token = contract.TRAIL.set(trail)
        try:
            response = await self._serve(request, info, user)
        except Exception as error:  # noqa: BLE001  # _of_error logs what nobody expected
            response = self._of_error(request, info, error)
        finally:
            contract.TRAIL.reset(token)
        await trail.answered(response, flow.is_long_running(info))
        return response

    def _measured(self, info: RequestInfo, response: http.Response, began: float) -> http.Response:
        measure = self._steps.measure
        if measure is not None:
            if isinstance(response.body, bytes):
                measure.request(info, response.status, time.perf_counter() - began)
            else:
                response.body = _until_end(response.body, measure, info, response.status, began)
        return response

    async def _serve(self, request: http.Request, info: RequestInfo, user: UserInfo | None = None) -> http.Response:
        if user is None:
            user = await self._authenticate(request)
        if "impersonate-" in "".join(request.headers).lower():
            # As read from a connection they cannot be changed.
            request.headers = CIMultiDict(request.headers)
            acting = await self._impersonation.impersonate(contract.attributes_of(user, info), request.headers)
            user = acting.user
            if self._steps.audit is not None and (trail := contract.TRAIL.get()) is not None:
                trail.impersonated, trail.constraint = user, acting.constraint
        context = RequestContext(request, info, user, self._steps.access)
        if self._steps.fairness is not None:
            return await self._fairly(self._steps.fairness, context)
        if flow.is_long_running(info):
            return await self._answer(context)
        entered = self._steps.limits.enter(info, user)
        if entered is None:
            return flow.too_many()
        try:
            # A read never waits long: what it asks for is in memory.
            return await (self._in_time(context) if entered else self._answer(context))
        finally:
            self._steps.limits.leave(entered)

    async def _fairly(self, fairness_: fairness.Fairness, context: RequestContext) -> http.Response:
        """Come in when it is this request's turn. Streams other than watches are not counted."""
        info, limits = context.info, self._steps.limits
        if flow.is_long_running(info) and info.verb != "watch":
            return await self._answer(context)
        try:
            ticket = await fairness_.enter(info, context.user)
        except gate.Refused as refused:
            return fairness.mark(flow.too_many(), refused)
        mutating = limits.count(info)
        try:
            response = await (self._in_time(context) if mutating else self._answer(context))
        except Exception as error:  # noqa: BLE001  # _of_error logs what nobody expected
            # What was warned of so far is told besides.
            response = responses.warn(self._of_error(context.request, info, error), context.warnings)
        finally:
            limits.leave(mutating)
            fairness_.leave(ticket)
        return fairness.mark(response, ticket)

    async def _in_time(self, context: RequestContext) -> http.Response:
        """Raises TimeoutError. A timer each would cost a write more than finding its user: one is for all."""
        task = asyncio.current_task()
        assert task is not None
        began = self._began
        began[task] = loop_time = asyncio.get_running_loop().time()
        if self._timer is None:
            self._look(loop_time)
        try:
            return await self._answer(context)
        except asyncio.CancelledError as error:
            if task in began or task.uncancel() > 0:
                raise
            raise TimeoutError from error
        finally:
            began.pop(task, None)

    def _look(self, now: float) -> None:
        """Cancel the requests whose time is over, which are taken out of ``_began`` to tell them from others."""
        loop = asyncio.get_running_loop()
        for task, began in list(self._began.items()):
            if now - began >= self._steps.timeout:
                del self._began[task]
                task.cancel()
        self._timer = None
        if self._began:
            every = min(1.0, self._steps.timeout)
            self._timer = loop.call_later(every, lambda: self._look(loop.time()))

    async def _answer(self, context: RequestContext) -> http.Response:
        await self._authorize(context)
        return await self._route(context)

    # --- who

    async def _authenticate(self, request: http.Request) -> UserInfo:
        if request.identity is not None:
            return request.identity  # type: ignore[no-any-return]  # the transport that set it vouches for its type
        peer = request.connection
        remembers = peer is not None and "Authorization" not in request.headers
        if remembers and peer.user is not None:
            return peer.user  # type: ignore[no-any-return]
        user = await self._steps.authenticator.authenticate(request)
        if user is None:
            raise errors.Unauthorized
        certificate = request.peer_certificate
        if remembers and certificate is not None and not self._steps.is_proxy(certificate):
            # A connection keeps its certificate, so its user was found once and for all.
            peer.user = user
        return user

    # --- whether

    async def _authorize(self, context: RequestContext) -> None:
        attributes = contract.attributes_of(context.user, context.info)
        decision = await self._steps.authorizer.authorize(attributes)
        if self._steps.audit is not None and (trail := contract.TRAIL.get()) is not None:
            allowed = decision.verdict is Verdict.ALLOW
            if allowed or not decision.error:
                trail.annotate("authorization.k8s.io/decision", "allow" if allowed else "forbid")
            trail.annotate(
                "authorization.k8s.io/reason",
                decision.reason if allowed or not decision.error else "internal error",
            )
        if decision.verdict is not Verdict.ALLOW:
            if decision.error:
                query = context.request.query_string
                uri = f"{context.request.raw_path}?{query}" if query else context.request.raw_path
                raise denial.Undecided(uri, decision.error)
            raise denial.forbidden(attributes, decision.reason)

    # --- what

    async def _route(self, context: RequestContext) -> http.Response:
        info = context.info
        if self._steps.elsewhere is not None:
            found = self._steps.elsewhere.find(info)
            if found is not None:
                return await self._steps.elsewhere.answer(context, found)
        if not info.is_resource:
            response = await self._steps.pages.page(context)
            return response if response is not None else self._no_page(info)
        endpoint = self._endpoints.get((info.api_group, info.api_version, info.resource))
        if endpoint is not None:
            context.strategy = endpoint.strategy
            if not info.subresource:
                return await self._verbs.handle(context, endpoint)
        else:
            context.strategy = self._steps.access.strategy(info.api_group, info.api_version, info.resource)
        key = (info.api_group, info.resource, info.subresource, context.request.method)
        special = self._specials.get(key)
        if special is not None and context.strategy is not None:
            return await special(context)
        if endpoint is not None:
            return await self._verbs.handle(context, endpoint)
        if context.strategy is not None:
            raise not_allowed()
        if any(info.api_group == group and info.api_version == version for group, version, _ in self._endpoints):
            raise no_such_resource()
        return self._no_page(info)

    def _no_page(self, info: RequestInfo) -> http.Response:
        root, _, rest = info.path.strip("/").partition("/")
        group = rest.partition("/")[0]
        if root in ("api", "version") or (root == "apis" and any(group == known for known, _, _ in self._endpoints)):
            raise no_such_resource()
        return responses.text("404 page not found\n", 404)


_NO_INFO = RequestInfo(False, "", "")
_NOBODY = UserInfo("")


def _unavailable(info: RequestInfo, error: Exception) -> errors.ApiError:
    if isinstance(error, TimeoutError):
        return errors.Timeout("Timeout: request did not complete within the allotted timeout")
    return errors.ServiceUnavailable(f"the storage is not available to {info.verb} now: {error}")


def _audit_id(request: http.Request) -> str:
    given = request.headers.get("Audit-ID")
    if given and len(given) <= 64 and given.isprintable():
        return given
    bits = f"{random.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"


async def _until_end(
    body: AsyncIterator[bytes], measure: Measure, info: RequestInfo, code: int, began: float
) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            yield chunk
    finally:
        measure.request(info, code, time.perf_counter() - began)
        closer = getattr(body, "aclose", None)
        if closer is not None:
            await closer()
