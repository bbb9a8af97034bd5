"""The downward API: fields of a pod and resources of its containers as text.

Source: the documented "Downward API" page and upstream's fieldpath package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kijabi.api import quantity
from kijabi.node.kubelet import pods

_SUBSCRIPT = re.compile(r"^metadata\.(annotations|labels)\['(.*)'\]$")


def field_value(pod: pods.Object, path: str) -> str | None:
    """The value of a metadata field path, None when the path is not supported."""
    subscript = _SUBSCRIPT.match(path)
    meta = pod["metadata"]
    if subscript:
        return str((meta.get(subscript.group(1)) or {}).get(subscript.group(2), ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(meta.get(path.removeprefix("metadata.")) or {})
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(meta.get(path.removeprefix("metadata."), ""))
    return None


def format_map(values: Mapping[str, str]) -> str:
    """``key="value"`` lines in the order of keys, values quoted as Go does."""
    return "\n".join(f"{key}={_quote(values[key])}" for key in sorted(values))


def _quote(text: str) -> str:
    simple = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
    made = []
    for letter in text:
        if letter in simple:
            made.append(simple[letter])
        elif letter.isprintable():
            made.append(letter)
        else:
            made.append(f"\\x{ord(letter):02x}" if ord(letter) < 0x80 else f"\\u{ord(letter):04x}")
    return '"' + "".join(made) + '"'


def resource(reference: dict[str, Any], container: pods.Object, allocatable: Mapping[str, str]) -> str:
    """``limits.cpu`` and the like in units of the divisor, rounded up; a missing limit is the node's allocatable."""
    kind, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(kind) or {}).get(name)
    if amount is None and kind == "limits":
        amount = allocatable.get(name)
    divisor = reference.get("divisor") or "0"
    amount = "0" if amount is None else str(amount)
    if name == "cpu":
        unit = quantity.parse(str(divisor)).milli() or 1000
        return str(-(-quantity.parse(amount).milli() // unit))
    unit = quantity.parse(str(divisor)).value() or 1
    return str(-(-quantity.parse(amount).value() // unit))
