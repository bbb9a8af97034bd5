"""Sets without duplicates, and lists that are maps by some keys of their items.

Source: apiextensions-apiserver schema/listtype; KEP-1823's list types.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import field
from kijabi.api.structural.schema import Schema
from kijabi.kit import jsons


def validate(value: Any, schema: Schema | None, path: str = "") -> list[field.Error]:
    """Duplicates, each reported at its second appearance."""
    if schema is None:
        return []
    found: list[field.Error] = []
    if type(value) is dict:
        for key, item in value.items():
            if type(item) is dict or type(item) is list:
                if key in schema.properties:
                    found += validate(item, schema.properties[key], field.child(path, key))
                elif schema.values is not None:
                    found += validate(item, schema.values, field.key(path, key))
    elif type(value) is list:
        if schema.list_type == "set":
            found += [field.duplicate(field.index(path, at), value[at]) for at in _repeated(value)]
        elif schema.list_type == "map":
            found += _map(value, schema, path)
        for position, item in enumerate(value):
            found += validate(item, schema.items, field.index(path, position))
    return found


def _repeated(values: list[Any]) -> list[int]:
    """Positions of the second appearance of what is there more than once."""
    seen: dict[Any, int] = {}
    found = []
    for position, value in enumerate(values):
        # True equals 1 in Python, and is no duplicate of it in JSON.
        mark = jsons.dumps(value) if isinstance(value, (dict, list)) else (type(value) is bool, value)
        seen[mark] = seen.get(mark, 0) + 1
        if seen[mark] == 2:
            found.append(position)
    return found


def _map(values: list[Any], schema: Schema, path: str) -> list[field.Error]:
    for position, value in enumerate(values):
        if value is not None and type(value) is not dict:
            text = "must be an object for an array of list-type map"
            return [field.invalid(field.index(path, position), value, text)]
    keys: list[Any] = [{name: item[name] for name in schema.list_keys if name in (item or {})} for item in values]
    return [field.duplicate(field.index(path, at), keys[at]) for at in _repeated(keys)]
