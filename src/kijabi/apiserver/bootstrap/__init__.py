"""What a cluster holds before anybody has asked for anything: namespaces, RBAC policy, priority classes, the API's own
Service.

Guarantees: everything is ensured at every start and doing so again changes nothing; what an administrator added to a
bootstrap role stays, what he took away comes back (unless the object says ``autoupdate: "false"``), as upstream.
Flow schemas and priority levels are ensured by ``fairness``.
"""

from __future__ import annotations

from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.bootstrap import ensure, reconcilers
from kijabi.kit import clock
from kijabi.store import contract as store_contract


def build(
    access: contract.Access,
    options: options_.Options,
    *,
    store: store_contract.Store | None = None,
    timepiece: clock.Clock = clock.SYSTEM,
) -> ensure.Bootstrap:
    """``store`` is where the servers of one cluster know of each other."""
    members = reconcilers.choose(options.endpoint_reconciler_type, options.apiserver_count, store)
    return ensure.Bootstrap(access, options, timepiece, members)
