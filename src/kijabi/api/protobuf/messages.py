"""Protobuf messages of API types: which number, wire form and JSON name each field has.

The fields come from the struct tags of k8s.io/api (``protobuf:"varint,1,opt,name=replicas"``), which are authoritative
for the numbers; wire forms and repetition follow from the Go types.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from kijabi.api.protobuf import gotypes
from kijabi.api.protobuf.gotypes import Kind

PACKAGES = ("k8s.io/api/", "k8s.io/apimachinery/", "k8s.io/apiextensions-apiserver/", "k8s.io/kube-aggregator/")

STRING, BYTES, BOOL, INT32, INT64, DOUBLE, MESSAGE = "string", "bytes", "bool", "int32", "int64", "double", "message"
_TYPE_META = "k8s.io/apimachinery/pkg/apis/meta/v1.TypeMeta"
_SCALARS = {
    Kind.STRING: STRING,
    Kind.BOOL: BOOL,
    Kind.INT: INT64,
    Kind.INT32: INT32,
    Kind.INT64: INT64,
    Kind.FLOAT64: DOUBLE,
}


class Label(enum.IntEnum):
    """How often a field stands in a message: always (a Go value), or when it is set (a pointer), or repeatedly."""

    VALUE = 0
    POINTER = 1
    LIST = 2
    MAP = 3


@dataclass(frozen=True, slots=True)
class Field:
    """``name`` is the JSON name, empty where the fields of the message are inlined into the object around it.

    ``type`` is one of the scalars above or MESSAGE, of the element or the map's value; ``message`` names the message.
    ``omitempty`` and ``omitzero`` say when Go leaves the field out of JSON. Keys of maps are strings everywhere.
    """

    number: int
    name: str
    type: str
    label: Label
    message: str = ""
    omitempty: bool = False
    omitzero: bool = False

    def row(self) -> list[Any]:
        return [self.number, self.name, self.type, int(self.label), self.message, self.omitempty, self.omitzero]

    @staticmethod
    def from_row(row: list[Any]) -> Field:
        number, name, type_, label, message, omitempty, omitzero = row
        return Field(number, name, type_, Label(label), message, omitempty, omitzero)


@dataclass(slots=True)
class Table:
    """Messages by the full name of their Go type.

    ``kinds`` are those that stand for objects of their own (with kind and apiVersion). ``lists`` hold nothing but a
    list and are that list in JSON (``ExtraValue``, ``Verbs``). ``named`` has, per message and JSON name, the Go type of
    fields that are strings, lists or maps by another name (``v1.RestartPolicy``).
    """

    messages: dict[str, list[Field]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    named: dict[str, dict[str, str]] = field(default_factory=dict)


def collect(program: gotypes.Program) -> Table:
    """The kinds of the API packages that the program knows, and every message in them."""
    table = Table()
    seen: set[int] = set()
    for link in program.typelinks():
        address = _innermost(program, link)
        if address not in seen:
            seen.add(address)
            _visit(program, address, table)
    return _reachable(table)


def _visit(program: gotypes.Program, address: int, table: Table) -> None:
    """Put a struct of the API packages, and what its fields are of, into the table."""
    waiting = [address]
    while waiting:
        address = waiting.pop()
        if program.kind(address) != Kind.STRUCT:
            continue
        name = program.name(address)
        if name in table.messages or not name.startswith(PACKAGES):
            continue
        fields = table.messages[name] = []
        for member in program.members(address):
            made = _field(program, member, table)
            if made is not None:
                fields.append(made)
                written = _written(program, member.type)
                if written and made.name:
                    table.named.setdefault(name, {})[made.name] = written
                waiting.append(_innermost(program, member.type))
            elif member.embedded and program.name(member.type) == _TYPE_META:
                table.kinds.add(name)
        fields.sort(key=lambda one: one.number)


def _reachable(table: Table) -> Table:
    """Without what no kind leads to: the API packages have many structs that are not on any wire."""
    kept = Table()
    # A kind without fields on the wire, like Table, has no protobuf form.
    kept.kinds = {name for name in table.kinds if table.messages[name]}
    waiting = list(kept.kinds)
    while waiting:
        name = waiting.pop()
        if name in kept.messages:
            continue
        kept.messages[name] = table.messages[name]
        waiting.extend(one.message for one in table.messages[name] if one.message)
    kept.lists = table.lists & kept.messages.keys()
    kept.named = {name: types for name, types in table.named.items() if name in kept.messages}
    return kept


def _innermost(program: gotypes.Program, address: int) -> int:
    """The type that pointers, slices and maps around it lead to."""
    while True:
        kind = program.kind(address)
        if kind in (Kind.POINTER, Kind.SLICE):
            address = program.element(address)
        elif kind == Kind.MAP:
            address = program.map_value(address)
        else:
            return address


def _written(program: gotypes.Program, address: int) -> str:
    """A named type other than a struct as Go's decoder writes it in errors; nothing for any other type."""
    kind = program.kind(address)
    if kind == Kind.POINTER:
        return _written(program, program.element(address))
    written = program.name(address).rpartition("/")[2]
    package, _, name = written.partition(".")
    if package.isidentifier() and name.isidentifier():
        return written if kind != Kind.STRUCT else ""
    if kind == Kind.SLICE:
        element = _written(program, program.element(address))
        return f"[]{element}" if element else ""
    return ""


def _field(program: gotypes.Program, member: gotypes.Member, table: Table) -> Field | None:
    """``None`` for a field that is not on the wire."""
    tag = _tag(member.tag, "protobuf").split(",")
    if len(tag) < 2 or not tag[1].isdigit():
        return None
    name, *options = _tag(member.tag, "json").split(",")
    inline = "inline" in options or (member.embedded and not name)
    label, address = _label(program, member.type)
    type_, message = _type(program, address, table)
    shown = "" if inline else name
    return Field(int(tag[1]), shown, type_, label, message, "omitempty" in options, "omitzero" in options)


def _label(program: gotypes.Program, address: int) -> tuple[Label, int]:
    """The field's label, and the type of its element."""
    kind = program.kind(address)
    if kind == Kind.POINTER:
        return Label.POINTER, program.element(address)
    if kind == Kind.MAP:
        return Label.MAP, program.map_value(address)
    if kind == Kind.SLICE and not _is_bytes(program, address) and not _is_named(program, address):
        element = program.element(address)
        return Label.LIST, program.element(element) if program.kind(element) == Kind.POINTER else element
    return Label.VALUE, address


def _type(program: gotypes.Program, address: int, table: Table) -> tuple[str, str]:
    kind = program.kind(address)
    if kind == Kind.STRUCT:
        return MESSAGE, program.name(address)
    if kind == Kind.SLICE:
        if _is_bytes(program, address):
            return BYTES, ""
        # A slice with a name is a message around a list (protobuf.nullable=true), so that nil differs from empty.
        name = program.name(address)
        element, message = _type(program, program.element(address), table)
        table.messages[name] = [Field(1, "items", element, Label.LIST, message)]
        table.lists.add(name)
        return MESSAGE, name
    try:
        return _SCALARS[Kind(kind)], ""
    except (KeyError, ValueError):
        raise gotypes.Unreadable(f"{program.name(address)} has no protobuf form") from None


def _is_bytes(program: gotypes.Program, address: int) -> bool:
    return program.kind(program.element(address)) == Kind.UINT8


def _is_named(program: gotypes.Program, address: int) -> bool:
    return program.name(address).startswith(PACKAGES)


def _tag(tags: str, key: str) -> str:
    """One value out of ``key:"value" key:"value"``; ours never hold an escape."""
    _, found, rest = tags.partition(f'{key}:"')
    return rest.partition('"')[0] if found else ""
