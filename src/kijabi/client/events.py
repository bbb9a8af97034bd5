"""Events: what a component tells people about an object.

Recording never blocks and never fails the caller; events are written in the background. Before they are, they pass
upstream's correlator: the same event again raises the count of the first, many alike with different messages are
combined into one, and an object that makes too many is silenced for a while.
Source: client-go's tools/record (EventCorrelator: 10 alike within 600 s, a burst of 25 and one per 300 s afterwards).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import errors, kinds
from kijabi.api.resource import Object
from kijabi.client import leases, rest, transport
from kijabi.kit import clock

log = logging.getLogger(__name__)

NORMAL, WARNING = "Normal", "Warning"

ALIKE_MAXIMUM = 10
ALIKE_WINDOW = 600.0
BURST = 25
REFILL = 1 / 300.0
REMEMBERED = 4096
QUEUED = 1000
COMBINED = "(combined from similar events): "


def reference(obj: Object) -> Object:
    """The ObjectReference of an object that carries its type."""
    meta = obj["metadata"]
    fields = {
        "kind": obj.get("kind"),
        "namespace": meta.get("namespace"),
        "name": meta.get("name"),
        "uid": meta.get("uid"),
        "apiVersion": obj.get("apiVersion"),
        "resourceVersion": meta.get("resourceVersion"),
        "fieldPath": obj.get("fieldPath"),
    }
    return {name: value for name, value in fields.items() if value}


@dataclass(slots=True)
class _Alike:
    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    last: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an event: nothing, or to write it under ``key`` with this message."""

    skip: bool
    key: tuple[Any, ...] = ()
    message: str = ""


class Correlator:
    """Decides; keeps the last few thousand keys."""

    def __init__(self) -> None:
        self._alike: OrderedDict[tuple[Any, ...], _Alike] = OrderedDict()
        self._buckets: OrderedDict[tuple[Any, ...], _Bucket] = OrderedDict()

    def decide(self, about: Object, kind: str, reason: str, message: str, now: float) -> Verdict:
        subject = tuple(sorted((k, v) for k, v in about.items() if k != "resourceVersion"))
        group = (subject, kind, reason)
        alike = self._remember(self._alike, group, _Alike())
        if now - alike.last > ALIKE_WINDOW:
            alike.messages.clear()
        alike.last = now
        alike.messages.add(message)
        key: tuple[Any, ...] = (*group, message)
        if len(alike.messages) >= ALIKE_MAXIMUM:
            key, message = group, COMBINED + message
            alike.messages = set(list(alike.messages)[:ALIKE_MAXIMUM])
        if not self._allowed(subject, now):
            return Verdict(skip=True)
        return Verdict(False, key, message)

    def _allowed(self, subject: tuple[Any, ...], now: float) -> bool:
        bucket = self._remember(self._buckets, subject, _Bucket(BURST, now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.last) * REFILL)
        bucket.last = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    @staticmethod
    def _remember(memory: OrderedDict[tuple[Any, ...], Any], key: tuple[Any, ...], fresh: Any) -> Any:
        found = memory.setdefault(key, fresh)
        memory.move_to_end(key)
        if len(memory) > REMEMBERED:
            memory.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class _Record:
    about: Object
    type: str
    reason: str
    message: str
    at: float


class Recorder:
    """Records for one component. ``run`` writes what is recorded, until cancelled."""

    def __init__(
        self, client: rest.Client, component: str, host: str = "", timepiece: clock.Clock = clock.SYSTEM
    ) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = timepiece
        self._correlator = Correlator()
        self._written: OrderedDict[tuple[Any, ...], Object] = OrderedDict()
        self._queue: deque[_Record] = deque(maxlen=QUEUED)
        self._filled = asyncio.Event()
        self._last_name = 0

    def record(self, obj: Object, type: str, reason: str, message: str) -> None:
        """``obj`` is the object (or an ObjectReference given as one); ``type`` is Normal or Warning."""
        about = reference(obj) if "metadata" in obj else dict(obj)
        self._queue.append(_Record(about, type, reason, message[:1024], self._clock.time()))
        self._filled.set()

    async def run(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._queue:
                await self._write(self._queue.popleft())

    async def _write(self, record: _Record) -> None:
        verdict = self._correlator.decide(record.about, record.type, record.reason, record.message, record.at)
        if verdict.skip:
            return
        try:
            event = await self._repeat(verdict, record) or await self._first(verdict, record)
        except (errors.ApiError, transport.Unreachable) as error:
            # As upstream: an event is lost rather than anything held up. A namespace that is going refuses them.
            log.debug("event %s for %s was not written: %s", record.reason, record.about.get("name"), error)
            return
        self._written[verdict.key] = event
        self._written.move_to_end(verdict.key)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    async def _repeat(self, verdict: Verdict, record: _Record) -> Object | None:
        """Raise the count of the event written before; None when there is none (any more)."""
        before = self._written.get(verdict.key)
        if before is None:
            return None
        count = int(before.get("count") or 1) + 1
        patch = {"count": count, "lastTimestamp": _time(record.at), "message": verdict.message}
        meta = before["metadata"]
        try:
            return await self._client.patch(
                kinds.EVENTS, meta["name"], meta["namespace"], patch, type=rest.STRATEGIC_MERGE_PATCH
            )
        except errors.NotFound:
            return None

    async def _first(self, verdict: Verdict, record: _Record) -> Object:
        about = record.about
        namespace = about.get("namespace") or "default"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about.get('name', '')}.{self._unique(record.at):x}", "namespace": namespace},
            "involvedObject": about,
            "reason": record.reason,
            "message": verdict.message,
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "firstTimestamp": _time(record.at),
            "lastTimestamp": _time(record.at),
            "count": 1,
            "type": record.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        return await self._client.create(kinds.EVENTS, event)

    def _unique(self, at: float) -> int:
        # Two events of one object in the same instant still need two names.
        self._last_name = max(self._last_name + 1, int(at * 1e9))
        return self._last_name


def _time(seconds: float) -> str:
    return leases.micro_time(seconds)[:19] + "Z"
