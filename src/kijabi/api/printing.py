"""What the kinds' ``columns`` share: the common columns and cells of server-side tables.

Source: upstream's server-side printers, as ``kubectl get`` shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kijabi.api import timestamps
from kijabi.api.resource import Column, Object

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"

NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", description="CreationTimestamp is a timestamp representing the server time of creation.")
CONTAINERS = Column("Containers", priority=1, description="Names of each container in the template.")
IMAGES = Column("Images", priority=1, description="Images referenced by each container in the template.")
SELECTOR = Column("Selector", priority=1, description="Label selector for pods.")


def text(name: str, description: str = "") -> Column:
    return Column(name, description=description)


def number(name: str, description: str = "") -> Column:
    return Column(name, "integer", description=description)


def wide(name: str, description: str = "") -> Column:
    return Column(name, description=description, priority=1)


def name(obj: Object) -> str:
    found: str = obj["metadata"].get("name", "")
    return found


def age(obj: Object, now: float) -> str:
    return timestamps.age(obj["metadata"].get("creationTimestamp"), now)


def containers(spec: Mapping[str, Any]) -> list[str]:
    """The cells of CONTAINERS and IMAGES for a pod spec."""
    listed = spec.get("containers") or ()
    return [",".join(c.get("name", "") for c in listed), ",".join(c.get("image", "") for c in listed)]


def labels(pairs: Mapping[str, str] | None) -> str:
    """``a=b,c=d`` in the order of keys."""
    return ",".join(f"{key}={pairs[key]}" for key in sorted(pairs)) if pairs else NONE


def some(items: Iterable[str], most: int = 3, empty: str = NONE) -> str:
    """The first few, and how many more: ``a,b,c + 2 more...``."""
    listed = list(items)
    if not listed:
        return empty
    shown = ",".join(listed[:most])
    return shown if len(listed) <= most else f"{shown} + {len(listed) - most} more..."


def truth(value: bool | None, missing: str = UNSET) -> str:
    """A boolean that may not be there."""
    return missing if value is None else ("True" if value else "False")
