"""The OpenAPI documents: one of version 2 for everything, one of version 3 per group and version.

The definitions are upstream's own (see ``compile``); the paths come from the table of what is served. Built when first
asked for, some tens of milliseconds, and kept.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from kijabi.api import resource, served
from kijabi.api.schema import operations
from kijabi.api.schema.operations import Operation, Parameter

Document = dict[str, Any]

_SECURITY = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_V2, _V3 = "#/definitions/", "#/components/schemas/"
_MEDIA = "application/json"


class Documents:
    """The documents of one minor version. ``definitions`` are in version 2's form."""

    def __init__(
        self, minor: str, definitions: Document, patch_types: tuple[str, ...] = operations.PATCH_TYPES
    ) -> None:
        self._info = {"title": "Kubernetes", "version": f"v{minor}.0"}
        self._patch_types = patch_types
        self._definitions = definitions
        self._by_kind = {
            (gvk["group"], gvk["version"], gvk["kind"]): name
            for name, definition in definitions.items()
            for gvk in definition.get("x-kubernetes-group-version-kind", ())
        }

    def name_list(self, row: resource.Resource, name: str) -> None:
        """Say which definition a list of these is, where its kind is not called as usual."""
        self._by_kind[row.group, row.version, f"{row.kind}List"] = name

    def v2(self) -> Document:
        paths: Document = {}
        for operation in operations.all_operations():
            item = paths.setdefault(operation.path, {})
            item[operation.method] = self._v2_operation(operation)
            if operation.path_parameters:
                item["parameters"] = [_v2_parameter(parameter) for parameter in operation.path_parameters]
        return {
            "swagger": "2.0",
            "info": self._info,
            "paths": paths,
            "definitions": self._definitions,
            "securityDefinitions": _SECURITY,
            "security": [{"BearerToken": []}],
        }

    def _v2_operation(self, operation: Operation) -> Document:
        parameters = [_v2_parameter(parameter) for parameter in operation.parameters]
        if operation.body:
            schema = self._schema(operation, True, _V2)
            must = {"required": True} if operation.body == "required" else {}
            parameters.append({"in": "body", "name": "body", **must, "schema": schema})
        answer = self._schema(operation, False, _V2)
        consumes = list(self._patch_types) if operation.method == "patch" else ["*/*"]
        return {
            "consumes": consumes,
            "description": operation.id,
            "operationId": operation.id,
            "parameters": parameters,
            "produces": [_MEDIA, "application/yaml"],
            "responses": {"200": {"description": "OK", **({"schema": answer} if answer else {})}},
            "schemes": ["https"],
            "tags": [operation.tag],
            **_extensions(operation),
        }

    def _schema(self, operation: Operation, body: bool, prefix: str) -> Document:
        if body and operation.method == "patch":
            return {"$ref": prefix + _PATCH}
        if body and operation.method == "delete":
            return {"$ref": prefix + _DELETE_OPTIONS}
        if operation.action == "connect":
            return {"type": "string"}
        group, version, kind = operation.gvk
        name = self._by_kind.get((group, version, f"{kind}List" if operation.collection and not body else kind))
        return {"$ref": prefix + name} if name else {}

    def v3(self, group_version: str) -> Document | None:
        """``v1`` or ``apps/v1``; ``None`` where that is not served."""
        rows = tuple(row for row in served.RESOURCES if row.api_version == group_version)
        return self.v3_of(rows) if rows else None

    def v3_of(self, rows: tuple[resource.Resource, ...]) -> Document:
        """The document of some resources, all of one group version."""
        paths: Document = {}
        for operation in operations.all_operations(rows):
            item = paths.setdefault(operation.path, {})
            item[operation.method] = self._v3_operation(operation)
            if operation.path_parameters:
                item["parameters"] = [_v3_parameter(parameter) for parameter in operation.path_parameters]
        group, version = rows[0].group, rows[0].version
        roots = [name for (own, at, _), name in self._by_kind.items() if (own, at) == (group, version)]
        # What only paths refer to, like a scale subresource's kind.
        roots += sorted(_references(paths))
        schemas = {name: _v3_schema(self._definitions[name]) for name in self._closure(roots)}
        schemas |= {name: special for name, special in _V3_SPECIAL.items() if name in schemas}
        return {
            "openapi": "3.0.0",
            "info": self._info,
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        }

    def _v3_operation(self, operation: Operation) -> Document:
        answer, body = self._schema(operation, False, _V3), self._schema(operation, True, _V3)
        made: Document = {
            "description": operation.id,
            "operationId": operation.id,
            "parameters": [_v3_parameter(parameter) for parameter in operation.parameters],
            "responses": {"200": {"description": "OK", "content": {_MEDIA: {"schema": answer}}}},
            "tags": [operation.tag],
            **_extensions(operation),
        }
        if operation.body:
            media = self._patch_types if operation.method == "patch" else ("*/*",)
            must = {"required": True} if operation.body == "required" else {}
            made["requestBody"] = {"content": {kind: {"schema": body} for kind in media}, **must}
        return made

    def closure(self, roots: list[str]) -> Document:
        """These definitions and all they refer to, in version 2's form."""
        return {name: self._definitions[name] for name in self._closure(roots)}

    def _closure(self, roots: list[str]) -> list[str]:
        seen = dict.fromkeys(roots)
        waiting = list(roots)
        while waiting:
            for name in sorted(_references(self._definitions[waiting.pop()])):
                if name not in seen:
                    seen[name] = None
                    waiting.append(name)
        return sorted(seen)


def _extensions(operation: Operation) -> Document:
    group, version, kind = operation.gvk
    return {
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
    }


def _v2_parameter(parameter: Parameter) -> Document:
    made: Document = {
        "description": parameter.description,
        "in": parameter.place,
        "name": parameter.name,
        "type": parameter.type,
        "uniqueItems": True,
    }
    return made | {"required": True} if parameter.place == "path" else made


def _v3_parameter(parameter: Parameter) -> Document:
    made = _v2_parameter(parameter)
    made["schema"] = {"type": made.pop("type"), "uniqueItems": made.pop("uniqueItems")}
    return made


_V3_SPECIAL: Document = {
    _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
}


def _v3_schema(schema: Document) -> Document:
    """Version 3 ignores what stands beside a reference, so it goes into an ``allOf``."""
    made: Document = {}
    for key, value in schema.items():
        if key == "$ref" and len(schema) == 1:
            made[key] = value.replace(_V2, _V3)
        elif key == "$ref":
            made["allOf"] = [{"$ref": value.replace(_V2, _V3)}]
        elif key == "properties":
            made[key] = {name: _v3_schema(child) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            made[key] = _v3_schema(value)
        else:
            made[key] = value
    return made


def _references(value: Any) -> set[str]:
    found: set[str] = set()
    waiting = [value]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            reference = at.get("$ref")
            if isinstance(reference, str):
                found.add(reference.rpartition("/")[2])
            waiting.extend(at.values())
        elif isinstance(at, list):
            waiting.extend(at)
    return found


def index(documents: dict[str, bytes]) -> bytes:
    """The answer of ``/openapi/v3``: a URL with the document's hash for each group and version."""
    paths = {}
    for group_version, document in documents.items():
        root = root_of(group_version)
        digest = hashlib.sha512(document).hexdigest().upper()
        paths[root] = {"serverRelativeURL": f"/openapi/v3/{root}?hash={digest}"}
    return orjson.dumps({"paths": paths})


def root_of(group_version: str) -> str:
    """``api/v1`` or ``apis/apps/v1``, as ``/openapi/v3`` names the documents."""
    return f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"
