"""What server-side apply and strict decoding ask of a custom resource's types.

Source: "Custom resources and server-side apply"; apiextensions-apiserver's buildOpenAPIModelsForApply.
"""

from __future__ import annotations

from kijabi.api.schema import types
from kijabi.api.structural import objectmeta
from kijabi.api.structural.schema import Schema

_SCALARS = {"string": types.STRING, "integer": types.INT64, "number": types.DOUBLE, "boolean": types.BOOL}


def of_resource(root: Schema, kind: str) -> types.Type:
    """The type of a whole object. Fields of unknown type are ANY, and so atomic."""
    made = of(root, kind)
    if made.kind != types.STRUCT:
        made = types.Type(types.STRUCT, kind, kind, item=_free() if root.preserves else None)
    text = types.Type(types.STRING, "string")
    for name in ("apiVersion", "kind"):
        made.fields[name] = types.Field(name, text)
    made.fields["metadata"] = types.Field("metadata", objectmeta.meta_type())
    return made


def of(schema: Schema | None, name: str = "") -> types.Type:
    """The type of one node."""
    if schema is None:
        return _free()
    if schema.int_or_string:
        return types.Type(types.ANY, "intstr.IntOrString")
    if schema.type == "object" and schema.properties:
        # What is not specified but kept is of any type.
        others = _free() if schema.preserves else None
        made = types.Type(types.STRUCT, name or "object", name, item=others, map_type=schema.map_type)
        for key, child in schema.properties.items():
            made.fields[key] = _field(key, child)
        if schema.embedded:
            made.fields.setdefault("metadata", types.Field("metadata", objectmeta.meta_type()))
        return made
    if schema.type == "object" and schema.values is not None:
        return types.Type(types.MAP, "map", item=of(schema.values), map_type=schema.map_type)
    if schema.type == "array" and schema.items is not None:
        return types.Type(
            types.LIST,
            "[]interface {}",
            item=of(schema.items),
            list_type=schema.list_type,
            list_keys=schema.list_keys,
        )
    scalar = _SCALARS.get(schema.type)
    if scalar is not None:
        return types.Type(scalar, schema.type)
    return types.Type(types.ANY, types.ANYTHING_GO, map_type=schema.map_type)


def _free() -> types.Type:
    return types.Type(types.ANY, types.ANYTHING_GO)


def _field(name: str, schema: Schema) -> types.Field:
    return types.Field(
        name,
        of(schema),
        list_type=schema.list_type,
        list_keys=schema.list_keys,
        map_type=schema.map_type,
        default=schema.default if schema.has_default else None,
    )
