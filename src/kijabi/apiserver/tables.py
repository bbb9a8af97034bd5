"""What ``kubectl get`` asks for: a Table whose cells the server has filled in.

Source: the API concepts' "Receiving resources as Tables"; upstream's rest.DefaultTableConvertor for kinds without
columns of their own.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import errors, resource, served
from kijabi.api import field as fields
from kijabi.apiserver.negotiation import Media
from kijabi.kit import http

Object = resource.Object

NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC."
)
_GENERIC = (
    resource.Column("Name", "string", "name", NAME),
    resource.Column("Created At", "date", "", CREATED),
)


def include_object(request: http.Request, media: Media | None = None) -> str:
    """``includeObject``: None, Metadata (the default) or Object; only Tables ask for it. Raises BadRequest."""
    is_table = media is None or media.kind == "Table"
    asked = request.param("includeObject") if is_table and request.query_string else ""
    if asked not in ("", "None", "Metadata", "Object"):
        problem = fields.invalid("includeObject", asked, "must be 'Metadata', 'Object', 'None', or empty")
        raise errors.BadRequest(f"Unable to convert to Table as requested: {problem}")
    return asked or "Metadata"


def definitions(strategy: resource.Strategy) -> list[Object]:
    columns = strategy.column_names if strategy.columns is not None else _GENERIC
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]


def row(strategy: resource.Strategy, obj: Object, include: str, api_version: str, now: float) -> Object:
    """One object's row; ``obj`` names its kind and apiVersion."""
    meta = obj["metadata"]
    if strategy.columns is not None:
        cells: list[Any] = strategy.columns(obj, now)
    else:
        cells = [meta.get("name"), meta.get("creationTimestamp")]
    shown: Any = None
    if include == "Object":
        shown = obj
    elif include == "Metadata":
        shown = partial(obj, api_version)
    return {"cells": cells, "object": shown}


def table(rows: list[Object], columns: list[Object], meta: Object, api_version: str) -> Object:
    """``columns`` is left empty in all but the first event of a watch."""
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": rows,
    }


def partial(obj: Object, api_version: str) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": obj["metadata"]}


def shape(strategy: resource.Strategy, obj: Object, media: Media, include: str, now: float) -> Object:
    """One object as Table or PartialObjectMetadata. Raises NotAcceptable for a list's shape."""
    version = f"{media.group}/{media.version}"
    if media.kind == "Table":
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return table([row(strategy, obj, include, version, now)], definitions(strategy), meta, version)
    if media.kind == "PartialObjectMetadata":
        return partial(obj, version)
    raise errors.NotAcceptable(
        f"you requested PartialObjectMetadataList, but the requested object is not a list ({_go_type(strategy)})"
    )


def shape_list(
    strategy: resource.Strategy, objects: list[Object], list_meta: Object, media: Media, include: str, now: float
) -> Object:
    """A list as Table or PartialObjectMetadataList. Raises NotAcceptable for a single object's shape."""
    version = f"{media.group}/{media.version}"
    if media.kind == "Table":
        rows = [row(strategy, obj, include, version, now) for obj in objects]
        return table(rows, definitions(strategy), list_meta, version)
    if media.kind == "PartialObjectMetadataList":
        items = [partial(obj, version) for obj in objects]
        return {"kind": media.kind, "apiVersion": version, "metadata": list_meta, "items": items}
    raise errors.NotAcceptable(
        f"you requested PartialObjectMetadata, but the requested object is a list ({_go_type(strategy)}List)"
    )


def _go_type(strategy: resource.Strategy) -> str:
    """As upstream's messages name the type of a kind."""
    what = strategy.resource
    if all(row.group != what.group for row in served.RESOURCES):
        return "*unstructured.Unstructured"
    return f"*{what.group.partition('.')[0] or 'core'}.{what.kind}"
