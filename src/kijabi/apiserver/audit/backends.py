"""Where audit events go: a file that is rotated, or a webhook; at once, or in batches behind the request's back.

Source: "Auditing" in the documentation, Log backend, Webhook backend, Event batching.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import orjson

from kijabi.api import timestamps
from kijabi.apiserver.audit import policy
from kijabi.client import kubeconfig
from kijabi.kit import backoff, clock, config, tasks

log = logging.getLogger(__name__)

Event = dict[str, Any]
# Sends one body; raises OSError-like errors where it did not arrive, gives the answer's status.
Post = Callable[[bytes], Awaitable[int]]

BATCH, BLOCKING, STRICT = MODES = ("batch", "blocking", "blocking-strict")
_TRIES = 5


class Unusable(config.Unusable):
    """A flag of the audit log cannot be used."""


class Backend(Protocol):
    async def take(self, event: Event) -> bool:
        """False where the event may be lost and the request must be refused for it."""
        ...

    def start(self, nursery: tasks.Nursery) -> None: ...

    async def close(self) -> None: ...


class Writer(Protocol):
    """What is behind a mode. Raises OSError where events could not be kept."""

    async def write(self, events: Sequence[Event]) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """``size`` events at most are sent together, after ``wait`` seconds at the latest; ``buffer`` wait at most."""

    buffer: int = 10_000
    size: int = 400
    wait: float = 30.0


def in_mode(mode: str, name: str, writer: Writer, batch: Batch, timepiece: clock.Clock) -> Backend:
    """Raises Unusable for an unknown mode."""
    if mode == BATCH:
        return Batching(writer, batch, timepiece)
    if mode in (BLOCKING, STRICT):
        return Blocking(writer, strict=mode == STRICT)
    raise Unusable(f'invalid audit {name} mode {mode}, allowed modes are "{",".join(MODES)}"')


class Blocking:
    """Writes before the request goes on. Only ``strict`` refuses a request whose arrival could not be written."""

    def __init__(self, writer: Writer, strict: bool) -> None:
        self._writer = writer
        self._strict = strict

    async def take(self, event: Event) -> bool:
        try:
            await self._writer.write([event])
        except OSError as error:
            log.error("an audit event is lost: %s", error)
            return not (self._strict and event["stage"] == policy.RECEIVED)
        return True

    def start(self, nursery: tasks.Nursery) -> None:
        return None

    async def close(self) -> None:
        await self._writer.close()


class Batching:
    """Keeps events and writes them behind the requests' back; what comes while the buffer is full is lost."""

    def __init__(self, writer: Writer, batch: Batch, timepiece: clock.Clock) -> None:
        self._writer = writer
        self._batch = batch
        self._clock = timepiece
        self._waiting: list[Event] = []
        self._some = asyncio.Event()
        self._full = asyncio.Event()

    async def take(self, event: Event) -> bool:
        if len(self._waiting) >= self._batch.buffer:
            log.error("an audit event is lost: the buffer is full")
            return True
        self._waiting.append(event)
        self._some.set()
        if len(self._waiting) >= self._batch.size:
            self._full.set()
        return True

    def start(self, nursery: tasks.Nursery) -> None:
        nursery.keep(self._run, "audit")

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await self._until_full()
            await self._flush()

    async def _until_full(self) -> None:
        pause = asyncio.ensure_future(self._clock.sleep(self._batch.wait))
        full = asyncio.ensure_future(self._full.wait())
        try:
            await asyncio.wait((pause, full), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            full.cancel()

    async def _flush(self) -> None:
        while self._waiting:
            events = self._waiting[: self._batch.size]
            del self._waiting[: len(events)]
            try:
                await self._writer.write(events)
            except OSError as error:
                log.error("%d audit events are lost: %s", len(events), error)
            if len(self._waiting) < self._batch.size:
                break
        self._full.clear()
        if not self._waiting:
            self._some.clear()

    async def close(self) -> None:
        while self._waiting:
            await self._flush()
        await self._writer.close()


# --- the log file

Form = Callable[[Event], bytes]


def as_json(event: Event) -> bytes:
    return orjson.dumps(event) + b"\n"


def as_legacy(event: Event) -> bytes:
    """One line of text, as before there was JSON."""
    user, other = event["user"], event.get("impersonatedUser")
    groups = ",".join(map(_quoted, user.get("groups") or ())) or "<none>"
    as_groups = "<lookup>"
    if other and other.get("groups"):
        as_groups = ",".join(map(_quoted, other["groups"]))
    parts = {
        "id": event["auditID"],
        "stage": event["stage"],
        "ip": (event.get("sourceIPs") or ["<unknown>"])[0],
        "method": event["verb"],
        "user": user.get("username") or "<none>",
        "groups": groups if user.get("username") else "<none>",
        "as": other.get("username", "") if other else "<self>",
        "asgroups": as_groups,
        "user-agent": event.get("userAgent", ""),
        "namespace": (event.get("objectRef") or {}).get("namespace") or "<none>",
        "uri": event["requestURI"],
    }
    told = event.get("responseStatus")
    shown = " ".join(f"{key}={_quoted(value)}" for key, value in parts.items())
    code = told["code"] if told else "<deferred>"
    return f'{event["requestReceivedTimestamp"]} AUDIT: {shown} response="{code}"\n'.encode()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def form(name: str) -> Form:
    """Raises Unusable."""
    forms: dict[str, Form] = {"legacy": as_legacy, "json": as_json}
    if name not in forms:
        raise Unusable(f'invalid audit log format {name}, allowed formats are "{",".join(forms)}"')
    return forms[name]


@dataclass(frozen=True, slots=True)
class Rotation:
    """``megabytes`` a file may have, ``days`` and ``files`` that are kept of older ones; 0 is no limit."""

    megabytes: int = 100
    days: int = 366
    files: int = 100
    compress: bool = False

    def __post_init__(self) -> None:
        for flag, value in (("maxage", self.days), ("maxbackup", self.files), ("maxsize", self.megabytes)):
            if value < 0:
                raise Unusable(f"--audit-log-{flag} {value} can't be a negative number")


class Log:
    """Writes each event as one line. It is written at once and by one thread: lines never mix."""

    def __init__(self, file: File, shape: Form) -> None:
        self._file = file
        self._shape = shape

    async def write(self, events: Sequence[Event]) -> None:
        for event in events:
            self._file.write(self._shape(event))

    async def close(self) -> None:
        self._file.close()


class File:
    """An append-only file that is renamed to ``NAME-TIME.log`` when it is full; ``-`` is the standard output."""

    def __init__(self, path: str, rotation: Rotation, timepiece: clock.Clock) -> None:
        self._path = Path(path)
        self._rotation = rotation
        self._clock = timepiece
        self._standard = path == "-"
        self._open()

    def _open(self) -> None:
        if self._standard:
            self._file: IO[bytes] = sys.stdout.buffer
            self._size = 0
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        self._size = self._path.stat().st_size

    def write(self, line: bytes) -> None:
        limit = self._rotation.megabytes * 1024 * 1024
        if limit and not self._standard and self._size and self._size + len(line) > limit:
            self.rotate()
        self._file.write(line)
        if self._standard:
            self._file.flush()
        self._size += len(line)

    def rotate(self) -> None:
        """Go on in a new file, and remove old ones that are too many or too old."""
        self._file.close()
        now = timestamps.format_micro(self._clock.time())
        moment = now[:-4].replace(":", "-")
        aside = self._path.with_name(f"{self._path.stem}-{moment}{self._path.suffix}")
        self._path.rename(aside)
        if self._rotation.compress:
            with aside.open("rb") as plain, gzip.open(f"{aside}.gz", "wb") as packed:
                shutil.copyfileobj(plain, packed)
            aside.unlink()
        self._open()
        self._prune()

    def _prune(self) -> None:
        older = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}*"), reverse=True)
        kept = older[: self._rotation.files] if self._rotation.files else older
        if self._rotation.days:
            oldest = self._clock.time() - self._rotation.days * 86_400
            kept = [path for path in kept if path.stat().st_mtime >= oldest]
        for path in set(older) - set(kept):
            path.unlink()

    def close(self) -> None:
        if not self._standard:
            self._file.close()


def open_log(path: str, rotation: Rotation, timepiece: clock.Clock) -> File:
    """Raises Unusable."""
    try:
        return File(path, rotation, timepiece)
    except OSError as error:
        raise Unusable(f"ensureLogFile: {error}") from error


# --- the webhook


class Webhook:
    """Sends EventLists, again after a growing pause where nobody took them. ``pause`` is the first one, in seconds."""

    def __init__(self, post: Post, pause: float, timepiece: clock.Clock) -> None:
        self._post = post
        self._policy = backoff.Policy(pause, pause * 60, factor=1.5, jitter=0.2)
        self._clock = timepiece

    async def write(self, events: Sequence[Event]) -> None:
        body = orjson.dumps(
            {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": list(events)}
        )
        for attempt in range(1, _TRIES + 1):
            why = await self._try(body)
            if why is None:
                return
            if attempt < _TRIES:
                await self._clock.sleep(self._policy.delay(attempt))
        raise OSError(f"the audit webhook did not take {len(events)} events: {why}")

    async def _try(self, body: bytes) -> str | None:
        try:
            status = await self._post(body)
        except OSError as error:
            return str(error)
        return None if status < 300 else f"status {status}"

    async def close(self) -> None:
        return None


def webhook(path: str) -> Post:
    """What sends to the server of a kubeconfig file. Raises config.Unusable."""
    server = kubeconfig.load(path, user_agent="kijabi-apiserver")

    async def post(body: bytes) -> int:
        reply = await server.request("POST", "", headers={"Content-Type": "application/json"}, body=body, timeout=30)
        return reply.status

    return post
