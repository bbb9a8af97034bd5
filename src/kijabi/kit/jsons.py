"""JSON in and out: orjson, with the two limits of it that matter here made explicit."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from kijabi.kit import jsonfaults

# orjson refuses to dump what is nested deeper than 254; what is let in must be able to get out again.
MAX_DEPTH = 200

Fragment = orjson.Fragment


class Malformed(ValueError):
    """The bytes are not JSON, or nested deeper than ``MAX_DEPTH``."""


def loads(data: bytes | str) -> Any:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        given = data if isinstance(data, bytes) else data.encode(errors="surrogatepass")
        complaint = jsonfaults.complaint(given)
        if complaint:
            raise Malformed(complaint) from error
        value = _forgiven(given)
    # What has fewer brackets than the limit cannot be nested deeper; only then is the walk worth its time.
    opening = (b"{", b"[") if isinstance(data, bytes) else ("{", "[")
    if sum(map(data.count, opening)) > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):  # type: ignore[arg-type]
        raise Malformed(f"exceeded max depth of {MAX_DEPTH}")
    return value


# An escape: both halves of a pair, one half alone, or any other.
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.")


def _forgiven(data: bytes) -> Any:
    try:
        return orjson.loads(_readable(data))
    except orjson.JSONDecodeError as error:
        raise Malformed(str(error)) from error


def _readable(data: bytes) -> str:
    """As Go reads what is JSON but for its letters: halves of pairs and bytes that are no UTF-8 become U+FFFD."""
    text = data.decode(errors="replace")
    if "\\u" not in text:
        return text
    return _ESCAPE.sub(lambda found: "\\ufffd" if len(found[0]) == 6 else found[0], text)


def dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def duplicate_keys(data: bytes) -> list[str]:
    """Paths (``spec.replicas``-style) of keys that stand twice in one object, in the order found."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                result.setdefault(_DUPLICATES, []).append(key)
            result[key] = value
        return result

    _collect(json.loads(_readable(data), object_pairs_hook=pairs), "", found)
    return found


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys, in the order they stand."""


def key_paths(data: bytes) -> list[str]:
    """The paths of all keys in the order they stand, those that stand twice as often."""
    found: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, _Pairs):
            for key, child in value:
                here = f"{path}.{key}" if path else key
                found.append(here)
                walk(child, here)
        elif isinstance(value, list):
            for position, child in enumerate(value):
                walk(child, f"{path}[{position}]")

    walk(json.loads(_readable(data), object_pairs_hook=_Pairs), "")
    return found


_DUPLICATES = "\0duplicates"


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, dict):
        for key in value.pop(_DUPLICATES, ()):
            found.append(f"{path}.{key}" if path else key)
        for key, child in value.items():
            _collect(child, f"{path}.{key}" if path else key, found)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _collect(child, f"{path}[{index}]", found)


def _deeper_than(value: Any, limit: int) -> bool:
    # Breadth first over containers only; the levels of an ordinary object are few, so this is cheap.
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
    return bool(level)
