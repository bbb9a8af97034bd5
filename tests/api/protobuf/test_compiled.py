"""The compiled table against the schemas, which come from elsewhere: both must tell the same of every kind."""

from __future__ import annotations

import protobufs
from kijabi.api import schema, served
from kijabi.api.protobuf import messages
from kijabi.api.schema import types

# Not linked into kubectl, and so without a message.
JSON_ONLY = ("apiextensions.k8s.io", "apiregistration.k8s.io")
OBJECT = {"kind", "apiVersion"}


def _names(table: messages.Table, name: str) -> set[str]:
    """The JSON names of a message's fields, with those of inlined ones."""
    found = set()
    for field in table.messages[name]:
        found |= {field.name} if field.name else _names(table, field.message)
    return found


def _go_name(definition: str) -> str:
    """``io.k8s.api.core.v1.Pod`` → ``k8s.io/api/core/v1.Pod``."""
    path, _, name = definition.removeprefix("io.k8s.").rpartition(".")
    return f"k8s.io/{path.replace('.', '/')}.{name}"


def test_every_served_kind_has_every_field_in_both() -> None:
    table, schemas = protobufs.tables()["compiled"], schema.Schemas.load()
    seen: set[str] = set()

    def compare(declared: types.Type | None) -> None:
        if declared is None:
            return
        compare(declared.item)
        if declared.kind != types.STRUCT or not declared.fields or declared.name in seen:
            return
        seen.add(declared.name)
        assert _names(table, _go_name(declared.name)) - OBJECT == set(declared.fields) - OBJECT, declared.name
        for field in declared.fields.values():
            compare(field.type)

    for row in served.RESOURCES:
        if row.group not in JSON_ONLY:
            compare(schemas.type_of((row.group, row.version, row.kind)))
    assert len(seen) > 400


def test_every_served_kind_and_its_list_is_spoken() -> None:
    kinds = protobufs.tables()["compiled"].kinds
    for row in served.RESOURCES:
        declared = schema.Schemas.load().type_of((row.group, row.version, row.kind))
        if row.group not in JSON_ONLY and declared is not None:
            assert _go_name(declared.name) in kinds
            assert "list" not in row.verbs or f"{_go_name(declared.name)}List" in kinds
