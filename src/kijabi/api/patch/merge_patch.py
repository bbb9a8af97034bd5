"""JSON merge patch, RFC 7386."""

from __future__ import annotations

from typing import Any

from kijabi.api import errors


def merge(document: dict[str, Any], patch: Any) -> dict[str, Any]:
    if not isinstance(patch, dict):
        raise errors.BadRequest("Invalid JSON Patch")
    merged: dict[str, Any] = _merge(document, patch)
    return merged


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result
