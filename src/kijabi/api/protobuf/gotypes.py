"""Reads struct types and their tags out of a Go program's run-time type data.

A Go program carries a description of every type it can reflect on, stripped or not: fields, their types and their
tags. ``typelinks`` lists the pointer, slice and map types; everything else is reached from those. The layout is that
of ``internal/abi`` (Type, StructType, Name, UncommonType) and of runtime's ``moduledata`` in Go 1.26, for 64-bit
little-endian machines. A program of another release is refused, or read in vain, but only when the table is compiled.
"""

from __future__ import annotations

import enum
import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass


class Unreadable(ValueError):
    """The file is not an ELF program of Go for a 64-bit little-endian machine."""


class Kind(enum.IntEnum):
    """``abi.Kind``, as far as fields of API types use it."""

    BOOL = 1
    INT = 2
    INT32 = 5
    INT64 = 6
    UINT8 = 8
    FLOAT64 = 14
    INTERFACE = 20
    MAP = 21
    POINTER = 22
    SLICE = 23
    STRING = 24
    STRUCT = 25


_KIND_MASK = 31
_HAS_UNCOMMON, _HAS_STAR = 1, 2
# Where the part common to all types ends, and where that of structs, slices and maps does.
_COMMON = 48
_UNCOMMON_AT: dict[int, int] = {Kind.STRUCT: 80, Kind.SLICE: 56, Kind.POINTER: 56}
_TAGGED, _EMBEDDED = 2, 8
# moduledata: pcHeader, six slices, and then single words, of which ``types`` comes here.
_TYPES_IN_MODULE = 296


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a struct. ``type`` is an address, ``tag`` the raw struct tag."""

    name: str
    type: int
    tag: str
    embedded: bool


class Program:
    """The types of one program. A type is named by its address."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        try:
            self._sections = _sections(data)
            self._types = self._word(self._section(".go.module")[0] + _TYPES_IN_MODULE)
        except (struct.error, IndexError) as error:
            raise Unreadable("not a complete ELF file") from error
        start, _, size = self._section(".rodata")
        if not start <= self._types < start + size:
            raise Unreadable("the module data are laid out in a way that is not known")

    def _section(self, name: str) -> tuple[int, int, int]:
        try:
            return self._sections[name]
        except KeyError:
            raise Unreadable(f"there is no section {name}: not a Go program, or of too old a release") from None

    def typelinks(self) -> Iterator[int]:
        _, offset, size = self._section(".typelink")
        for (relative,) in struct.iter_unpack("<i", self._data[offset : offset + size]):
            yield self._types + relative

    def kind(self, address: int) -> int:
        return self._data[self._place(address) + 23] & _KIND_MASK

    def element(self, address: int) -> int:
        """What a pointer points at, what a slice is of, or the key of a map."""
        return self._word(address + _COMMON)

    def map_value(self, address: int) -> int:
        return self._word(address + _COMMON + 8)

    @functools.cache  # noqa: B019 - there is one program, and it goes as soon as it is compiled
    def name(self, address: int) -> str:
        """``import/path.Name`` of a named type; Go's way of writing it of any other."""
        place = self._place(address)
        (offset,) = struct.unpack_from("<i", self._data, place + 40)
        flags = self._data[place + 20]
        text = self._name(self._types + offset)[0]
        text = text[1:] if flags & _HAS_STAR else text
        after = _UNCOMMON_AT.get(self.kind(address))
        if not flags & _HAS_UNCOMMON or after is None:
            return text
        (package,) = struct.unpack_from("<i", self._data, place + after)
        path = self._name(self._types + package)[0] if package else ""
        return f"{path}.{text.rpartition('.')[2]}" if path else text

    def members(self, address: int) -> list[Member]:
        """The fields of a struct type, in order."""
        place = self._place(address) + _COMMON + 8
        first, count = struct.unpack_from("<QQ", self._data, place)
        found = []
        for number in range(count):
            name_at, type_, _ = struct.unpack_from("<QQQ", self._data, self._place(first) + 24 * number)
            name, tag, flags = self._name(name_at)
            found.append(Member(name, type_, tag, bool(flags & _EMBEDDED)))
        return found

    def _place(self, address: int) -> int:
        """Where in the file the byte at ``address`` is."""
        for start, offset, size in self._sections.values():
            if start <= address < start + size:
                return offset + address - start
        raise Unreadable(f"nothing is loaded at {address:#x}")

    def _word(self, address: int) -> int:
        return int.from_bytes(self._data[(place := self._place(address)) : place + 8], "little")

    def _name(self, address: int) -> tuple[str, str, int]:
        """(name, tag, flags) of an ``abi.Name``: a byte of flags, then strings with varint lengths."""
        place = self._place(address)
        flags = self._data[place]
        text, place = self._text(place + 1)
        tag = self._text(place)[0] if flags & _TAGGED else ""
        return text, tag, flags

    def _text(self, place: int) -> tuple[str, int]:
        size = shift = 0
        while True:
            byte = self._data[place]
            place += 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                return self._data[place : place + size].decode(), place + size
            shift += 7


_NOBITS = 8
_LOADED = 2


def _sections(data: bytes) -> dict[str, tuple[int, int, int]]:
    """Name → (address, offset in the file, size) of every section that is loaded from the file."""
    # ELF, 64 bits, little endian.
    if data[:6] != b"\x7fELF\x02\x01":
        raise Unreadable("not an ELF file of 64 bits, little endian")
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * number) for number in range(count)]
    names = headers[names_at][4]
    found = {}
    for name, type_, flags, address, offset, length in headers:
        if flags & _LOADED and type_ != _NOBITS:
            text = data[names + name : data.index(b"\0", names + name)].decode()
            found[text] = (address, offset, length)
    return found
