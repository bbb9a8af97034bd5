"""Field paths into a schema: ``.spec.color``, ``.spec['a.b']``.

Source: apiextensions-apiserver's cel.ValidFieldPath.
"""

from __future__ import annotations

import re

from kijabi.api.structural.schema import Schema

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+")


class Malformed(ValueError):
    """The path leads nowhere; the message is upstream's."""


def resolve(path: str, schema: Schema, brackets: bool = True) -> tuple[list[str], Schema]:
    """The names along the path, and the schema at its end. Raises Malformed."""
    tokens = _TOKEN.findall(path)
    names: list[str] = []
    at = 0

    def following() -> str:
        nonlocal at
        at += 1
        if at >= len(tokens):
            raise Malformed("unexpected end of JSON path")
        return str(tokens[at])

    current: Schema = schema
    while at < len(tokens):
        if tokens[at] == "[":
            if not brackets:
                raise Malformed("array notation is not allowed")
            name = following()
            if len(name) < 2 or name[0] != "'" or name[-1] != "'":
                raise Malformed(f"expected single quoted string but got {name}")
            current = _step(current, name[1:-1].replace("\\'", "'").replace("\\\\", "\\"), names)
            closing = following()
            if closing != "]":
                raise Malformed(f"expected ] but got {closing}")
        elif tokens[at] == ".":
            current = _step(current, following(), names)
        else:
            raise Malformed(f"expected [ or . but got: {tokens[at]}")
        at += 1
    return names, current


def _step(schema: Schema, name: str, names: list[str]) -> Schema:
    found = schema.properties.get(name) if schema.properties else schema.values
    if found is None:
        raise Malformed("does not refer to a valid field")
    names.append(name)
    return found
