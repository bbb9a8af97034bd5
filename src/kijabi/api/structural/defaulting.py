"""Filling in what a schema has defaults for.

Source: apiextensions-apiserver schema/defaulting; "Defaulting" in the documentation.
"""

from __future__ import annotations

import copy
from typing import Any

from kijabi.api.structural.schema import Schema


def has_defaults(schema: Schema | None) -> bool:
    """Whether ``default`` could change anything."""
    if schema is None:
        return False
    below = [*schema.properties.values(), schema.items, schema.values]
    return schema.has_default or any(has_defaults(one) for one in below)


def default(value: Any, schema: Schema | None) -> None:
    """Set missing fields, and nulls where none may be, to copies of their defaults, in place."""
    if schema is None:
        return
    if type(value) is dict:
        for name, known in schema.properties.items():
            if known.has_default and (name not in value or _is_wrong_null(value[name], known)):
                value[name] = copy.deepcopy(known.default)
        for key, item in value.items():
            declared = schema.child(key)
            if declared is None:
                continue
            if key not in schema.properties and _is_wrong_null(item, declared):
                item = value[key] = copy.deepcopy(declared.default)
            default(item, declared)
    elif type(value) is list and schema.items is not None:
        for position, item in enumerate(value):
            if _is_wrong_null(item, schema.items):
                item = value[position] = copy.deepcopy(schema.items.default)
            default(item, schema.items)


def _is_wrong_null(value: Any, schema: Schema) -> bool:
    return value is None and not schema.nullable
