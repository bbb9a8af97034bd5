"""``fieldPath`` of a rule: ``.spec.x`` or ``.labels['a.b']`` as the path of a field error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")


def normalized(text: str, schema: Mapping[str, Any]) -> str:
    """Properties joined by dots, keys of maps in brackets; empty where the path leads nowhere in ``schema``."""
    made, at = "", 0
    current: Any = schema
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or not isinstance(current, Mapping):
            return ""
        at = step.end()
        name = step[1] if step[1] is not None else re.sub(r"\\(.)", r"\1", step[2])
        if current.get("properties"):
            made += f".{name}" if made else name
            current = current["properties"].get(name)
        else:
            made += f"[{name}]"
            current = current.get("additionalProperties")
        if not isinstance(current, Mapping):
            return ""
    return made
