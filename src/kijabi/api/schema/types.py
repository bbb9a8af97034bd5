"""Types as the schema declares them, resolved once into a graph that checking and merging walk.

Recursive definitions are fine: a struct is put into the cache before its fields are resolved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kijabi.api.schema import gonames

STRUCT, MAP, LIST, ANY = "struct", "map", "list", "any"
STRING, INT32, INT64, DOUBLE, BOOL, BYTES = "string", "int32", "int64", "double", "bool", "bytes"
TIME, MICRO_TIME, QUANTITY, INT_OR_STRING = "time", "microtime", "quantity", "intorstring"

_SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": (INT_OR_STRING, "intstr.IntOrString"),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": (QUANTITY, "resource.Quantity"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": (TIME, "v1.Time"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": (MICRO_TIME, "v1.MicroTime"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": (ANY, "v1.FieldsV1"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": (ANY, "runtime.RawExtension"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": (ANY, "v1.JSON"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": (
        ANY,
        "v1.JSONSchemaPropsOrArray",
    ),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": (ANY, "v1.JSONSchemaPropsOrBool"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": (
        ANY,
        "v1.JSONSchemaPropsOrStringArray",
    ),
}
_SCALARS = {
    ("string", ""): (STRING, "string"),
    ("string", "byte"): (BYTES, "[]uint8"),
    ("string", "date-time"): (TIME, "v1.Time"),
    ("integer", "int32"): (INT32, "int32"),
    ("integer", "int64"): (INT64, "int64"),
    ("integer", ""): (INT64, "int64"),
    ("number", "double"): (DOUBLE, "float64"),
    ("number", ""): (DOUBLE, "float64"),
    ("boolean", ""): (BOOL, "bool"),
}
ANYTHING_GO = "interface {}"


@dataclass(slots=True, eq=False)
class Type:
    """``go`` is the type's name in decode errors. ``item`` is the element of a list or the value of a map.

    ``list_type`` and ``list_keys`` are those of a list that is no field's (an element, a map's value). A struct with an
    ``item`` has both fields and other keys; ``ANY`` as the item lets everything in.
    """

    kind: str
    go: str
    name: str = ""
    fields: dict[str, Field] = field(default_factory=dict)
    item: Type | None = None
    map_type: str = ""
    list_type: str = ""
    list_keys: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        return self.fields.get(name)


@dataclass(slots=True, eq=False)
class Field:
    """A field of a struct, with what merging needs to know of it.

    ``strategies`` holds upstream's patchStrategy words (``merge``, ``replace``, ``retainKeys``); ``merge_key`` belongs
    to strategic merge, ``list_type`` (``atomic``, ``set``, ``map``), ``list_keys`` and ``map_type`` to apply.
    """

    name: str
    type: Type
    strategies: tuple[str, ...] = ()
    merge_key: str = ""
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    map_type: str = ""
    required: bool = False
    # What a list's key is where an element leaves it out; None: nothing.
    default: Any = None


class Graph:
    """The types of one minor version, resolved as they are asked for."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._types: dict[str, Type] = {}
        self.by_kind: dict[tuple[str, str, str], str] = {}
        for name, definition in definitions.items():
            for gvk in definition.get("x-kubernetes-group-version-kind", ()):
                self.by_kind[gvk["group"], gvk["version"], gvk["kind"]] = name

    def definition(self, name: str) -> Type:
        """The type of a definition. ``KeyError`` where there is none."""
        known = self._types.get(name)
        if known is not None:
            return known
        if name in _SPECIAL:
            kind, go = _SPECIAL[name]
            made = self._types[name] = Type(kind, go, name)
            return made
        return self._struct(name)

    def _struct(self, name: str) -> Type:
        declared = self._definitions[name]
        if "properties" not in declared:
            kind = STRUCT if declared.get("type") == "object" else ANY
            made = self._types[name] = Type(kind, _go_name(name), name)
            return made
        made = self._types[name] = Type(STRUCT, _go_name(name), name)
        made.map_type = declared.get("x-kubernetes-map-type", "")
        required = set(declared.get("required", ()))
        for key, schema in declared["properties"].items():
            made.fields[key] = self._field(key, schema, key in required, gonames.of(name, key))
        return made

    def _field(self, name: str, schema: dict[str, Any], required: bool, go: str) -> Field:
        strategy = schema.get("x-kubernetes-patch-strategy", "")
        kind = self._resolve(schema)
        if go:
            kind = _renamed(kind, go)
        return Field(
            name,
            kind,
            tuple(strategy.split(",")) if strategy else (),
            schema.get("x-kubernetes-patch-merge-key", ""),
            schema.get("x-kubernetes-list-type", ""),
            tuple(schema.get("x-kubernetes-list-map-keys", ())),
            schema.get("x-kubernetes-map-type", "") or kind.map_type,
            required,
        )

    def _resolve(self, schema: dict[str, Any]) -> Type:
        if "ref" in schema:
            return self.definition(schema["ref"])
        declared = schema.get("type", "")
        if declared == "array":
            item = self._resolve(schema.get("items", {}))
            return Type(LIST, f"[]{item.go}", item=item)
        if declared == "object":
            item = self._resolve(schema.get("values", {}))
            return Type(MAP, f"map[string]{item.go}", item=item)
        kind, go = _SCALARS.get((declared, schema.get("format", "")), (ANY, ANYTHING_GO))
        return Type(kind, go)


def _renamed(kind: Type, go: str) -> Type:
    """The same type under its Go name; a list's elements are named with it."""
    item = kind.item
    if kind.kind == LIST and item is not None and go.startswith("[]"):
        item = Type(item.kind, go[2:], item.name, item.fields, item.item)
    return Type(kind.kind, go, kind.name, kind.fields, item, kind.map_type)


def _go_name(definition: str) -> str:
    package, name = definition.rsplit(".", 2)[-2:]
    return f"{package}.{name}"
