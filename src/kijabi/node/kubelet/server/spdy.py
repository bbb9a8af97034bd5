"""SPDY/3.1 framing, as far as remote commands need it: pure, no I/O.

Header blocks are compressed with zlib and SPDY's dictionary, one compressor per direction for the life of a
connection. Flow control is left out: neither Kubernetes' clients nor container runtimes (moby/spdystream) use it.
Source: the SPDY protocol draft 3.1.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN: Final = 0x01
_VERSION: Final = 0x8003
MAX_FRAME: Final = 1 << 24


class Malformed(ValueError):
    """The peer does not speak SPDY/3.1."""


def _dictionary() -> bytes:
    """SPDY/3's compression dictionary: common header names (each with its length), then common values."""
    names = _NAMES.split()
    tail = b"".join(struct.pack(">I", len(name)) + name.encode() for name in names)
    tail += b"".join(struct.pack(">I", len(text)) + text.encode() for text in ("200 OK", "version", "HTTP/1.1", "url"))
    tail += b"".join(
        struct.pack(">I", len(text)) + text.encode() for text in ("public", "set-cookie", "keep-alive", "origin")
    )
    return tail + _VALUES.encode()


_NAMES: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age "
    "allow authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_VALUES: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: Final = _dictionary()


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    payload: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynStream:
    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """A control frame that means nothing here: SETTINGS, WINDOW_UPDATE, HEADERS."""

    type: int


Frame = Data | SynStream | SynReply | Reset | Ping | GoAway | Other


@dataclass(slots=True)
class Encoder:
    """Frames to bytes; keeps the compressor of its direction."""

    _zlib: zlib._Compress = field(
        default_factory=lambda: zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    )

    def encode(self, frame: Frame) -> bytes:
        if isinstance(frame, Data):
            flags = FIN if frame.fin else 0
            return struct.pack(">II", frame.stream, flags << 24 | len(frame.payload)) + frame.payload
        if isinstance(frame, SynStream):
            body = struct.pack(">IIBB", frame.stream, 0, 0, 0) + self._headers(frame.headers)
            return _control(SYN_STREAM, FIN if frame.fin else 0, body)
        if isinstance(frame, SynReply):
            body = struct.pack(">I", frame.stream) + self._headers(frame.headers)
            return _control(SYN_REPLY, FIN if frame.fin else 0, body)
        if isinstance(frame, Reset):
            return _control(RST_STREAM, 0, struct.pack(">II", frame.stream, frame.status))
        if isinstance(frame, Ping):
            return _control(PING, 0, struct.pack(">I", frame.id))
        if isinstance(frame, GoAway):
            return _control(GOAWAY, 0, struct.pack(">II", frame.last_stream, frame.status))
        return _control(frame.type, 0, b"")

    def _headers(self, headers: Mapping[str, str]) -> bytes:
        plain = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                plain += struct.pack(">I", len(text)) + text
        return self._zlib.compress(plain) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


def _control(type_: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHI", _VERSION, type_, flags << 24 | len(body)) + body


@dataclass(slots=True)
class Decoder:
    """Bytes, cut anywhere, to frames; keeps the decompressor of its direction."""

    _buffer: bytearray = field(default_factory=bytearray)
    _zlib: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(zdict=DICTIONARY))

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises ``Malformed``."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            length = second & 0xFFFFFF
            if len(self._buffer) < 8 + length:
                return
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if first & 0x80000000:
                yield self._control(first, second >> 24, body)
            else:
                yield Data(first & 0x7FFFFFFF, body, bool(second >> 24 & FIN))

    def _control(self, first: int, flags: int, body: bytes) -> Frame:
        version, type_ = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != 3:
            raise Malformed(f"SPDY version {version}")
        try:
            if type_ == SYN_STREAM:
                return SynStream(_id(body), self._headers(body[10:]), bool(flags & FIN))
            if type_ == SYN_REPLY:
                return SynReply(_id(body), self._headers(body[4:]), bool(flags & FIN))
            if type_ == RST_STREAM:
                return Reset(_id(body), struct.unpack_from(">I", body, 4)[0])
            if type_ == PING:
                return Ping(struct.unpack(">I", body)[0])
            if type_ == GOAWAY:
                return GoAway(_id(body), struct.unpack_from(">I", body, 4)[0] if len(body) >= 8 else 0)
            if type_ == HEADERS:
                # Unused, but the decompressor must see it to stay in step.
                self._headers(body[4:])
            return Other(type_)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise Malformed(f"control frame {type_}: {error}") from error

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._zlib.decompress(block, 1 << 20)
        (count,) = struct.unpack_from(">I", plain)
        found, at = {}, 4
        for _ in range(count):
            name, at = _text(plain, at)
            found[name], at = _text(plain, at)
        return found


def _id(body: bytes) -> int:
    return int(struct.unpack_from(">I", body)[0]) & 0x7FFFFFFF


def _text(plain: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", plain, at)
    at += 4
    if at + length > len(plain):
        raise struct.error("header block is cut short")
    return plain[at : at + length].decode(), at + length
