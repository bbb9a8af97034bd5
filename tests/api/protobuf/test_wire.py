"""Keys, varints and lengths."""

from __future__ import annotations

import pytest

from kijabi.api.protobuf import wire

NUMBERS = {
    "zero": (0, b"\x00"),
    "one byte": (127, b"\x7f"),
    "two": (300, b"\xac\x02"),
    "minus one": (-1, b"\xff" * 9 + b"\x01"),
}


@pytest.mark.parametrize(("number", "data"), NUMBERS.values(), ids=NUMBERS)
def test_a_varint_there_and_back(number: int, data: bytes) -> None:
    assert wire.varint(number) == data
    value, end = wire.read_varint(data, 0)
    assert (wire.signed(value), end) == (number, len(data))


SIGNED = {"positive": (5, 32, 5), "negative": ((1 << 64) - 2, 32, -2), "cut to 32 bits": ((1 << 33) + 1, 32, 1)}


@pytest.mark.parametrize(("value", "bits", "expected"), SIGNED.values(), ids=SIGNED)
def test_the_low_bits_are_a_signed_number(value: int, bits: int, expected: int) -> None:
    assert wire.signed(value, bits) == expected


def test_every_wire_type_is_taken_apart_and_groups_are_passed_over() -> None:
    group = b"\x1b" + b"\x08\x01" + b"\x13\x14" + b"\x12\x01x" + b"\x1c"
    data = b"\x08\x05" + b"\x12\x02ab" + group + b"\x21" + b"8" * 8 + b"\x2d" + b"4" * 4
    assert list(wire.fields(data)) == [
        (1, wire.VARINT, 5),
        (2, wire.LENGTH, b"ab"),
        (4, wire.FIXED64, b"8" * 8),
        (5, wire.FIXED32, b"4" * 4),
    ]


BAD = {
    "cut in a key": (b"\x80", "unexpected EOF"),
    "cut in a number": (b"\x08\x80", "unexpected EOF"),
    "cut in a text": (b"\x0a\x05ab", "unexpected EOF"),
    "cut in fixed": (b"\x09abc", "unexpected EOF"),
    "cut in a group": (b"\x0b\x08", "unexpected EOF"),
    "endless number": (b"\x08" + b"\xff" * 11, "integer overflow"),
    "a length beyond all measure": (b"\x0a" + b"\xff" * 9 + b"\x01", "unexpected EOF"),
    "field zero": (b"\x02\x00", "illegal tag 0"),
    "a lonely end": (b"\x0c", "end group for non-group"),
    "no such wire type": (b"\x0e", "illegal wireType 6"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_what_is_no_message(data: bytes, message: str) -> None:
    with pytest.raises(wire.Malformed, match=message):
        list(wire.fields(data))
