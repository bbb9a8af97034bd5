"""A transport that fails as networks and servers do: refusals, lost answers, broken watches; by a seeded die."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Mapping

from kijabi.api import errors
from kijabi.client import transport
from kijabi.kit import jsons

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Faulty:
    """Wraps a transport. Rates are probabilities; ``hits`` counts what was done to whom.

    ``lost`` requests are carried out, but their answer never comes; ``refused`` ones are not carried out at all;
    ``conflicts`` are answered in the server's place; ``broken`` watches end with an error after some events.
    """

    def __init__(
        self, inner: transport.Transport, seed: int, *, lost: float, refused: float, conflicts: float, broken: float
    ) -> None:
        self._inner = inner
        self._random = random.Random(seed)
        self._lost, self._refused, self._conflicts, self._broken = lost, refused, conflicts, broken
        self.hits: dict[str, int] = {}
        self.enabled = True

    def _strikes(self, kind: str, rate: float) -> bool:
        if not self.enabled or self._random.random() >= rate:
            return False
        self.hits[kind] = self.hits.get(kind, 0) + 1
        return True

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 60.0,
    ) -> transport.Reply:
        if self._strikes("refused", self._refused):
            raise transport.Unreachable(f"{method} {path}: refused")
        if method in ("PUT", "PATCH") and self._strikes("conflict", self._conflicts):
            status = errors.conflict("things", path.rpartition("/")[2]).status
            return transport.Reply(409, {}, jsons.dumps(status))
        reply = await self._inner.request(method, path, query=query, headers=headers, body=body, timeout=timeout)
        if method in WRITES and self._strikes("lost", self._lost):
            raise transport.Unreachable(f"{method} {path}: the answer was lost")
        return reply

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[transport.Reply]:
        async with self._inner.stream(method, path, query=query, headers=headers) as reply:
            chunks = self._breaking(reply.chunks) if reply.chunks is not None else None
            yield transport.Reply(reply.status, reply.headers, reply.body, chunks)

    async def _breaking(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if self._strikes("broken", self._broken):
                raise transport.Unreachable("the stream broke")
            yield chunk

    async def close(self) -> None:
        await self._inner.close()
