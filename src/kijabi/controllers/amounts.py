"""Numbers that users give as a count or as a percentage."""

from __future__ import annotations

import math
from typing import Any


def scaled(value: Any, whole: int, *, up: bool) -> int:
    """An int-or-percent of ``whole``; percents are rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * whole / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)
