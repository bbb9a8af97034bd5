"""A JSON schema as CEL sees it: types with fields, how large values can become, and values in their CEL form.

Source: k8s.io/apiserver cel/common SchemaDeclType and cel/escaping; kubernetes.io "Type mapping" and "Escaping" under
validation rules. Sizes are those of the largest object a request of 3 MiB can hold: they decide what a rule can cost.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.api.cel import instants, types, values
from kijabi.api.cel.types import Type

Schema = Mapping[str, Any]

MAX_REQUEST = 3 * 1024 * 1024
_DATE_TIME, _DATE, _DURATION = 32, 12, 32
_RESERVED = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_ESCAPED = re.compile(r"__|[-./]|[^a-zA-Z0-9_./-]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


def escape(name: str) -> str | None:
    """The identifier a property is known by, None where it can have none."""
    if not name or name[0].isdigit():
        return None
    if name in _RESERVED:
        return f"__{name}__"
    if any(match.group() not in _ESCAPES for match in _ESCAPED.finditer(name)):
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES[match.group()], name)


@dataclass(slots=True, eq=False)
class Declared:
    """``plain``: JSON values need no change. ``largest`` and ``smallest`` are in elements, and in bytes of JSON."""

    type: Type
    largest: int = 0
    smallest: int = 1
    fields: dict[str, Declared] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # property → identifier
    item: Declared | None = None
    plain: bool = True
    format: str = ""
    list_type: str = ""
    list_keys: tuple[str, ...] = ()


_META: Schema = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}
_ROOT: dict[str, Schema] = {"kind": {"type": "string"}, "apiVersion": {"type": "string"}, "metadata": _META}


def with_metadata(schema: Schema) -> Schema:
    """A resource's root, whose kind, apiVersion and names are known even where the schema is silent."""
    known = schema.get("properties") or {}
    meta = (known.get("metadata") or {}).get("properties") or {}
    if all(key in known for key in _ROOT) and "name" in meta and "generateName" in meta:
        return schema
    return {**schema, "type": "object", "properties": {**known, **_ROOT}}


def declare(schema: Schema, *, root: bool = False, name: str = "selfType") -> Declared | None:
    """None where CEL sees nothing of it (no type, a list of unknown things)."""
    if schema.get("x-kubernetes-int-or-string"):
        length = schema.get("maxLength")
        return Declared(types.DYN, 4 * max(length, 0) if length is not None else MAX_REQUEST - 2)
    if root:
        schema = with_metadata(schema)
    match schema.get("type"):
        case "array":
            return _list(schema, name)
        case "object":
            return (
                _map(schema, name) if isinstance(schema.get("additionalProperties"), Mapping) else _object(schema, name)
            )
        case "string":
            return _string(schema)
        case "boolean":
            return Declared(types.BOOL, smallest=4)
        case "number":
            return Declared(types.DOUBLE, plain=False, format="number")
        case "integer":
            return Declared(types.INT)
    return None


def _below(schema: Any, name: str) -> Declared | None:
    if not isinstance(schema, Mapping):
        return None
    return declare(schema, root=bool(schema.get("x-kubernetes-embedded-resource")), name=name)


def _list(schema: Schema, name: str) -> Declared | None:
    item = _below(schema.get("items"), f"{name}.@idx")
    if item is None:
        return None
    limit = schema.get("maxItems")
    largest = max(limit, 0) if limit is not None else (MAX_REQUEST - 2) // (item.smallest + 1)
    kind = schema.get("x-kubernetes-list-type") or ""
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    plain = item.plain and kind not in ("set", "map")
    return Declared(types.list_of(item.type), largest, 2, item=item, plain=plain, list_type=kind, list_keys=keys)


def _map(schema: Schema, name: str) -> Declared | None:
    item = _below(schema["additionalProperties"], f"{name}.@elem")
    if item is None:
        return None
    limit = schema.get("maxProperties")
    largest = max(limit, 0) if limit is not None else (MAX_REQUEST - 2) // (item.smallest + 6)
    return Declared(types.map_of(types.STRING, item.type), largest, 2, item=item, plain=item.plain)


def _object(schema: Schema, name: str) -> Declared:
    made = Declared(types.struct(name), smallest=2)
    required = set(schema.get("required") or ())
    for key, below in (schema.get("properties") or {}).items():
        identifier = escape(key)
        declared = _below(below, f"{name}.{identifier or key}")
        if declared is None:
            continue
        if identifier is not None:
            made.fields[identifier] = declared
            made.names[key] = identifier
            made.plain = made.plain and declared.plain and identifier == key
        if key in required and below.get("default") is None:
            made.smallest += len(key) + declared.smallest + 4
    return made


def _string(schema: Schema) -> Declared:
    form, length = schema.get("format") or "", schema.get("maxLength")
    if form == "byte":
        largest = max(length, 0) if length is not None else MAX_REQUEST - 2
        return Declared(types.BYTES, largest, 2, plain=False, format=form)
    if form == "duration":
        return Declared(types.DURATION, _DURATION, 3, plain=False, format=form)
    if form == "date":
        return Declared(types.TIMESTAMP, _DATE, 12, plain=False, format=form)
    if form == "date-time":
        return Declared(types.TIMESTAMP, _DATE_TIME, 21, plain=False, format=form)
    if length is not None:
        return Declared(types.STRING, 4 * max(length, 0), 2)
    listed = [len(one.encode()) for one in schema.get("enum") or () if isinstance(one, str)]
    return Declared(types.STRING, max(listed, default=0) if schema.get("enum") else MAX_REQUEST - 2, 2)


class Structs:
    """The types with fields that are found below one declaration."""

    def __init__(self, *roots: Declared) -> None:
        self._known: dict[str, Declared] = {}
        for root in roots:
            self._collect(root)

    def _collect(self, declared: Declared) -> None:
        if declared.type.kind == "struct":
            self._known[declared.type.name] = declared
        for below in (*declared.fields.values(), *([declared.item] if declared.item else [])):
            self._collect(below)

    def known(self, name: str) -> bool:
        return name in self._known

    def field(self, name: str, key: str) -> Type | None:
        holder = self._known.get(name)
        found = holder.fields.get(key) if holder is not None else None
        return found.type if found is not None else None


class SetList(list[Any]):
    """A list of type set: equal in any order, joined without repetition."""

    def equals(self, other: list[Any]) -> bool:
        return len(self) == len(other) and all(any(values.equal(one, two) for two in other) for one in self)

    def joined(self, other: list[Any]) -> list[Any]:
        fresh = [item for item in other if not any(values.equal(item, known) for known in self)]
        return SetList([*self, *fresh])


class MapList(list[Any]):
    """A list of type map: equal in any order of its keys; joining replaces what has the same key."""

    __slots__ = ("keys",)

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def _by_key(self, items: list[Any]) -> dict[Any, Any]:
        return {tuple(repr(item.get(key)) for key in self.keys): item for item in items if isinstance(item, dict)}

    def equals(self, other: list[Any]) -> bool:
        mine, others = self._by_key(self), self._by_key(other)
        return len(self) == len(other) and all(key in others and values.equal(mine[key], others[key]) for key in mine)

    def joined(self, other: list[Any]) -> list[Any]:
        merged = self._by_key(self) | self._by_key(other)
        return MapList(list(merged.values()), self.keys)


def adapt(value: Any, declared: Declared) -> Any:
    """``value`` in its CEL form; itself where that is the same, and never changed."""
    if declared.plain or value is None:
        return value
    if declared.format:
        return _scalar(value, declared.format)
    if isinstance(value, list) and declared.item is not None:
        item = declared.item
        items = value if item.plain else [adapt(one, item) for one in value]
        if declared.list_type == "set":
            return SetList(items)
        if declared.list_type == "map":
            return MapList(items, tuple(escape(key) or key for key in declared.list_keys))
        return items
    if isinstance(value, dict):
        if declared.item is not None:
            return {key: adapt(one, declared.item) for key, one in value.items()}
        names = declared.names
        return {names.get(key, key): _property(one, names.get(key), declared) for key, one in value.items()}
    return value


def _property(value: Any, identifier: str | None, declared: Declared) -> Any:
    return adapt(value, declared.fields[identifier]) if identifier is not None else value


def _scalar(value: Any, form: str) -> Any:
    if form == "number":
        return float(value) if type(value) is int else value
    if not isinstance(value, str):
        return value
    try:
        match form:
            case "byte":
                return base64.b64decode(value, validate=True)
            case "duration":
                return instants.parse_span(value)
            case "date":
                return instants.parse_date(value)
        return instants.parse_time(value)
    except (values.Failure, binascii.Error, ValueError):
        # The schema's own validation of the format tells the user; a rule sees the text.
        return value
