"""Shapes: what of a type can be owned separately, resolved once per type out of the schema.

A leaf is owned as a whole: a scalar, an atomic list, an atomic map or struct. A struct's and a granular map's entries
are owned one by one, and so are the elements of a list that is a set or has keys. Where nothing is known of a type
(free JSON, custom resources without a schema) maps are granular and lists atomic.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from kijabi.api.managed import elements
from kijabi.api.schema import types


class Kind(enum.Enum):
    SCALAR = "scalar"
    STRUCT = "struct"
    LIST = "list"
    KEYED = "keyed"
    SET = "set"
    FREE = "free"


NUMERIC, STRING, BOOLEAN, UNTYPED = "numeric", "string", "boolean", "untyped"


@dataclass(slots=True, eq=False)
class Shape:
    """``leaf``: owned as a whole. ``item`` is the shape of list elements, and of entries that are no ``fields``."""

    kind: Kind
    leaf: bool = False
    scalar: str = UNTYPED
    fields: dict[str, Part] = field(default_factory=dict)
    item: Shape | None = None
    keys: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> tuple[str, Shape]:
        """The element and shape of an entry."""
        known = self.fields.get(name)
        if known is not None:
            return known.element, known.shape
        return f"f:{name}", self.item or FREE

    def below(self, element: str) -> Shape:
        """The shape below a path element; free where the element does not fit."""
        if element[0] == "f" and self.kind is Kind.STRUCT:
            return self.part(element[2:])[1]
        return (self.item if element[0] != "f" else None) or FREE


@dataclass(slots=True, eq=False)
class Part:
    """A field of a struct. ``zero`` is what upstream's empty object has there (``{}``, ``[]``); None where nothing.

    It matters for the node itself: what appears with its parent is owned as such, what was there all along is not.
    """

    element: str
    shape: Shape
    zero: Any = None


FREE = Shape(Kind.FREE)

_SCALARS = {
    types.INT32: NUMERIC,
    types.INT64: NUMERIC,
    types.DOUBLE: NUMERIC,
    types.STRING: STRING,
    types.BYTES: STRING,
    types.BOOL: BOOLEAN,
}
# Optional structs that upstream's Go types hold by value, by the name of the type.
_BY_VALUE = frozenset(
    (
        "ObjectMeta",
        "PodTemplateSpec",
        "JobTemplateSpec",
        "DeploymentStrategy",
        "DaemonSetUpdateStrategy",
        "StatefulSetUpdateStrategy",
        "LoadBalancerStatus",
        "IngressLoadBalancerStatus",
        "NodeDaemonEndpoints",
        "DaemonEndpoint",
        "NodeSystemInfo",
        "VolumeResourceRequirements",
        "EventSource",
        "DeviceClaim",
        "CustomResourceDefinitionNames",
    )
)
# The others are by pointer but for these fields.
_VALUE_FIELDS = frozenset((("Container", "resources"), ("EphemeralContainer", "resources"), ("Event", "regarding")))
_POINTER_FIELDS = frozenset((("ReplicationControllerSpec", "template"), ("IPAddressSpec", "parentRef")))
_KEY_DEFAULTS = {"protocol": "TCP"}
_ZEROS: dict[str, Any] = {types.STRING: "", types.INT32: 0, types.INT64: 0, types.BOOL: False}


class Shapes:
    """The shapes of one graph of types, made as they are asked for."""

    def __init__(self) -> None:
        self._made: dict[types.Type, Shape] = {}

    def of(self, kind: types.Type | None) -> Shape:
        """``None``: nothing is known."""
        return FREE if kind is None else self._of(kind)

    def _of(self, kind: types.Type) -> Shape:
        made = self._made.get(kind)
        if made is None:
            made = self._make(kind)
        return made

    def _make(self, kind: types.Type) -> Shape:
        if kind.kind in (types.STRUCT, types.MAP):
            return self._struct(kind)
        if kind.kind == types.LIST:
            return self._list(kind, kind.list_type, kind.list_keys)
        if kind.kind == types.ANY:
            return FREE
        made = self._made[kind] = Shape(Kind.SCALAR, True, _SCALARS.get(kind.kind, UNTYPED))
        return made

    def _struct(self, kind: types.Type) -> Shape:
        if kind.kind == types.STRUCT and not kind.fields and kind.item is None:
            self._made[kind] = FREE if kind.map_type != "atomic" else Shape(Kind.STRUCT, True, item=FREE)
            return self._made[kind]
        # Known before its fields are made, for types that contain themselves.
        made = self._made[kind] = Shape(Kind.STRUCT, kind.map_type == "atomic")
        for name, declared in kind.fields.items():
            made.fields[name] = Part(elements.of_field(name), self._field(declared), _zero(kind, declared))
        made.item = self._of(kind.item) if kind.item is not None else None
        return made

    def _field(self, declared: types.Field) -> Shape:
        if declared.type.kind == types.LIST:
            return self._list(declared.type, *_relationship(declared))
        made = self._of(declared.type)
        if declared.map_type == "atomic" and not made.leaf:
            return Shape(made.kind, True, made.scalar, made.fields, made.item)
        return made

    def _list(self, kind: types.Type, list_type: str, keys: tuple[str, ...]) -> Shape:
        item = self.of(kind.item)
        if list_type == "set":
            return Shape(Kind.SET, item=item)
        if list_type == "map":
            return Shape(Kind.KEYED, item=item, keys=keys, defaults=_defaults(kind.item, keys))
        return Shape(Kind.LIST, True, item=item)


def _relationship(declared: types.Field) -> tuple[str, tuple[str, ...]]:
    """Older fields say by their patch strategy alone how they merge."""
    if declared.list_type or "merge" not in declared.strategies:
        return declared.list_type, declared.list_keys
    return ("map", (declared.merge_key,)) if declared.merge_key else ("set", ())


def _defaults(item: types.Type | None, keys: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for key in keys:
        declared = item.fields.get(key) if item is not None else None
        if declared is None:
            continue
        default = declared.default
        if default is None and item is not None and item.name.startswith("io.k8s."):
            default = _KEY_DEFAULTS.get(key)
            if default is None and (declared.required or item.name.endswith(".LocalObjectReference")):
                default = _ZEROS.get(declared.type.kind)
        if default is not None:
            found[key] = default
    return found


def _zero(parent: types.Type, declared: types.Field) -> Any:
    owner = parent.name
    if not owner.startswith("io.k8s."):
        # Custom resources have no empty object of their own.
        return None
    what = (owner.rpartition(".")[2], declared.name)
    kind = declared.type.kind
    if kind == types.LIST:
        return [] if declared.required else None
    if kind == types.MAP:
        return {} if declared.required else None
    if kind != types.STRUCT or what in _POINTER_FIELDS:
        return None
    by_value = (
        declared.required
        or declared.name in ("spec", "status")
        or declared.type.name.rpartition(".")[2] in _BY_VALUE
        or what in _VALUE_FIELDS
    )
    return {} if by_value else None
