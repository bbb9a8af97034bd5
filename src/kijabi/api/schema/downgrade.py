"""An OpenAPI 3 document of one group version as its part of the one OpenAPI 2 document.

Version 2 knows neither alternatives nor nullable values, so a schema that has them says less here: what stands at or
below them is dropped, as upstream does when it publishes custom resources. Source: apiextensions-apiserver's
ToStructuralOpenAPIV2; the OpenAPI specifications.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

_V2, _V3 = "#/definitions/", "#/components/schemas/"
_DROPPED = ("oneOf", "anyOf", "allOf", "not", "nullable")
_KIND = "x-kubernetes-group-version-kind"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# Shared definitions stand in every version 3 document; version 2 has each once.
_SHARED = ("io.k8s.apimachinery.", "io.k8s.api.")


def document(source: Document, *, only_own: bool = False) -> Document:
    """``swagger``, ``info``, ``paths`` and ``definitions``; ``only_own``: without the definitions all servers share.

    A kind that keeps unknown fields is published as an object of which nothing is known.
    """
    schemas = (source.get("components") or {}).get("schemas") or {}
    return {
        "swagger": "2.0",
        "info": source.get("info") or {"title": "Kubernetes", "version": ""},
        "paths": {path: _path_item(item) for path, item in (source.get("paths") or {}).items()},
        "definitions": {
            name: _definition(one) for name, one in schemas.items() if not (only_own and name.startswith(_SHARED))
        },
    }


def _definition(source: Document) -> Document:
    if source.get("x-kubernetes-preserve-unknown-fields"):
        return {"type": "object", **{key: value for key, value in source.items() if key == _KIND}}
    return schema_of(source)


def schema_of(source: Document) -> Document:
    """A version 2 schema."""
    reference = source.get("$ref") or _only_reference(source.get("allOf"))
    if reference:
        made: Document = {"$ref": reference.replace(_V3, _V2)}
        if source.get("description"):
            made["description"] = source["description"]
        return made
    made = {}
    loose = bool(source.get("x-kubernetes-preserve-unknown-fields"))
    for key, value in source.items():
        if key in _DROPPED:
            continue
        if key == "properties":
            value = {name: schema_of(child) for name, child in value.items()}
        elif key == "required":
            value = [name for name in value if not _is_nullable(source, name)]
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            value = schema_of(value)
        made[key] = value
    if loose or source.get("nullable"):
        # kubectl takes properties for all there are, and cannot cope with items of an untyped value.
        made.pop("properties", None)
        made.pop("items", None)
    if source.get("nullable") or (loose and made.get("type") == "object"):
        made.pop("type", None)
    if made.get("type") == "array" and "items" not in made:
        del made["type"]
    if not made.get("required", True):
        del made["required"]
    return made


def _is_nullable(source: Document, name: str) -> bool:
    return bool((source.get("properties") or {}).get(name, {}).get("nullable"))


def _only_reference(branches: Any) -> str:
    if isinstance(branches, list) and len(branches) == 1 and isinstance(branches[0], dict):
        return str(branches[0].get("$ref") or "")
    return ""


def _path_item(item: Document) -> Document:
    made: Document = {}
    for key, value in item.items():
        if key in _METHODS:
            made[key] = _operation(value)
        elif key == "parameters":
            made[key] = [_parameter(one) for one in value]
    return made


def _parameter(source: Document) -> Document:
    schema = source.get("schema") or {}
    return {
        **{key: value for key, value in source.items() if key != "schema"},
        "type": schema.get("type", "string"),
        "uniqueItems": True,
    }


def _operation(source: Document) -> Document:
    parameters = [_parameter(one) for one in source.get("parameters") or ()]
    bodies = (source.get("requestBody") or {}).get("content") or {}
    if bodies:
        body = schema_of(next(iter(bodies.values())).get("schema") or {})
        parameters.append({"in": "body", "name": "body", "required": True, "schema": body})
    answers = {code: _response(one) for code, one in (source.get("responses") or {}).items()}
    return {
        "consumes": list(bodies) or ["*/*"],
        "description": source.get("description", ""),
        "operationId": source.get("operationId", ""),
        "parameters": parameters,
        "produces": ["application/json", "application/yaml"],
        "responses": answers,
        "schemes": ["https"],
        "tags": source.get("tags") or [],
        **{key: value for key, value in source.items() if key.startswith("x-")},
    }


def _response(source: Document) -> Document:
    made: Document = {"description": source.get("description", "")}
    for body in (source.get("content") or {}).values():
        schema = schema_of(body.get("schema") or {})
        return made | {"schema": schema} if schema else made
    return made
