"""A whole cluster inside a test: API server, controllers, scheduler and hollow nodes in one process.

``Cluster`` runs on a thread of its own and is used from plain, synchronous tests; ``InProcess`` is the same for code
that already runs on an event loop. No root, no containers, and no port unless one is asked for.

The two are loaded when first asked for: pytest imports this package at every start, for the sake of ``plugin``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kijabi.testing.cluster import Cluster as Cluster
    from kijabi.testing.inprocess import InProcess as InProcess

_HOMES = {"Cluster": "kijabi.testing.cluster", "InProcess": "kijabi.testing.inprocess"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(name)
