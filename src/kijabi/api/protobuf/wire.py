"""Protobuf's wire format: keys, varints, lengths. What is behind the numbers is not known here."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5
_U64 = (1 << 64) - 1


class Malformed(ValueError):
    """The bytes are not the message they are said to be; the text is that of Go's decoders."""


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value): an integer for varints, bytes for the rest. Groups are passed over. ``Malformed``."""
    place, end = 0, len(data)
    while place < end:
        key, place = read_varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == END_GROUP:
            raise Malformed("proto: wiretype end group for non-group")
        if not 0 < number < 1 << 29:
            raise Malformed(f"proto: illegal tag {number} (wire type {key})")
        if wire == VARINT:
            value, place = read_varint(data, place)
            yield number, wire, value
            continue
        start, place = _skip(data, place, wire)
        if wire != START_GROUP:
            yield number, wire, data[start:place]


def _skip(data: bytes, place: int, wire: int) -> tuple[int, int]:
    """(start, end) of a value that is not a varint."""
    if wire == LENGTH:
        size, place = read_varint(data, place)
    elif wire in (FIXED64, FIXED32):
        size = 8 if wire == FIXED64 else 4
    elif wire == START_GROUP:
        return place, _skip_group(data, place)
    else:
        raise Malformed(f"proto: illegal wireType {wire}")
    if size > len(data) - place:
        raise Malformed("unexpected EOF")
    return place, place + size


def _skip_group(data: bytes, place: int) -> int:
    depth = 1
    while depth:
        key, place = read_varint(data, place)
        wire = key & 7
        if wire == START_GROUP:
            depth += 1
        elif wire == END_GROUP:
            depth -= 1
        elif wire == VARINT:
            _, place = read_varint(data, place)
        else:
            _, place = _skip(data, place, wire)
    return place


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """The number at ``place``, as 64 unsigned bits, and where it ends."""
    value = shift = 0
    for byte in data[place : place + 10]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & _U64, place + shift // 7
    raise Malformed("unexpected EOF" if len(data) - place < 10 else "proto: integer overflow")


def signed(value: int, bits: int = 64) -> int:
    """The low ``bits`` of a varint as a Go int32 or int64."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def varint(value: int) -> bytes:
    """Negative numbers take ten bytes, also those of 32 bits."""
    value &= _U64
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def double_field(number: int, value: float) -> bytes:
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)
