"""Objects in Kubernetes' protobuf, to and from the plain dicts that they are in JSON.

Reading gives what Go would print as JSON of the object it has read: values are there when they were sent, zero values
only where their tag lacks ``omitempty``, nulls nowhere. Writing gives Go's bytes: fields in the order of their
numbers, values that are no pointers also when they are zero, maps sorted.
Source: the API concepts' "Kubernetes Protobuf encoding".
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from kijabi.api.protobuf import extensions, messages, special, wire
from kijabi.api.protobuf.messages import Field, Label

Object = dict[str, Any]

MAGIC = b"k8s\x00"
_META = "k8s.io/apimachinery/pkg/apis/meta/v1"
_ZEROS = {
    messages.STRING: "",
    messages.BOOL: False,
    messages.INT32: 0,
    messages.INT64: 0,
    messages.DOUBLE: 0.0,
}
_WIRE = {messages.BOOL: wire.VARINT, messages.INT32: wire.VARINT, messages.INT64: wire.VARINT} | {
    messages.DOUBLE: wire.FIXED64
}
# Groups whose Go package is not named as their first label, and those that do not end in .k8s.io.
_FOLDERS = {
    "": "core",
    "rbac.authorization.k8s.io": "rbac",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
} | {group: group for group in ("apps", "autoscaling", "batch", "extensions", "policy")}


class Message:
    """One message, ready to be read and written."""

    __slots__ = ("by_number", "choice", "empty", "fields", "form", "is_list", "name", "zeros")

    def __init__(self, name: str, fields: list[Field], is_list: bool) -> None:
        self.name = name
        self.fields = fields
        self.by_number = {field.number: field for field in fields}
        self.is_list = is_list
        self.form = special.FORMS.get(name)
        self.choice = extensions.CHOICES.get(name)
        # What Go's JSON has of an object that was never set.
        self.zeros = {
            field.name: _ZEROS[field.type]
            for field in fields
            if field.label == Label.VALUE and not field.omitempty and field.name and field.type in _ZEROS
        }
        # Its bytes when nothing is set; most objects hold many of these.
        self.empty: bytes | None = None


class Codec:
    """Reads and writes the kinds of one table of messages."""

    def __init__(self, table: messages.Table) -> None:
        self._table = table
        self._messages: dict[str, Message] = {}
        self._versions = {name.rpartition(".")[0] for name in table.kinds}

    def has(self, group: str, version: str) -> bool:
        """Whether there is a protobuf form of the kinds of a group and version."""
        return _package(group, version) in self._versions

    def decode(self, data: bytes, default: tuple[str, str, str] = ("", "", "")) -> Object:
        """The object in an envelope. ``default`` is (group, version, kind) where the envelope does not say.

        Raises ``wire.Malformed``.
        """
        api_version, kind, raw = open_envelope(data)
        group, version, default_kind = default
        api_version, kind = api_version or (f"{group}/{version}" if group else version), kind or default_kind
        name = self._name(api_version, kind)
        if name is None:
            raise wire.Malformed(f'no kind "{kind}" is registered for version "{api_version}"')
        obj: Object = {"kind": kind, "apiVersion": api_version}
        obj.update(self._read(self._message(name), raw))
        return obj

    def encode(self, obj: Object) -> bytes | None:
        """The object in an envelope. ``None`` for kinds without a protobuf form: Tables and custom resources."""
        api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
        name = self._name(api_version, kind)
        if name is None:
            return None
        meta = wire.bytes_field(1, api_version.encode()) + wire.bytes_field(2, kind.encode())
        raw = self._write(self._message(name), obj)
        # contentEncoding and contentType are written though they are empty.
        return MAGIC + wire.bytes_field(1, meta) + wire.bytes_field(2, raw) + b"\x1a\x00\x22\x00"

    def _name(self, api_version: str, kind: str) -> str | None:
        group, _, version = api_version.rpartition("/")
        for package in (_package(group, version), _META):
            name = f"{package}.{kind}"
            if name in self._table.kinds:
                return name
        return None

    def _message(self, name: str) -> Message:
        message = self._messages.get(name)
        if message is None:
            message = Message(name, self._table.messages[name], name in self._table.lists)
            self._messages[name] = message
        return message

    # --- reading

    def _read(self, message: Message, data: bytes) -> Any:
        """The JSON form of a message; None for what Go writes as null."""
        if message.form is not None:
            return message.form[0](data)
        out: Object = dict(message.zeros)
        # A message that comes in several pieces is merged, which is the same as reading them joined.
        pieces: dict[int, bytes] = {}
        for number, kind, value in wire.fields(data):
            field = message.by_number.get(number)
            if field is None:
                continue  # of a newer version
            if field.label == Label.LIST:
                out.setdefault(field.name, []).extend(self._items(field, kind, value))
            elif field.label == Label.MAP:
                key, content = self._entry(field, _bytes(field, kind, value))
                out.setdefault(field.name, {})[key] = content
            elif field.type == messages.MESSAGE:
                pieces[number] = pieces.get(number, b"") + _bytes(field, kind, value)
            else:
                self._put(out, field, _scalar(field, kind, value))
        for number, piece in pieces.items():
            field = message.by_number[number]
            self._put(out, field, self._read(self._message(field.message), piece))
        if message.choice is not None:
            return message.choice[0](out)
        return out.get("items", []) if message.is_list else out

    def _put(self, out: Object, field: Field, value: Any) -> None:
        if not field.name:
            out.update(value)
        elif value is None or (field.omitzero and value == {}) or _is_omitted(field, value):
            out.pop(field.name, None)
        else:
            out[field.name] = value

    def _items(self, field: Field, kind: int, value: int | bytes) -> list[Any]:
        if field.type == messages.MESSAGE:
            return [self._read(self._message(field.message), _bytes(field, kind, value))]
        if kind == wire.LENGTH and isinstance(value, bytes) and _WIRE.get(field.type) == wire.VARINT:
            return list(_packed(field, value))
        return [_scalar(field, kind, value)]

    def _entry(self, field: Field, data: bytes) -> tuple[str, Any]:
        """One entry of a map is a message of key and value."""
        key, content = "", None
        value_message = self._message(field.message) if field.message else None
        for number, kind, value in wire.fields(data):
            if number == 1:
                key = _bytes(field, kind, value).decode(errors="replace")
            elif number == 2 and value_message is not None:
                content = self._read(value_message, _bytes(field, kind, value))
            elif number == 2:
                content = _scalar(field, kind, value)
        if content is None:
            content = self._read(value_message, b"") if value_message is not None else _ZEROS.get(field.type, "")
        return key, content

    # --- writing

    def _write(self, message: Message, value: Any) -> bytes:
        """``value`` is the JSON form, None for a message that is not set."""
        if message.form is not None:
            return message.form[1](value)
        if message.is_list:
            value = {"items": value}
        elif message.choice is not None:
            value = message.choice[1](value)
        elif not value:
            if message.empty is None:
                message.empty = self._fields(message, {})
            return message.empty
        return self._fields(message, value)

    def _fields(self, message: Message, obj: Object) -> bytes:
        parts: list[bytes] = []
        for field in message.fields:
            value: Any = obj.get(field.name) if field.name else obj
            if field.label == Label.LIST:
                parts.extend(self._one(field, item) for item in value or ())
            elif field.label == Label.MAP:
                parts.extend(self._pair(field, key, value[key]) for key in sorted(value or ()))
            elif value is not None or self._is_always_written(field):
                parts.append(self._one(field, value))
        return b"".join(parts)

    def _is_always_written(self, field: Field) -> bool:
        if field.label == Label.POINTER or field.type == messages.BYTES:
            return False
        return not (field.message and self._message(field.message).is_list)

    def _pair(self, field: Field, key: str, value: Any) -> bytes:
        entry = wire.bytes_field(1, key.encode()) + self._numbered(2, field, value)
        return wire.bytes_field(field.number, entry)

    def _one(self, field: Field, value: Any) -> bytes:
        return self._numbered(field.number, field, value)

    def _numbered(self, number: int, field: Field, value: Any) -> bytes:
        if field.type == messages.MESSAGE:
            return wire.bytes_field(number, self._write(self._message(field.message), value))
        if field.type == messages.STRING:
            return wire.bytes_field(number, (value or "").encode())
        if field.type == messages.BYTES:
            return wire.bytes_field(number, base64.b64decode(value or ""))
        if field.type == messages.DOUBLE:
            return wire.double_field(number, float(value or 0))
        return wire.number_field(number, int(value or 0))


def open_envelope(data: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and the raw message of the envelope (runtime.Unknown) around an object. ``wire.Malformed``."""
    if not data:
        raise wire.Malformed("empty data")
    if not data.startswith(MAGIC):
        raise wire.Malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    if data == MAGIC:
        raise wire.Malformed("empty body")
    found = {number: value for number, kind, value in wire.fields(data[len(MAGIC) :]) if kind == wire.LENGTH}
    meta = {number: value for number, kind, value in wire.fields(_piece(found, 1)) if kind == wire.LENGTH}
    texts = [_piece(meta, number).decode(errors="replace") for number in (1, 2)]
    return texts[0], texts[1], _piece(found, 2)


def watch_event(kind: str, obj: bytes) -> bytes:
    """A frame of a watch: its length in four bytes, then a WatchEvent, whose object is in an envelope."""
    event = wire.bytes_field(1, kind.encode()) + wire.bytes_field(2, wire.bytes_field(1, obj))
    return struct.pack(">I", len(event)) + event


def _piece(found: dict[int, int | bytes], number: int) -> bytes:
    value = found.get(number, b"")
    assert isinstance(value, bytes)
    return value


def _package(group: str, version: str) -> str:
    """The Go package of a built-in group's types."""
    if group == "meta.k8s.io":
        return _META.removesuffix("v1") + version
    folder = _FOLDERS.get(group)
    if folder is None:
        folder = group.removesuffix(".k8s.io") if group.endswith(".k8s.io") else ""
    return f"k8s.io/api/{folder}/{version}" if folder and "." not in folder else ""


def _is_omitted(field: Field, value: Any) -> bool:
    """Whether Go leaves an empty value out; structs never are, so neither is the integer-or-string 0."""
    if not field.omitempty or field.label != Label.VALUE or value:
        return False
    return field.type != messages.MESSAGE or isinstance(value, list)


def _bytes(field: Field, kind: int, value: int | bytes) -> bytes:
    if kind != wire.LENGTH or not isinstance(value, bytes):
        raise _wrong(field, kind)
    return value


def _scalar(field: Field, kind: int, value: int | bytes) -> Any:
    if kind != _WIRE.get(field.type, wire.LENGTH):
        raise _wrong(field, kind)
    if isinstance(value, int):
        if field.type == messages.BOOL:
            return value != 0
        return wire.signed(value, 32 if field.type == messages.INT32 else 64)
    if field.type == messages.STRING:
        return value.decode(errors="replace")
    if field.type == messages.BYTES:
        return base64.b64encode(value).decode()
    return struct.unpack("<d", value)[0]


def _packed(field: Field, data: bytes) -> list[Any]:
    """Numbers one behind the other in one field; gogo reads them, though it does not write them."""
    found, place = [], 0
    while place < len(data):
        number, place = wire.read_varint(data, place)
        found.append(_scalar(field, wire.VARINT, number))
    return found


def _wrong(field: Field, kind: int) -> wire.Malformed:
    return wire.Malformed(f"proto: wrong wireType = {kind} for field {field.name[:1].upper()}{field.name[1:]}")
