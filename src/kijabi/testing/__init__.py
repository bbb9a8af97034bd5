"""A whole cluster inside a test: API server, controllers, scheduler and hollow nodes in one process.

``Cluster`` runs on a thread of its own and is used from plain, synchronous tests; ``inprocess.InProcess`` is the same
for code that already runs on an event loop. No root, no containers, and no port unless one is asked for.
"""

from kijabi.testing.cluster import Cluster
from kijabi.testing.inprocess import InProcess

__all__ = ["Cluster", "InProcess"]
