"""Ask the node's resolvers, and remember for a while what they said.

The same question asked by many at once is asked upstream once. Every question goes out from a fresh socket, that is
from a port nobody can guess, under a random id.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from kijabi.kit import clock
from kijabi.node.dns import wire

# kubeadm's Corefile keeps answers for 30 seconds at most.
KEEP_AT_MOST = 30.0
KEEP_ENTRIES = 10_000
MAX_PENDING = 1_000
_TRY_SECONDS = 2.0
_ROUNDS = 2

RESOLV_CONF = Path("/etc/resolv.conf")
# Where systemd-resolved lists the real servers; its own address is on the host's loopback, out of a node's reach.
_SYSTEMD = Path("/run/systemd/resolve/resolv.conf")


@dataclass(frozen=True, slots=True)
class Server:
    address: str
    port: int = 53


@dataclass(slots=True)
class _Kept:
    message: dns.message.Message
    since: float
    until: float


Key = tuple[bytes, int, bool]


class Forwarder:
    """``ask`` gives dnspython's message, or None when nobody answered."""

    def __init__(self, servers: Sequence[Server], timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._servers = list(servers)
        self._clock = timepiece
        self._kept: dict[Key, _Kept] = {}
        self._pending: dict[Key, asyncio.Task[dns.message.Message | None]] = {}
        self.asked = 0
        self.hits = 0

    async def ask(self, name: bytes, kind: int, *, dnssec: bool = False) -> dns.message.Message | None:
        key = (name, kind, dnssec)
        kept = self._kept.get(key)
        now = self._clock.monotonic()
        if kept is not None and kept.until > now:
            self.hits += 1
            return aged(kept.message, now - kept.since)
        task = self._pending.get(key)
        if task is None:
            if not self._servers or len(self._pending) >= MAX_PENDING:
                return None
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._pending[key] = task
            task.add_done_callback(lambda _: self._pending.pop(key, None))
        # One who stops waiting must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, key: Key) -> dns.message.Message | None:
        self.asked += 1
        for _ in range(_ROUNDS):
            for server in self._servers:
                message = await self._try(server, key)
                if message is not None and message.rcode() not in (dns.rcode.SERVFAIL, dns.rcode.REFUSED):
                    self._keep(key, message)
                    return message
        return None

    async def _try(self, server: Server, key: Key) -> dns.message.Message | None:
        try:
            async with asyncio.timeout(_TRY_SECONDS):
                query = pack_query(secrets.randbelow(65536), *key)
                message = _parse(await _over_udp(server, query))
                if message is not None and message.flags & dns.flags.TC:
                    message = _parse(await _over_tcp(server, query))
                return message
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return None

    def _keep(self, key: Key, message: dns.message.Message) -> None:
        seconds = lifetime(message)
        if seconds <= 0:
            return
        while len(self._kept) >= KEEP_ENTRIES:
            self._kept.pop(next(iter(self._kept)))
        now = self._clock.monotonic()
        self._kept[key] = _Kept(message, now, now + seconds)


def lifetime(message: dns.message.Message) -> float:
    """How long an answer may be kept, in seconds; of a negative one the SOA record tells (RFC 2308)."""
    sections = [*message.answer, *message.authority]
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not sections:
        return 0.0
    return min(KEEP_AT_MOST, *(float(rrset.ttl) for rrset in sections))


def aged(message: dns.message.Message, seconds: float) -> dns.message.Message:
    """A copy whose records have that much less to live."""
    copy = dns.message.from_wire(message.to_wire(), ignore_trailing=True)
    for section in (copy.answer, copy.authority, copy.additional):
        for rrset in section:
            rrset.ttl = max(0, min(rrset.ttl, int(KEEP_AT_MOST)) - int(seconds))
    return copy


def pack_query(number: int, name: bytes, kind: int, dnssec: bool) -> bytes:
    flags = 0x8000 if dnssec else 0
    options = b"\0" + struct.pack("!HHBBHH", wire.OPT, wire.OUR_UDP, 0, 0, flags, 0)
    return struct.pack("!6H", number, wire.RD, 1, 0, 0, 1) + name + struct.pack("!HH", kind, wire.IN) + options


def servers_from(resolv_conf: str, fallback: str = "") -> list[Server]:
    """The name servers of a resolv.conf. Those on loopback cannot be meant for a node: then the ``fallback``'s."""
    found = [server for server in _listed(resolv_conf) if not ipaddress.ip_address(server.address).is_loopback]
    if found or not fallback:
        return found
    return servers_from(fallback)


def read_servers(path: Path = RESOLV_CONF) -> list[Server]:
    def text(file: Path) -> str:
        try:
            return file.read_text(errors="replace")
        except OSError:
            return ""

    return servers_from(text(path), text(_SYSTEMD))


def _listed(resolv_conf: str) -> list[Server]:
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                ipaddress.ip_address(words[1])
            except ValueError:
                continue
            found.append(Server(words[1]))
    return found


def _parse(data: bytes) -> dns.message.Message | None:
    try:
        return dns.message.from_wire(data, ignore_trailing=True)
    except dns.exception.DNSException:
        return None


class _Exchange(asyncio.DatagramProtocol):
    """One question, one answer; what does not answer the question is not ours and is ignored."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        transport.sendto(self._query)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = self._query.index(b"\0", 12) + 5
        is_ours = data[:2] == self._query[:2] and data[12:end].lower() == self._query[12:end].lower()
        if is_ours and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(server: Server, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(
        lambda: _Exchange(query), remote_addr=(server.address, server.port)
    )
    try:
        return await exchange.answer
    finally:
        transport.close()


async def _over_tcp(server: Server, query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
