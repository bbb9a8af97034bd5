"""Makes ``api/_compiled/schemas.bin`` out of the data of the package ``kubernetes-validate``.

    python -m kijabi.api.schema.compile [MINOR ...]

The file begins with eight bytes (big endian: length of the index), then the index as JSON, then one pair of compressed
sections per minor version: ``types`` is what checking and merging need and is read at every start, ``full`` has the
descriptions too and is read only to answer OpenAPI requests. The result is a build product and is never committed.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import struct
import sys
import zlib
from collections.abc import Iterable
from typing import Any

import orjson

TARGET = pathlib.Path(__file__).parent.parent / "_compiled" / "schemas.bin"
PACKAGE = "kubernetes_validate"
_FOLDER = re.compile(r"v(\d+\.\d+)\.\d+-local")
_REF = "#/$defs/"

# Only these are needed to walk an object or to merge one; x-kubernetes-list-type and the like serve apply.
_KEPT = (
    "format",
    "required",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
)


class SourceMissing(RuntimeError):
    """The package with the schemas' data is not installed."""


def source() -> pathlib.Path:
    """The folder of the data, without importing the package (which would import its dependencies too)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SourceMissing(
            "the schemas are not compiled and kubernetes-validate is not installed: "
            "install kijabi[build] and run python -m kijabi.api.schema.compile"
        )
    return pathlib.Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"


def minors() -> dict[str, pathlib.Path]:
    """Minor version → its file of definitions."""
    found = {}
    for folder in source().iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match:
            found[match[1]] = folder / "_definitions.json"
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(".")[2])))


def compile_all(only: Iterable[str] = (), target: pathlib.Path = TARGET) -> None:
    """Write the file, in one step as far as readers can see: several programs may start at once on a new checkout."""
    wanted = set(only)
    index: dict[str, dict[str, list[int]]] = {}
    sections: list[bytes] = []
    position = 0
    for minor, path in minors().items():
        if wanted and minor not in wanted:
            continue
        definitions = orjson.loads(path.read_bytes())["$defs"]
        index[minor] = {}
        for name, content in (("types", _types(definitions)), ("full", _full(definitions))):
            section = zlib.compress(orjson.dumps(content), 9)
            index[minor][name] = [position, len(section)]
            sections.append(section)
            position += len(section)
    head = orjson.dumps(index)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(b"".join([struct.pack(">Q", len(head)), head, *sections]))
    temporary.replace(target)


def read(minor: str, section: str, path: pathlib.Path = TARGET) -> Any:
    """One section of the compiled file. ``KeyError`` for a minor version that is not in it."""
    with path.open("rb") as file:
        (length,) = struct.unpack(">Q", file.read(8))
        index = orjson.loads(file.read(length))
        position, size = index[minor][section]
        file.seek(8 + length + position)
        return orjson.loads(zlib.decompress(file.read(size)))


def _types(definitions: dict[str, Any]) -> dict[str, Any]:
    return {name: _bare(definition) for name, definition in definitions.items()}


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    bare: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if "$ref" in schema:
        bare["ref"] = schema["$ref"].removeprefix(_REF)
    elif "type" in schema:
        bare["type"] = _plain_type(schema["type"])
    if "properties" in schema:
        bare["properties"] = {name: _bare(child) for name, child in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        bare["values"] = _bare(schema["additionalProperties"])
    if "items" in schema:
        bare["items"] = _bare(schema["items"])
    return bare


def _plain_type(declared: Any) -> str:
    """The data allows null wherever a Go pointer may be; OpenAPI v2, and we, name the type alone."""
    return next(name for name in declared if name != "null") if isinstance(declared, list) else str(declared)


_SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
}


def _full(definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions in OpenAPI v2's own form."""
    result = {}
    for name, definition in definitions.items():
        if name in _SPECIAL:
            described = {"description": definition["description"]} if "description" in definition else {}
            result[name] = described | _SPECIAL[name]
        else:
            result[name] = _openapi(definition)
    return result


def _openapi(schema: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            result[key] = value.replace(_REF, "#/definitions/")
        elif key == "type":
            result[key] = _plain_type(value)
        elif key == "properties":
            result[key] = {name: _openapi(child) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = _openapi(value)
        elif key != "enum":  # the data adds enums of apiVersion and kind, which upstream's documents do not have
            result[key] = value
    return result


if __name__ == "__main__":
    compile_all(sys.argv[1:])
    print(f"{TARGET}: {TARGET.stat().st_size >> 10} KiB")
