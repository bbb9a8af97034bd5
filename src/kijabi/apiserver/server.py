"""The API server on a socket: accepts connections, looks after those that stall, and ends them all in order."""

from __future__ import annotations

import asyncio
import ssl

from kijabi.apiserver.connection import Connection
from kijabi.kit import http

# How often connections are looked at that send nothing. One timer for all of them costs a request nothing.
_LOOK_EVERY = 1.0


class SocketServer:
    """Serves ``handler`` until ``close``. ``port`` 0 lets the system choose; ``address`` then tells."""

    def __init__(self, handler: http.Handler) -> None:
        self.handler = handler
        self.connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self, loop), host, port, ssl=tls, backlog=1024, reuse_address=True
        )
        self._look(loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.connections):
            connection.look(now)
        self._timer = loop.call_later(_LOOK_EVERY, self._look, loop)

    @property
    def address(self) -> tuple[str, int]:
        assert self._listener is not None
        name = self._listener.sockets[0].getsockname()
        return name[0], name[1]

    async def close(self, grace: float = 2.0) -> None:
        """Stop listening, let answers under way finish for ``grace`` seconds, then cut the rest off."""
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()
        under_way = [connection.served for connection in self.connections if not connection.is_idle]
        if under_way:
            await asyncio.wait(under_way, timeout=grace)
        await asyncio.gather(*(connection.finish() for connection in list(self.connections)))
