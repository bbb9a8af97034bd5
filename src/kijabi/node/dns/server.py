"""UDP and TCP: what comes in is answered out of the zone at once, or by the forwarder when that has an answer."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import Counter
from collections.abc import Callable

import dns.message

from kijabi.kit import tasks
from kijabi.node.dns import answer, forward, wire, zone

# A client may keep a connection for more questions; one that says nothing for so long is closed.
TCP_IDLE = 10.0


class Server:
    """``synced`` says whether the zone is complete. ``count`` has (protocol, response code) → answers."""

    def __init__(
        self, names: zone.Zone, forwarder: forward.Forwarder, synced: Callable[[], bool], owner: tasks.Nursery
    ) -> None:
        self._names = names
        self._forwarder = forwarder
        self._synced = synced
        self._owner = owner
        self.count: Counter[tuple[str, int]] = Counter()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    async def listen(self, address: str, port: int) -> None:
        """On both protocols. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(address, port))
        self._tcp = await asyncio.start_server(self._serve_connection, address, self.udp_port)

    @property
    def udp_port(self) -> int:
        assert self._udp is not None
        port: int = self._udp.get_extra_info("sockname")[1]
        return port

    async def close(self) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()

    def receive(self, data: bytes, sender: tuple[str, int]) -> None:
        """A datagram."""
        found = answer.answer(data, self._names, synced=self._synced(), tcp=False)
        if isinstance(found, answer.Forward):
            self._owner.start(self._forward_datagram(found, sender), "forward")
        elif found is not None:
            self._send(found, sender)

    def _send(self, data: bytes, receiver: tuple[str, int]) -> None:
        self.count["udp", data[3] & 0xF] += 1
        if self._udp is not None and not self._udp.is_closing():
            self._udp.sendto(data, receiver)

    async def _forward_datagram(self, wanted: answer.Forward, sender: tuple[str, int]) -> None:
        self._send(await self._forwarded(wanted, tcp=False), sender)

    async def _forwarded(self, wanted: answer.Forward, *, tcp: bool) -> bytes:
        query = wanted.query
        message = await self._forwarder.ask(wanted.target, query.type, dnssec=query.wants_dnssec)
        if message is None:
            return answer.error(query, wire.SERVFAIL)
        return reply(wanted, message, answer.limit_of(query, tcp))

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            while True:
                async with asyncio.timeout(TCP_IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    data = await reader.readexactly(length)
                found = answer.answer(data, self._names, synced=self._synced(), tcp=True)
                if isinstance(found, answer.Forward):
                    found = await self._forwarded(found, tcp=True)
                if found is None:
                    break
                self.count["tcp", found[3] & 0xF] += 1
                writer.write(struct.pack("!H", len(found)) + found)
                await writer.drain()
        writer.close()


def reply(wanted: answer.Forward, message: dns.message.Message, limit: int) -> bytes:
    """The resolvers' answer as ours: under the asker's id and spelling, behind the alias that led there."""
    sections = [
        [_pack(rrset.name.to_wire(), rrset.rdtype, rrset.ttl, rdata.to_wire()) for rrset in section for rdata in rrset]
        for section in (message.answer, message.authority)
    ]
    answers = [*wanted.before, *sections[0]]
    # An alias that leads to nothing is still an answer.
    code = int(message.rcode()) if not wanted.before else wire.NOERROR
    return wire.reply(wanted.query, code, answers, sections[1], [], limit, authoritative=bool(wanted.before))


def _pack(owner: bytes | None, kind: int, ttl: int, data: bytes | None) -> bytes:
    return wire.record(owner or b"\0", int(kind), ttl, data or b"")


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.receive(data, addr)
