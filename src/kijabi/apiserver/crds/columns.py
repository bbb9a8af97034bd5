"""The printer columns of a custom resource.

Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kijabi.api import jsonpath, timestamps
from kijabi.api.resource import Column, Object
from kijabi.apiserver import tables

_DEFAULT: tuple[Object, ...] = ({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},)


def definitions(declared: Sequence[Object]) -> tuple[Column, ...]:
    """With the name in front, which every kind has."""
    made = [Column("Name", "string", "name", tables.NAME)]
    for column in declared or _DEFAULT:
        path = column["jsonPath"]
        described = column.get("description") or (
            tables.CREATED
            if path == ".metadata.creationTimestamp"
            else f"Custom resource definition column (in JSONPath format): {path}"
        )
        type_, format_ = column["type"], column.get("format") or ""
        made.append(Column(column["name"], type_, format_, described, column.get("priority") or 0))
    return tuple(made)


def cells(declared: Sequence[Object]) -> Callable[[Object, float], list[Any]]:
    wanted = [(column["jsonPath"], column["type"]) for column in declared or _DEFAULT]

    def made(obj: Object, now: float) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(_cell(path, type_, obj, now) for path, type_ in wanted)]

    return made


def _cell(path: str, type_: str, obj: Object, now: float) -> Any:
    try:
        found = jsonpath.find(path, obj)
    except jsonpath.Malformed:
        return None
    if not found:
        return None
    value = found[0]
    return jsonpath.text(value) if type_ == "string" else _typed(type_, value, now)


def _typed(type_: str, value: Any, now: float) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match type_:
        case "integer" if is_number:
            return int(value)
        case "number" if is_number:
            return float(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            try:
                timestamps.parse(value)
            except ValueError:
                return "<invalid>"
            return timestamps.age(value, now)
    return None
