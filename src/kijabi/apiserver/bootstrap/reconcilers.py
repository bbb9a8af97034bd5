"""Whose addresses stand behind the Service ``kubernetes``: the answer of ``--endpoint-reconciler-type``.

``lease``: every server keeps a key that expires, and who has one is listed; a server that dies drops out by itself.
``master-count``: every server adds itself, and when that makes more than ``--apiserver-count``, others go. Where no
other server can share the store there is only this one, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kijabi.kit import jsons
from kijabi.store import contract

LEASES = "/registry/masterleases/"
# Seconds that a server is listed after it was last heard of; it renews every ten.
LEASE_SECONDS = 15.0


class Reconciler(Protocol):
    async def join(self, address: str, listed: Sequence[str]) -> list[str]:
        """The addresses to list, given those that are listed; ``address`` is this server's. Raises StoreError."""
        ...

    async def leave(self, address: str, listed: Sequence[str]) -> list[str]:
        """The addresses to list when this server is gone."""
        ...


class Alone:
    async def join(self, address: str, listed: Sequence[str]) -> list[str]:
        return [address]

    async def leave(self, address: str, listed: Sequence[str]) -> list[str]:
        return []


class Leased:
    def __init__(self, store: contract.Store) -> None:
        self._store = store

    async def join(self, address: str, listed: Sequence[str]) -> list[str]:
        record = {
            "kind": "Endpoints",
            "apiVersion": "v1",
            "metadata": {},
            "subsets": [{"addresses": [{"ip": address}]}],
        }
        await self._store.put(LEASES + address, jsons.dumps(record), ttl=LEASE_SECONDS)
        return await self._alive()

    async def leave(self, address: str, listed: Sequence[str]) -> list[str]:
        await self._store.delete(LEASES + address)
        return await self._alive()

    async def _alive(self) -> list[str]:
        page = await self._store.range(LEASES)
        return [entry.key.removeprefix(LEASES) for entry in page.entries]


class Counted:
    def __init__(self, count: int) -> None:
        self._count = max(count, 1)

    async def join(self, address: str, listed: Sequence[str]) -> list[str]:
        others = sorted({one for one in listed if one != address})
        # Which of too many is dead nobody knows: the first go, and those alive come back with their next turn.
        surplus = max(0, len(others) + 1 - self._count)
        return sorted([address, *others[surplus:]])

    async def leave(self, address: str, listed: Sequence[str]) -> list[str]:
        return sorted({one for one in listed if one != address})


def choose(kind: str, count: int, store: contract.Store | None) -> Reconciler:
    """``kind`` is the flag's value. ``none`` is never asked."""
    if kind == "master-count":
        return Counted(count)
    if store is not None and store.shared:
        return Leased(store)
    return Alone()
