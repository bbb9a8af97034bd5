"""When two specs say the same, as upstream sees it."""

from __future__ import annotations

from typing import Any

from kijabi.api import quantity

_AMOUNTS = ("limits", "requests", "overhead", "capacity")


def same(new: Any, old: Any) -> bool:
    """Equal as upstream sees it: quantities by worth, a missing list as good as an empty one."""
    if new == old:
        return True
    if isinstance(new, dict) and isinstance(old, dict):
        for key in new.keys() | old.keys():
            mine, other = new.get(key), old.get(key)
            if key in _AMOUNTS and _amounts(mine) == _amounts(other):
                continue
            if not same(mine, other) and (mine or other or mine.__class__ is bool or other.__class__ is bool):
                return False
        return True
    if isinstance(new, list) and isinstance(old, list):
        return len(new) == len(old) and all(same(mine, other) for mine, other in zip(new, old, strict=True))
    return False


def _amounts(listed: Any) -> dict[str, quantity.Quantity] | None:
    return quantity.resource_list(listed) if isinstance(listed, dict) or listed is None else None
