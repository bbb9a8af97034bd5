"""The two facts a program file tells about what it needs: its loader and its shared libraries (ELF, ``man 5 elf``)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB = 1, 5


@dataclass(frozen=True, slots=True)
class Needs:
    """``loader`` is a path ("" for a static program), ``libraries`` are names such as ``libc.so.6``."""

    loader: str
    libraries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def needs(data: bytes) -> Needs | None:
    """None when ``data`` is no 64-bit little-endian ELF file."""
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        return None
    segments = _segments(data)
    loader = next((_text(data, part.offset) for part in segments if part.kind == _PT_INTERP), "")
    dynamic = next((part for part in segments if part.kind == _PT_DYNAMIC), None)
    return Needs(loader, _libraries(data, segments, dynamic) if dynamic else ())


def _segments(data: bytes) -> list[_Segment]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(count):
        kind, _, offset, address, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", data, table + index * size)
        found.append(_Segment(kind, offset, address, length))
    return found


def _libraries(data: bytes, segments: list[_Segment], dynamic: _Segment) -> tuple[str, ...]:
    entries = list(struct.iter_unpack("<qQ", data[dynamic.offset : dynamic.offset + dynamic.size // 16 * 16]))
    strings = next((value for tag, value in entries if tag == _DT_STRTAB), None)
    if strings is None:
        return ()
    start = _file_offset(segments, strings)
    return tuple(_text(data, start + value) for tag, value in entries if tag == _DT_NEEDED)


def _file_offset(segments: list[_Segment], address: int) -> int:
    for part in segments:
        if part.kind == _PT_LOAD and part.address <= address < part.address + part.size:
            return part.offset + address - part.address
    return address


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
