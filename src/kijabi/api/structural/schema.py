"""One node of a structural schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Raw = Mapping[str, Any]

META_FIELDS = frozenset(("apiVersion", "kind", "metadata"))


@dataclass(slots=True, eq=False)
class Schema:
    """``raw`` is what was written; ``additional`` is the schema of a map's values, or whether any are allowed.

    ``default`` counts where ``has_default``; JSON's null is no default, as upstream has it.
    """

    raw: Raw
    type: str = ""
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | bool | None = None
    items: Schema | None = None
    nullable: bool = False
    has_default: bool = False
    default: Any = None
    preserves: bool = False
    embedded: bool = False
    int_or_string: bool = False
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    map_type: str = ""

    @property
    def values(self) -> Schema | None:
        """What is known of a map's values, where it is one."""
        return self.additional if isinstance(self.additional, Schema) else None

    def child(self, name: str) -> Schema | None:
        """The schema of a member: a property, or a value of a map."""
        found = self.properties.get(name)
        return found if found is not None else self.values


def parse(raw: Raw) -> Schema:
    """The tree of an ``openAPIV3Schema``. Parts that are no schemas (an array of ``items``) are left out."""
    made = Schema(
        raw,
        raw.get("type") or "",
        nullable=bool(raw.get("nullable")),
        preserves=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(raw.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(raw.get("x-kubernetes-int-or-string")),
        list_type=raw.get("x-kubernetes-list-type") or "",
        list_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
        map_type=raw.get("x-kubernetes-map-type") or "",
    )
    if raw.get("default") is not None:
        made.has_default, made.default = True, raw["default"]
    for name, one in (raw.get("properties") or {}).items():
        made.properties[name] = parse(one or {})
    additional = raw.get("additionalProperties")
    if isinstance(additional, Mapping):
        made.additional = parse(additional)
    elif additional is not None:
        made.additional = bool(additional)
    if isinstance(raw.get("items"), Mapping):
        made.items = parse(raw["items"])
    return made


def as_resource(root: Schema) -> Schema:
    """The root of a custom resource: apiVersion, kind and metadata are known without being written down."""
    if root.embedded:
        return root
    made = parse(root.raw)
    made.embedded = True
    return made
