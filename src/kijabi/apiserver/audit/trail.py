"""What is collected of one request, and the events that are made of it at each stage.

Source: the reference of audit.k8s.io/v1, Event. Bodies go into events as they were on the wire, parsed only where
something must be taken out of them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from kijabi.api import timestamps
from kijabi.apiserver.audit import policy
from kijabi.apiserver.contract import RequestInfo, UserInfo
from kijabi.kit import clock, http, yamls

log = logging.getLogger(__name__)

Event = dict[str, Any]
Emit = Callable[[Event], Awaitable[bool]]

_LONGEST_AGENT = 1024
_WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(slots=True)
class Counters:
    """For upstream's metrics apiserver_audit_event_total, _error_total, _level_total, _requests_rejected_total."""

    events: int = 0
    errors: int = 0
    rejected: int = 0
    levels: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Trail:
    """``identity`` is the request's Audit-ID, ``received`` the time of its arrival in seconds since the epoch."""

    decision: policy.Decision
    request: http.Request
    info: RequestInfo
    user: UserInfo
    identity: str
    received: float
    emit: Emit
    clock: clock.Clock
    annotations: dict[str, str] = field(default_factory=dict)
    impersonated: UserInfo | None = None
    constraint: str = ""

    def annotate(self, key: str, value: str) -> None:
        """Keep a fact about the request. The first value of a key stays, as upstream does it."""
        if key in self.annotations:
            if self.annotations[key] != value:
                log.warning("audit annotation %s of %s is there already", key, self.identity)
            return
        self.annotations[key] = value

    async def begun(self) -> bool:
        """False where a backend that must not lose anything could not keep the event."""
        return await self._stage(policy.RECEIVED, self.received, {})

    async def answered(self, response: http.Response, long_running: bool) -> None:
        """For a stream, the start of the answer; its end comes with it. For all others, everything."""
        parts = self._response_parts(response)
        if not long_running:
            await self._stage(policy.COMPLETE, self.clock.time(), parts)
            return
        await self._stage(policy.STARTED, self.clock.time(), parts)
        if response.takeover is not None:
            response.takeover = self._through(response.takeover, parts)
        elif isinstance(response.body, bytes):
            await self._stage(policy.COMPLETE, self.clock.time(), parts)
        else:
            response.body = self._to_the_end(response.body, parts)

    async def panicked(self, why: str) -> None:
        status = {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": why, "code": 500}
        await self._stage(policy.PANIC, self.clock.time(), {"responseStatus": status})

    async def unauthenticated(self, response: http.Response) -> None:
        """A request whose sender nobody knew: one event, in upstream's words."""
        status = {"metadata": {}, "message": attempted(self.request), "code": response.status}
        await self._stage(policy.STARTED, self.clock.time(), {"responseStatus": status})

    # --- the parts of an event

    async def _stage(self, stage: str, when: float, parts: Event) -> bool:
        if stage in self.decision.omit_stages:
            return True
        event = self._head(stage, when)
        if stage != policy.RECEIVED and self.info.verb in _WRITES:
            self._add_request(event)
        event.update(parts)
        event["requestReceivedTimestamp"] = timestamps.format_micro(self.received)
        event["stageTimestamp"] = timestamps.format_micro(when)
        if self.annotations:
            event["annotations"] = dict(self.annotations)
        return await self.emit(event)

    def _head(self, stage: str, when: float) -> Event:
        request = self.request
        event: Event = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self.decision.level,
            "auditID": self.identity,
            "stage": stage,
            "requestURI": _uri(request),
            "verb": self.info.verb,
            "user": _user(self.user),
        }
        if self.impersonated is not None and stage != policy.RECEIVED:
            event["impersonatedUser"] = _user(self.impersonated)
            if self.constraint:
                event["authenticationMetadata"] = {"impersonationConstraint": self.constraint}
        sources = source_addresses(request)
        if sources:
            event["sourceIPs"] = sources
        agent = request.headers.get("User-Agent", "")
        if agent:
            event["userAgent"] = agent if len(agent) <= _LONGEST_AGENT else agent[:_LONGEST_AGENT] + "...TRUNCATED"
        if self.info.is_resource:
            event["objectRef"] = self._reference()
        return event

    def _reference(self) -> Event:
        info = self.info
        parts = {
            "resource": info.resource,
            "namespace": info.namespace,
            "name": info.name,
            "apiGroup": info.api_group,
            "apiVersion": info.api_version,
            "subresource": info.subresource,
        }
        return {key: value for key, value in parts.items() if value}

    def _add_request(self, event: Event) -> None:
        """The body and what of the reference only the body says."""
        body = self._body()
        if body is None:
            return
        meta = body.get("metadata") if isinstance(body, dict) else None
        if self.info.verb in ("create", "update") and isinstance(meta, dict) and "objectRef" in event:
            reference = event["objectRef"]
            for key in ("namespace", "name", "uid", "resourceVersion"):
                if isinstance(meta.get(key), str) and meta[key]:
                    reference.setdefault(key, meta[key])
        if self.decision.has_request:
            event["requestObject"] = self._without_managed_fields(body)

    def _body(self) -> Any:
        """The request's body as data; None where there is none, or it is of a form that is not JSON or YAML."""
        if not self.request.body:
            return None
        media = self.request.headers.get("Content-Type", "")
        try:
            if "yaml" in media:
                return yamls.loads(self.request.body)
            return orjson.loads(self.request.body) if "json" in media or not media else None
        except (orjson.JSONDecodeError, yamls.Malformed):
            # What cannot be read is answered 400; the answer tells.
            return None

    def _response_parts(self, response: http.Response) -> Event:
        status: Event = {"metadata": {}, "code": response.status}
        if response.takeover is not None:
            return {"responseStatus": {"metadata": {}, "code": 101}}
        if not isinstance(response.body, bytes):
            return {"responseStatus": status}
        told = _parsed(response)
        if isinstance(told, dict) and told.get("kind") == "Status":
            keys = ("status", "message", "reason", "details")
            status = {"metadata": {}, **{key: told[key] for key in keys if key in told}, "code": response.status}
        parts: Event = {"responseStatus": status}
        if self.decision.has_response and told is not None and self.info.is_resource:
            parts["responseObject"] = self._without_managed_fields(told)
        return parts

    def _without_managed_fields(self, obj: Any) -> Any:
        if not self.decision.omit_managed_fields or not isinstance(obj, dict):
            return obj
        for one in (obj, *(obj.get("items") or ()), *(row.get("object") or {} for row in obj.get("rows") or ())):
            meta = one.get("metadata") if isinstance(one, dict) else None
            if isinstance(meta, dict):
                meta.pop("managedFields", None)
        return obj

    # --- streams

    async def _to_the_end(self, body: AsyncIterator[bytes], parts: Event) -> AsyncIterator[bytes]:
        try:
            async for chunk in body:
                yield chunk
        finally:
            await self._stage(policy.COMPLETE, self.clock.time(), parts)
            closer = getattr(body, "aclose", None)
            if closer is not None:
                await closer()

    def _through(self, takeover: Callable[[Any], Awaitable[Any]], parts: Event) -> Callable[[Any], Awaitable[Any]]:
        async def followed(wire: Any) -> Any:
            try:
                return await takeover(wire)
            finally:
                await self._stage(policy.COMPLETE, self.clock.time(), parts)

        return followed


def _parsed(response: http.Response) -> Any:
    if not response.body or "json" not in response.headers.get("Content-Type", ""):
        return None
    try:
        return orjson.loads(response.body)  # type: ignore[arg-type]  # streams do not come here
    except orjson.JSONDecodeError:
        return None


def _uri(request: http.Request) -> str:
    path = request.raw_path or request.path
    return f"{path}?{request.query_string}" if request.query_string and "?" not in path else path


def _user(user: UserInfo) -> Event:
    shown: Event = {"username": user.name} if user.name else {}
    if user.uid:
        shown["uid"] = user.uid
    if user.groups:
        shown["groups"] = list(user.groups)
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


def source_addresses(request: http.Request) -> list[str]:
    """Who sent it: what proxies say of it, then the other end of the connection, each once."""
    found = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    found.append(request.headers.get("X-Real-Ip", "").strip())
    found.append(request.remote)
    return list(dict.fromkeys(address for address in found if address))


def attempted(request: http.Request) -> str:
    """By which means somebody who was not known tried to be."""
    scheme, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
    means = []
    if scheme.lower() == "basic" and rest:
        means.append("basic")
    if scheme.lower() == "bearer" and rest:
        means.append("bearer")
    if request.param("access_token"):
        means.append("access_token")
    if request.peer_certificate:
        means.append("x509")
    if means:
        return f"Authentication failed, attempted: {', '.join(means)}"
    return "Authentication failed, no credentials provided"
