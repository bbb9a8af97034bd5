"""Dropping what a schema does not know.

Source: apiextensions-apiserver schema/pruning and schema/defaulting/prunenulls; "Field pruning".
"""

from __future__ import annotations

from typing import Any

from kijabi.api.structural.schema import META_FIELDS, Schema


def prune(obj: Any, root: Schema) -> list[str]:
    """Drop unknown fields in place; gives their paths (``spec.a[0].b``), sorted. ``root`` is a resource's."""
    unknown: list[str] = []
    _prune(obj, root, "", unknown)
    return sorted(unknown)


def prune_value(value: Any, schema: Schema) -> list[str]:
    """The same for a value inside of an object, such as a default."""
    unknown: list[str] = []
    _prune(value, schema, "", unknown)
    return sorted(unknown)


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _prune(value: Any, schema: Schema | None, path: str, unknown: list[str]) -> None:
    if schema is not None and schema.preserves:
        _keep(value, schema, path, unknown)
    elif type(value) is dict:
        _prune_object(value, schema, path, unknown)
    elif type(value) is list:
        items = schema.items if schema is not None else None
        for position, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                _prune(item, items, f"{path}[{position}]", unknown)


def _prune_object(value: dict[str, Any], schema: Schema | None, path: str, unknown: list[str]) -> None:
    if schema is None:
        unknown.extend(_under(path, key) for key in value)
        value.clear()
        return
    properties, additional = schema.properties, schema.additional
    for key in list(value):
        if schema.embedded and key in META_FIELDS:
            continue
        known = properties.get(key)
        if known is not None:
            item = value[key]
            if type(item) is dict or type(item) is list:
                _prune(item, known, _under(path, key), unknown)
        elif additional is not None:
            _prune(value[key], schema.values, _under(path, key), unknown)
        else:
            if path or key not in META_FIELDS:
                unknown.append(_under(path, key))
            del value[key]


def _keep(value: Any, schema: Schema, path: str, unknown: list[str]) -> None:
    """Below x-kubernetes-preserve-unknown-fields only what is specified is pruned."""
    if type(value) is dict:
        for key, item in value.items():
            if schema.embedded and key in META_FIELDS:
                continue
            if key in schema.properties:
                _prune(item, schema.properties[key], _under(path, key), unknown)
            elif schema.additional is not None:
                _prune(item, schema.values, _under(path, key), unknown)
    elif type(value) is list and schema.items is not None:
        for position, item in enumerate(value):
            _keep(item, schema.items, f"{path}[{position}]", unknown)


def drop_nulls(value: Any, schema: Schema | None) -> None:
    """Drop nulls where a field may not be null and has no default, in place."""
    if type(value) is dict:
        for key in list(value):
            item = value[key]
            known = schema.child(key) if schema is not None else None
            if item is None:
                if known is not None and not known.nullable and not known.has_default:
                    del value[key]
            elif type(item) is dict or type(item) is list:
                drop_nulls(item, known)
    elif type(value) is list:
        items = schema.items if schema is not None else None
        for item in value:
            drop_nulls(item, items)
