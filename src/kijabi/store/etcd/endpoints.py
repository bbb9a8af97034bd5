"""The members of the etcd cluster: one connection to each, calls to the one that answers.

A call goes to the current member. When that cannot be reached, has no leader or does not answer in time, the next
becomes current and the call is made again there, until ``PATIENCE`` is over; then the store counts as lost (Closed).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio

from kijabi.kit import backoff
from kijabi.store import contract
from kijabi.store.etcd import wire

# Seconds: one try, all tries together.
TRY = 4.0
PATIENCE = 20.0
_PAUSE = backoff.Policy(base=0.02, ceiling=0.5, jitter=0.5)

_OPTIONS = (
    # etcd limits what is written; what a range gives has no limit.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # etcd closes connections that ping oftener than every five seconds.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A member that comes back is tried soon: the default grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # No proxy stands between a control plane and its store, whatever the environment says.
    ("grpc.enable_http_proxy", 0),
)
_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Config:
    """``servers`` are URLs (``https://10.0.0.1:2379``, ``unix:///path``); the files are paths, empty where not used.

    ``prefix`` stands in etcd where our keys begin with ``/registry``.
    """

    servers: tuple[str, ...]
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    prefix: str = "/registry"


class Endpoints:
    """Make it and use it on one event loop. Raises ValueError for URLs that are none, OSError for unreadable files."""

    def __init__(self, config: Config) -> None:
        if not config.servers:
            raise ValueError("--etcd-servers must be specified")
        self._channels = [_channel(server, config) for server in config.servers]
        self._methods: list[dict[str, Any]] = [{} for _ in self._channels]
        # Servers of one cluster spread over its members.
        self.current = random.randrange(len(self._channels))
        self.closed = False

    def leave(self, index: int) -> None:
        """The member at ``index`` does not answer: another becomes current, unless that has happened already."""
        if index == self.current:
            self.current = (index + 1) % len(self._channels)

    async def call(self, method: wire.Method, request: Any) -> tuple[Any, bool]:
        """The answer, and whether an earlier try may have had its effect too.

        Raises Closed when no member answers, StoreError for etcd's refusals; grpc.aio.AioRpcError never.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        tries = 0
        while True:
            if self.closed:
                raise contract.Closed("the store is closed")
            index = self.current
            try:
                answer = await self._method(index, method)(request, timeout=TRY)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise Refused(error.code(), str(error.details())) from error
                tries += 1
                self.leave(index)
                if loop.time() > until:
                    raise contract.Closed(f"no etcd member answers: {error.details()}") from error
                await asyncio.sleep(_PAUSE.delay(tries))
            except asyncio.CancelledError:
                # Closing a channel cancels what is under way on it.
                if self.closed:
                    raise contract.Closed("the store is closed") from None
                raise
            else:
                return answer, tries > 0

    def _method(self, index: int, method: wire.Method) -> Any:
        found = self._methods[index].get(method.path)
        if found is None:
            found = self._methods[index][method.path] = self._channels[index].unary_unary(
                method.path,
                request_serializer=_serialize,
                response_deserializer=method.answer.FromString,
            )
        return found

    def watch(self, index: int) -> Any:
        """A new watch stream at a member; it ends when that member loses its leader."""
        stream = self._channels[index].stream_stream(
            wire.WATCH, request_serializer=_serialize, response_deserializer=wire.WatchResponse.FromString
        )
        return stream(metadata=(("hasleader", "true"),))

    async def close(self) -> None:
        self.closed = True
        await asyncio.gather(*(channel.close() for channel in self._channels))


class Refused(contract.StoreError):
    """etcd understood and said no. ``code`` is gRPC's."""

    def __init__(self, code: Any, details: str) -> None:
        super().__init__(details)
        self.code = code


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _channel(server: str, config: Config) -> Any:
    parts = urlsplit(server)
    if parts.scheme in ("unix", "unixs"):
        target = f"unix:{parts.netloc}{parts.path}"
    elif parts.scheme in ("http", "https") and parts.hostname:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        target = f"{host}:{parts.port or 2379}"
    else:
        raise ValueError(f"{server!r} is no URL of an etcd server: http://, https:// and unix:// are known")
    if parts.scheme in ("http", "unix"):
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    return grpc.aio.secure_channel(target, _credentials(config), options=_OPTIONS)


def _credentials(config: Config) -> Any:
    files: Sequence[str] = (config.ca_file, config.key_file, config.cert_file)
    root, key, certificate = (Path(file).read_bytes() if file else None for file in files)
    return grpc.ssl_channel_credentials(root, key, certificate)
