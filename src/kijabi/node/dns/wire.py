"""The parts of the DNS message format (RFC 1035, 6891) that every query meets; rare ones are dnspython's."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

QR, AA, TC, RD, RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_OPCODE = 0x7800

# A pointer to the name of the question, which always stands at the same place.
TO_QUESTION = b"\xc0\x0c"
PLAIN_UDP = 512
# What we tell of ourselves: the size that passes every path unfragmented (DNS Flag Day 2020).
OUR_UDP = 1232


class Malformed(ValueError):
    """Not a DNS query."""


@dataclass(frozen=True, slots=True)
class Query:
    """``name`` is lower-case wire format; ``question`` is the section as it came, its spelling included.

    ``udp_size`` is what the asker can take, 0 when it sent no OPT record.
    """

    id: int
    flags: int
    name: bytes
    type: int
    class_: int
    question: bytes
    udp_size: int = 0
    edns_version: int = 0
    wants_dnssec: bool = False

    @property
    def opcode(self) -> int:
        return (self.flags & _OPCODE) >> 11


def parse(data: bytes) -> Query:
    """A query of one question. Raises Malformed for less, and for answers."""
    if len(data) < 12:
        raise Malformed("shorter than a header")
    number, flags, questions, answers, authorities, additional = struct.unpack_from("!6H", data)
    if flags & QR or questions != 1 or answers or authorities:
        raise Malformed("not a query of one question")
    end = _end_of_name(data, 12)
    if end + 4 > len(data):
        raise Malformed("the question is cut off")
    kind, class_ = struct.unpack_from("!HH", data, end)
    size, version, dnssec = _options(data, end + 4, additional)
    # Bytes of a length are below 64 and so never taken for a letter.
    return Query(number, flags, data[12:end].lower(), kind, class_, data[12 : end + 4], size, version, dnssec)


def _end_of_name(data: bytes, at: int) -> int:
    start = at
    while True:
        if at >= len(data) or at - start > 255:
            raise Malformed("the name does not end")
        length = data[at]
        if length == 0:
            return at + 1
        if length > 63:
            raise Malformed("a compressed name in a question")
        at += length + 1


def _options(data: bytes, at: int, count: int) -> tuple[int, int, bool]:
    """UDP size, EDNS version and the DO bit out of the additional section."""
    for _ in range(count):
        end = _end_of_name(data, at)
        if end + 10 > len(data):
            raise Malformed("a record is cut off")
        kind, size, _, version, flags, length = struct.unpack_from("!HHBBHH", data, end)
        if kind == OPT:
            return max(size, PLAIN_UDP), version, bool(flags & 0x8000)
        at = end + 10 + length
    return 0, 0, False


def name(text: str) -> bytes:
    """``a.b.`` or ``a.b`` → wire format, lower-case. Raises Malformed for labels DNS does not know."""
    labels = text.lower().rstrip(".").split(".") if text.strip(".") else []
    encoded = [label.encode("utf-8", "surrogateescape") for label in labels]
    if any(not 0 < len(label) < 64 for label in encoded) or sum(len(label) + 1 for label in encoded) > 254:
        raise Malformed(f"{text!r} is not a name")
    return b"".join(bytes([len(label)]) + label for label in encoded) + b"\0"


def labels(wire: bytes) -> list[bytes]:
    found, at = [], 0
    while wire[at]:
        found.append(wire[at + 1 : at + 1 + wire[at]])
        at += wire[at] + 1
    return found


def parent(wire: bytes) -> bytes:
    """The name without its first label."""
    return wire[wire[0] + 1 :]


def address(text: str) -> tuple[int, bytes]:
    """Record type and data of an IP address."""
    parsed = ipaddress.ip_address(text)
    return (A if parsed.version == 4 else AAAA), parsed.packed


def reverse(text: str) -> bytes:
    """The name under in-addr.arpa or ip6.arpa of an IP address."""
    return name(ipaddress.ip_address(text).reverse_pointer)


def record(owner: bytes, kind: int, ttl: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, IN, ttl, len(data)) + data


def reply(
    query: Query,
    code: int,
    answers: list[bytes],
    authorities: list[bytes],
    additional: list[bytes],
    limit: int,
    *,
    authoritative: bool = True,
) -> bytes:
    """A message of at most ``limit`` bytes: additional records go first, then answers, which sets the TC bit."""
    options = _our_options(query, code)
    room = limit - 12 - len(query.question) - len(options)
    flags = QR | (AA if authoritative else 0) | (query.flags & (_OPCODE | RD)) | RA | (code & 0xF)
    body, counts = b"", [0, 0, 0]
    for section, records in enumerate((answers, authorities, additional)):
        for one in records:
            if len(body) + len(one) > room:
                if section < 2:
                    flags |= TC
                break
            body += one
            counts[section] += 1
        if flags & TC:
            break
    header = struct.pack("!6H", query.id, flags, 1, counts[0], counts[1], counts[2] + (1 if options else 0))
    return header + query.question + body + options


def _our_options(query: Query, code: int) -> bytes:
    if not query.udp_size:
        return b""
    return b"\0" + struct.pack("!HHBBHH", OPT, OUR_UDP, code >> 4, 0, 0, 0)


def bare_error(data: bytes, code: int) -> bytes | None:
    """An answer to what could not be parsed; None to what is no query at all (an answer must never be answered)."""
    if len(data) < 12 or data[2] & 0x80:
        return None
    flags = QR | (int.from_bytes(data[2:4], "big") & (_OPCODE | RD)) | RA | code
    return data[:2] + struct.pack("!5H", flags, 0, 0, 0, 0)
