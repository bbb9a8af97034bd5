"""What Go's encoder makes of zero values, where clients see it.

Upstream decodes every object into structs and encodes them again. A field that is not ``omitempty`` is then there even
if nobody sent it (``status.replicas: 0``), and one that is, and no pointer, is gone if its value is nothing
(``spec.paused: false``). The schema does not tell the two apart, so kinds say it where it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kijabi.api.resource import Object


def show(holder: Object | None, zeros: Mapping[str, Any]) -> None:
    """Fields that are always there."""
    if holder is not None:
        for key, zero in zeros.items():
            holder.setdefault(key, zero)


def hide(holder: Object | None, *keys: str) -> None:
    """Fields that are left out where they are nothing."""
    for key in keys:
        if holder is not None and key in holder and not holder[key]:
            del holder[key]


def conditions(told: Object | None, *keys: str) -> None:
    """A condition's times are written even where they are not known."""
    entries: Iterable[Object] = (told or {}).get("conditions") or ()
    for condition in entries:
        for key in keys:
            condition.setdefault(key, None)
