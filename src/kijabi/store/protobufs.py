"""Protobuf message classes made from a table, for protocols that need a dozen messages of a large definition.

A field is written ``name:type=number``, several are separated by blanks; ``*`` before the type repeats it, a type that
is none of protobuf's scalars is another message of the table. Enumerations are written ``int32``: on the wire they are
the same. Generated code would bring a package per protocol, each with its own client and its own pinned protobuf.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
}


def messages(package: str, table: Mapping[str, str]) -> dict[str, Any]:
    """Message classes by name. A map of texts to bytes is written ``%bytes``."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            _add(message, package, field)
    # A pool of its own: another library may have registered the same protocol in the default one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{package}.{name}") for name in table}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


def _add(message: descriptor_pb2.DescriptorProto, package: str, text: str) -> None:
    name, _, rest = text.partition(":")
    type_, _, number = rest.partition("=")
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if type_.startswith("%"):
        _add_map(message, field, package, type_[1:])
        return
    if type_.startswith("*"):
        field.label, type_ = _Field.LABEL_REPEATED, type_[1:]
    if type_ in _SCALARS:
        field.type = _SCALARS[type_]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{type_}"


def _add_map(
    message: descriptor_pb2.DescriptorProto, field: descriptor_pb2.FieldDescriptorProto, package: str, value: str
) -> None:
    # Protobuf finds a map by this spelling of its entry's name.
    entry = message.nested_type.add(name="".join(part.title() for part in field.name.split("_")) + "Entry")
    entry.options.map_entry = True
    for name, type_, number in (("key", "string", 1), ("value", value, 2)):
        entry.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL, type=_SCALARS[type_])
    field.label, field.type = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
    field.type_name = f".{package}.{message.name}.{entry.name}"
