"""What mutation expressions build: ``Object{…}`` and ``JSONPatch{…}``.

Source: kubernetes.io "Mutating Admission Policy". A type ``Object.a.b`` is that of the field ``a.b``; the names are
held against the fields they stand in when the whole has been built, as upstream does.
"""

from __future__ import annotations

from typing import Any

from kijabi.api.cel import instants, types, values
from kijabi.api.cel.types import DYN, STRING, Type
from kijabi.api.cel.values import Failure

OBJECT, JSON_PATCH = types.struct("Object"), types.struct("JSONPatch")
_PATCH_FIELDS = {"op": STRING, "path": STRING, "from": STRING, "value": DYN}


def known(name: str) -> bool:
    return name in ("Object", "JSONPatch") or name.startswith("Object.")


def field(name: str, key: str) -> Type | None:
    return _PATCH_FIELDS.get(key) if name == "JSONPatch" else DYN


class Built(values.Record):
    """An ``Object`` or ``JSONPatch`` value."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.name = name
        self.fields = fields

    def has(self, name: str) -> bool:
        return name in self.fields

    def get(self, name: str) -> Any:
        if name not in self.fields:
            raise Failure(f"no such key: {name}")
        return self.fields[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Built) and self.name == other.name and values.equal(self.fields, other.fields)

    def __hash__(self) -> int:
        return hash(self.name)


def make(name: str, fields: dict[str, Any]) -> Any:
    return Built(name, fields)


def misnamed(value: Any, path: str = "Object") -> list[str]:
    """Every type name that is not that of the field it stands in."""
    found: list[str] = []
    if isinstance(value, Built):
        if value.name != path:
            text = f'unexpected type name "{value.name}", expected "{path}", which matches field name path from root '
            found.append(text + "Object type")
        for key, item in value.fields.items():
            found += misnamed(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            found += misnamed(item, path)
    elif isinstance(value, dict):
        for item in value.values():
            found += misnamed(item, path)
    return found


def plain(value: Any) -> Any:
    """A value as JSON. Raises Failure for what has no such form."""
    if isinstance(value, Built):
        return {key: plain(item) for key, item in value.fields.items()}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise Failure(f'map key "{key}" is of type {values.kind_of(key)}, not string')
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, values.Uint):
        return int(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, values.Timestamp):
        return instants.time_text(value)
    if isinstance(value, values.Duration):
        return instants.span_text(value)
    raise Failure(f"unsupported value of type {values.kind_of(value)}")
