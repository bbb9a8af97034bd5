"""Times to live: keys that expire at about the same time hang on one lease.

A lease per key would be a lease per Event object, and every lease costs etcd a checkpoint and a timer. A key may live a
little longer than it asked for (a twentieth, a minute at most), so that all keys of that span share a lease.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from kijabi.store import contract
from kijabi.store.etcd import endpoints, wire

# Upstream's --lease-max-object-count default, and its longest reuse in seconds.
MOST_KEYS = 1000
LONGEST_SHARE = 60.0


@dataclass(slots=True)
class _Lease:
    identity: int
    expires: float
    keys: int = 0


class Leases:
    def __init__(self, members: endpoints.Endpoints) -> None:
        self._members = members
        self._newest: dict[float, _Lease] = {}

    async def lease(self, ttl: float) -> int:
        """A lease that lives for ``ttl`` seconds at least. Raises what a call raises."""
        now = time.monotonic()
        found = self._newest.get(ttl)
        if found is None or found.expires < now + ttl or found.keys >= MOST_KEYS:
            share = min(ttl * 0.05, LONGEST_SHARE)
            seconds = max(1, math.ceil(ttl + share))
            answer, _ = await self._members.call(wire.GRANT, wire.LeaseGrantRequest(TTL=seconds))
            if answer.error:
                raise contract.StoreError(answer.error)
            # ``now`` is from before the grant: the lease never expires sooner than reckoned here.
            found = self._newest[ttl] = _Lease(answer.ID, now + seconds)
        found.keys += 1
        return found.identity

    def forget(self, ttl: float) -> None:
        """The lease that was given last is gone (etcd was restored from a backup, or its clock ran ahead)."""
        self._newest.pop(ttl, None)
