"""The OpenAPI document of one version of a custom resource.

Source: apiextensions-apiserver pkg/controller/openapi/builder; "Publish validation schema in OpenAPI".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kijabi.api import resource
from kijabi.api.schema import openapi, operations

Document = dict[str, Any]
Raw = Mapping[str, Any]

_META = "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1."
_STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_METADATA = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
_LIST_METADATA = f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds"
# What clients may know of a schema. Examples and links are kept back.
_KEPT = frozenset(
    (
        *("title", "description", "type", "nullable", "default", "format", "maximum", "exclusiveMaximum", "minimum"),
        *("exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf"),
        *("maxProperties", "minProperties", "required", "enum", "items", "properties", "additionalProperties"),
        *("allOf", "oneOf", "anyOf", "not"),
    )
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_PATCH_TYPES = tuple(one for one in operations.PATCH_TYPES if "strategic" not in one)


def document(
    minor: str,
    row: resource.Resource,
    list_kind: str,
    raw: Raw | None,
    selectable: Sequence[str],
    common: Document,
) -> Document:
    """In version 3's form. ``raw`` None: nothing is known of the objects. ``common``: shared definitions."""
    name, list_name = model_name(row.group, row.version, row.kind), model_name(row.group, row.version, list_kind)
    more: Document = {}
    if selectable:
        more["x-kubernetes-selectable-fields"] = [{"fieldPath": path.removeprefix(".")} for path in selectable]
    typed = _type_meta(common)
    definitions = {
        **common,
        name: _definition(row, raw, typed) | more,
        list_name: _list(row, list_kind, name, typed) | more,
    }
    documents = openapi.Documents(minor, definitions, _PATCH_TYPES)
    documents.name_list(row, list_name)
    made = documents.v3_of((row,))
    made["info"] = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
    return made


def model_name(group: str, version: str, kind: str) -> str:
    """``com.example.v1.Widget``: the group's labels stand backwards."""
    return ".".join((*reversed(group.split(".")), version, kind))


def _gvk(row: resource.Resource, kind: str) -> list[Document]:
    return [{"group": row.group, "version": row.version, "kind": kind}]


def _metadata() -> Document:
    return {"description": _METADATA, "$ref": f"{_META}ObjectMeta"}


def _type_meta(common: Document) -> Document:
    """``apiVersion`` and ``kind``, as every kind has them."""
    properties = common[_STATUS]["properties"]
    return {name: properties[name] for name in ("apiVersion", "kind")}


def _definition(row: resource.Resource, raw: Raw | None, typed: Document) -> Document:
    made: Document = {"type": "object"}
    if raw is not None:
        made = published(raw, typed)
        made["properties"] = {**(made.get("properties") or {}), **typed, "metadata": _metadata()}
    made["x-kubernetes-group-version-kind"] = _gvk(row, row.kind)
    return made


def published(raw: Raw, typed: Document) -> Document:
    """A schema as clients see it: integers or strings are spelled out, embedded resources have their metadata."""
    made: Document = {}
    for key, value in raw.items():
        if value is None or not (key in _KEPT or key.startswith("x-kubernetes-")):
            continue
        if key == "properties":
            value = {name: published(one or {}, typed) for name, one in value.items()}
        elif key in ("items", "additionalProperties", "not") and isinstance(value, Mapping):
            value = published(value, typed)
        elif key in ("allOf", "anyOf", "oneOf"):
            value = [published(one, typed) for one in value]
        made[key] = value
    if raw.get("x-kubernetes-int-or-string"):
        _spell_out(made)
    if raw.get("x-kubernetes-embedded-resource"):
        made["properties"] = {**(made.get("properties") or {}), **typed, "metadata": _metadata()}
        required = list(made.get("required") or ())
        made["required"] = required + [name for name in ("kind", "apiVersion") if name not in required]
    return made


def _spell_out(made: Document) -> None:
    alternatives = made.get("allOf") or []
    if made.get("anyOf") == _INT_OR_STRING or (alternatives and alternatives[0].get("anyOf") == _INT_OR_STRING):
        return
    if made.get("anyOf"):
        made["allOf"] = [{"anyOf": _INT_OR_STRING}, *alternatives]
    else:
        made["anyOf"] = _INT_OR_STRING


def _list(row: resource.Resource, list_kind: str, name: str, typed: Document) -> Document:
    return {
        "description": f"{list_kind} is a list of {row.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **typed,
            "items": {
                "description": f"List of {row.plural}. More info: {_CONVENTIONS}",
                "type": "array",
                "items": {"$ref": f"#/definitions/{name}"},
            },
            "metadata": {"description": _LIST_METADATA, "$ref": f"{_META}ListMeta"},
        },
        "x-kubernetes-group-version-kind": _gvk(row, list_kind),
    }
