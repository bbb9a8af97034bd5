"""Whether an applied object fits its type; the texts are upstream's."""

from __future__ import annotations

from typing import Any

from kijabi.api.managed import elements, listing, shapes
from kijabi.api.managed.shapes import FREE, Kind, Shape


def problems(shape: Shape, obj: dict[str, Any]) -> list[str]:
    """``.spec.foo: field not declared in schema`` and the like."""
    found: list[str] = []
    _map(shape, obj, "", found)
    return found


def text(found: list[str]) -> str:
    return found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {one}" for one in found)])


def _say(found: list[str], path: str, message: str) -> None:
    found.append(f"{path}: {message}" if path else message)


def _value(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    if value is None or shape.kind is Kind.FREE:
        return
    if shape.kind is Kind.SCALAR:
        _scalar(shape, value, path, found)
    elif shape.kind is Kind.STRUCT:
        if isinstance(value, dict):
            _map(shape, value, path, found)
        else:
            _say(found, path, f"expected map, got &{{{_plain(value)}}}")
    elif isinstance(value, list):
        _list(shape, value, path, found)
    else:
        _say(found, path, f"expected list, got &{{{_plain(value)}}}")


def _map(shape: Shape, value: dict[str, Any], path: str, found: list[str]) -> None:
    for key, item in value.items():
        here = f"{path}.{key}"
        if key not in shape.fields and shape.item is None and shape.kind is Kind.STRUCT:
            _say(found, here, "field not declared in schema")
            return
        _value(shape.part(key)[1], item, here, found)


def _list(shape: Shape, value: list[Any], path: str, found: list[str]) -> None:
    inner = shape.item or FREE
    seen: set[str] = set()
    for position, item in enumerate(value):
        here = f"{path}[{position}]"
        if not shape.leaf:
            try:
                element = listing.element_of(shape, item)
            except listing.Unkeyed as error:
                _say(found, path, f"element {position}: {error}")
                return
            if element in seen:
                _say(found, path, f"duplicate entries for key {elements.show(element)}")
            seen.add(element)
            here = path + elements.show(element)
        _value(inner, item, here, found)


def _scalar(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if shape.scalar == shapes.NUMERIC and not number:
        _say(found, path, f"expected numeric (int or float), got {_go_type(value)}")
    elif shape.scalar == shapes.STRING and not isinstance(value, str):
        _say(found, path, f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}")
    elif shape.scalar == shapes.BOOLEAN and not isinstance(value, bool):
        _say(found, path, f"expected boolean, got &{{{_plain(value)}}}")
    elif shape.scalar == shapes.UNTYPED and isinstance(value, (dict, list)):
        _say(found, path, f"expected any scalar, got &{{{_plain(value)}}}")


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "map[string]interface {}"
    return "[]interface {}" if isinstance(value, list) else "int64"


def _go_syntax(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{elements.plain(key)}:{_go_syntax(item)}" for key, item in sorted(value.items()))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return "interface {}(nil)" if value is None else elements.plain(value)


def _plain(value: Any) -> str:
    """Go's ``%v``."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_plain, value))}]"
    if value is None:
        return "<nil>"
    return value if isinstance(value, str) else elements.plain(value)
