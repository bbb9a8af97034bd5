"""OpenAPI version 2 in protobuf, for kubectl before 1.27, which asks for nothing else.

The messages are gnostic's ``openapi.v2``. Five wire rules are all that is needed to write them, so they are written
directly; descriptors built at run time would be slower and no shorter. Field numbers are given by gnostic's proto file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

Document = dict[str, Any]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str | None) -> bytes:
    return _bytes(number, value.encode()) if value else b""


def _texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(_bytes(number, value.encode()) for value in values)


def _flag(number: int, value: bool) -> bytes:
    return _varint(number << 3) + b"\x01" if value else b""


def _any(value: Any) -> bytes:
    """``Any``: the value as YAML, of which JSON is a part."""
    return _text(2, orjson.dumps(value).decode())


def _named(number: int, name: str, value: bytes) -> bytes:
    return _bytes(number, _text(1, name) + _bytes(2, value))


def _extensions(number: int, holder: Document) -> bytes:
    return b"".join(_named(number, key, _any(value)) for key, value in holder.items() if key.startswith("x-"))


def document(source: Document) -> bytes:
    """The whole of ``Documents.v2``."""
    info = source["info"]
    paths = b"".join(_named(2, path, _path_item(item)) for path, item in source["paths"].items())
    definitions = b"".join(_named(1, name, _schema(schema)) for name, schema in source["definitions"].items())
    return b"".join(
        (
            _text(1, source["swagger"]),
            _bytes(2, _text(1, info["title"]) + _text(2, info["version"])),
            _bytes(8, paths),
            _bytes(9, definitions),
        )
    )


def _schema(schema: Document) -> bytes:
    parts = [
        _text(1, schema.get("$ref")),
        _text(2, schema.get("format")),
        _text(4, schema.get("description")),
        _texts(19, schema.get("required", ())),
    ]
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        parts.append(_bytes(21, _bytes(1, _schema(additional))))
    if "type" in schema:
        parts.append(_bytes(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_bytes(23, _bytes(1, _schema(schema["items"]))))
    if "properties" in schema:
        inner = b"".join(_named(1, name, _schema(child)) for name, child in schema["properties"].items())
        parts.append(_bytes(25, inner))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _path_item(item: Document) -> bytes:
    parts = [_bytes(_METHODS[method], _operation(value)) for method, value in item.items() if method in _METHODS]
    parts += [_bytes(9, _parameter(parameter)) for parameter in item.get("parameters", ())]
    return b"".join(parts)


def _operation(operation: Document) -> bytes:
    responses = b"".join(_named(1, code, _response(value)) for code, value in operation["responses"].items())
    return b"".join(
        (
            _texts(1, operation["tags"]),
            _text(3, operation["description"]),
            _text(5, operation["operationId"]),
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            *(_bytes(8, _parameter(parameter)) for parameter in operation["parameters"]),
            _bytes(9, responses),
            _texts(10, operation["schemes"]),
            _extensions(13, operation),
        )
    )


def _response(response: Document) -> bytes:
    made = _text(1, response["description"])
    if "schema" in response:
        made += _bytes(2, _bytes(1, _schema(response["schema"])))
    # ResponseValue, whose first choice is a response.
    return _bytes(1, made)


# Where a parameter stands → which choice of NonBodyParameter, and the numbers of ``in``, name, type in it.
_PLACES = {"query": 3, "path": 4}


def _parameter(parameter: Document) -> bytes:
    """ParametersItem: a Parameter, of one of two sorts."""
    description = parameter.get("description")
    if parameter["in"] == "body":
        body = _text(1, description) + _text(2, parameter["name"]) + _flag(4, parameter.get("required", False))
        body += _text(3, "body") + _bytes(5, _schema(parameter["schema"]))
        return _bytes(1, _bytes(1, body))
    place = parameter["in"]
    inner = _flag(1, parameter.get("required", False)) + _text(2, place) + _text(3, description)
    inner += _text(4, parameter["name"])
    # The query's message has allow_empty_value at 5, so that its type is one further on.
    inner += _text(6 if place == "query" else 5, parameter["type"])
    return _bytes(1, _bytes(2, _bytes(_PLACES[place], inner)))
