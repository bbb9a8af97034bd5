"""Types out of a Go program: a small program's data, laid out by hand as Go's linker does."""

from __future__ import annotations

import struct
from typing import Any

import pytest

import protobufs
from kijabi.api.protobuf import compiled, gotypes, messages
from kijabi.api.protobuf.gotypes import Kind
from kijabi.api.protobuf.messages import BYTES, INT32, MESSAGE, STRING, Field, Label

BASE = 0x10000
META, TOYS = "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/api/toys/v1"


class Linker:
    """Puts names and types one behind the other; what it returns are addresses."""

    def __init__(self) -> None:
        # An offset of nought means nothing.
        self.data = bytearray(16)
        self.links: list[int] = []

    def put(self, content: bytes) -> int:
        self.data += bytes(-len(self.data) % 8)
        self.data += content
        return BASE + len(self.data) - len(content)

    def name(self, text: str, tag: str = "", embedded: bool = False) -> int:
        def measured(value: str) -> bytes:
            return protobufs.varint(len(value.encode())) + value.encode()

        flags = (2 if tag else 0) | (8 if embedded else 0)
        return self.put(bytes([flags]) + measured(text) + (measured(tag) if tag else b""))

    def type(self, kind: Kind, text: str, rest: bytes = b"", package: str = "") -> int:
        """``rest`` is what this kind of type has behind the part common to all."""
        # The flags of real types: a star in front of the name that is not part of it, and the package behind.
        flags = 2 | (1 if package else 0)
        name = self.name("*" + text) - BASE
        behind = struct.pack("<iHHII", self.name(package) - BASE, 0, 0, 0, 0) if package else b""
        # The top bits of the kind are flags.
        head = struct.pack("<QQIBBBBQQii", 0, 0, 0, flags, 0, 0, kind | 0x20, 0, 0, name, 0)
        return self.put(head + rest + behind)

    def of(self, kind: Kind, element: int, text: str, package: str = "") -> int:
        return self.type(kind, text, struct.pack("<Q", element), package)

    def map(self, value: int) -> int:
        return self.type(Kind.MAP, "map[string]x", struct.pack("<QQQ", 0, value, 0))

    def struct(self, package: str, name: str, fields: list[tuple[str, int, str]]) -> int:
        """A field without a name is embedded."""
        named = [(self.name(field or "Embedded", tag, not field), type_) for field, type_, tag in fields]
        rows = [struct.pack("<QQQ", name_at, type_, 0) for name_at, type_ in named]
        rest = struct.pack("<QQQQ", 0, self.put(b"".join(rows)), len(rows), len(rows))
        return self.type(Kind.STRUCT, f"v1.{name}", rest, package)

    def program(self) -> bytes:
        links = b"".join(struct.pack("<i", link - BASE) for link in self.links)
        module = bytes(296) + struct.pack("<Q", BASE) + bytes(64)
        contents = {"": b"", ".rodata": bytes(self.data), ".typelink": links, ".go.module": module}
        return elf(contents)


def elf(contents: dict[str, bytes]) -> bytes:
    names = b"\0".join([*(name.encode() for name in contents), b".shstrtab", b""])
    body, headers, address = bytearray(64), [], BASE
    for name, content in [*contents.items(), (".shstrtab", names)]:
        at = names.index(name.encode() + b"\0") if name else 0
        loaded = name in (".rodata", ".typelink", ".go.module")
        headers.append(struct.pack("<IIQQQQ24x", at, 1, 2 * loaded, address * loaded, len(body), len(content)))
        body += content
        address += loaded * (0x10000 + len(content))
    table = len(body)
    body[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", body, 0x28, table)
    struct.pack_into("<HHH", body, 0x3A, 64, len(headers), len(headers) - 1)
    return bytes(body) + b"".join(headers)


def tag(json: str, protobuf: str = "") -> str:
    return f'json:"{json}"' + (f' protobuf:"{protobuf}"' if protobuf else "")


@pytest.fixture
def program() -> bytes:
    linker = Linker()
    text, number, byte = (linker.type(kind, kind.name.lower()) for kind in (Kind.STRING, Kind.INT32, Kind.UINT8))
    extra = linker.of(Kind.SLICE, text, "v1.ExtraValue", TOYS)
    type_meta = linker.struct(META, "TypeMeta", [("Kind", text, tag("kind,omitempty", "bytes,1,opt,name=kind"))])
    source = linker.struct(TOYS, "Source", [("Path", text, tag("path", "bytes,1,opt,name=path"))])
    toy = linker.struct(
        TOYS,
        "Toy",
        [
            ("", type_meta, tag(",inline")),
            ("Wheels", linker.of(Kind.POINTER, number, "int32"), tag("wheels,omitempty", "varint,2,opt,name=wheels")),
            ("Names", linker.of(Kind.SLICE, text, "[]string"), tag("names", "bytes,1,rep,name=names")),
            ("Data", linker.of(Kind.SLICE, byte, "[]uint8"), tag("data,omitempty", "bytes,4,opt,name=data")),
            ("Extra", linker.map(extra), tag("extra,omitempty,omitzero", "bytes,5,rep,name=extra")),
            ("", source, tag(",inline", "bytes,300,opt,name=source")),
            ("cache", text, ""),
        ],
    )
    linker.struct(TOYS, "Unlinked", [])
    elsewhere = linker.struct("example.com/v1", "Toy", [("", type_meta, tag(",inline"))])
    table = linker.struct(META, "Table", [("", type_meta, tag(",inline")), ("Rows", text, tag("rows"))])
    linker.links += [linker.of(Kind.POINTER, one, "x") for one in (toy, elsewhere, table)]
    return linker.program()


def test_kinds_and_what_they_hold(program: bytes) -> None:
    table = messages.collect(gotypes.Program(program))
    assert table.kinds == {f"{TOYS}.Toy"}
    assert table.lists == {f"{TOYS}.ExtraValue"}
    assert table.messages == {
        f"{TOYS}.Toy": [
            Field(1, "names", STRING, Label.LIST),
            Field(2, "wheels", INT32, Label.POINTER, omitempty=True),
            Field(4, "data", BYTES, Label.VALUE, omitempty=True),
            Field(5, "extra", MESSAGE, Label.MAP, f"{TOYS}.ExtraValue", omitempty=True, omitzero=True),
            Field(300, "", MESSAGE, Label.VALUE, f"{TOYS}.Source"),
        ],
        f"{TOYS}.ExtraValue": [Field(1, "items", STRING, Label.LIST)],
        f"{TOYS}.Source": [Field(1, "path", STRING, Label.VALUE)],
    }


def test_a_table_there_and_back(program: bytes) -> None:
    table = messages.collect(gotypes.Program(program))
    assert compiled.unpack(compiled.pack(table)) == table


BAD: dict[str, Any] = {
    "no ELF file": b"#!/bin/sh",
    "cut off": elf({"": b"", ".rodata": b"x"})[:80],
    "no Go program": elf({"": b"", ".rodata": b"x"}),
    "another layout": elf({"": b"", ".rodata": b"x", ".typelink": b"", ".go.module": bytes(400)}),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_program_of_go(data: bytes) -> None:
    with pytest.raises(gotypes.Unreadable):
        gotypes.Program(data)
