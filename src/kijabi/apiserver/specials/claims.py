"""Claims that several API servers honour: an IPAddress object per cluster IP, a key of the store per node port.

Both are created where nothing must be yet, so of two servers that want the same number one gets it, and a number is
claimed before the Service that holds it is written: what a crash leaves behind is a claim too many, never one too few
(``repair`` collects those). Upstream keeps node ports as one bitmap, which every creation of a Service fights for; a
key per port has no such contention and says whose the port is. Where nobody shares the store, the Services themselves
are all there is to know of ports, and nothing more is kept.
"""

from __future__ import annotations

import logging

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.specials import ledger, service_spec
from kijabi.kit import jsons
from kijabi.store import contract as store_contract

log = logging.getLogger(__name__)

Object = contract.Object

SERVICES = "/registry/services/specs/"
PORTS = "/registry/ranges/servicenodeports/"


def ip_address(address: str, service: Object) -> Object:
    """The IPAddress that says that a Service holds an address."""
    meta = service["metadata"]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address,
            "labels": {ledger.FAMILY_LABEL: service_spec.family(address), ledger.MANAGED_BY: ledger.ALLOCATOR},
        },
        "spec": {
            "parentRef": {
                "resource": "services",
                "namespace": meta.get("namespace", ""),
                "name": meta.get("name", ""),
            }
        },
    }


class Claims:
    """``store`` is where servers of one cluster share their node ports; None where there is only one server."""

    def __init__(self, access: contract.Access, store: store_contract.Store | None = None) -> None:
        self._access = access
        self._store = store if store is not None and store.shared else None

    # --- addresses

    async def take_address(self, address: str, service: Object) -> bool:
        """Whether the address is the Service's now; False where it is somebody's already."""
        try:
            await self._access.create(kinds.IP_ADDRESSES, ip_address(address, service))
        except errors.AlreadyExists:
            return False
        return True

    async def release_address(self, address: str, service: Object) -> None:
        """Give an address of the Service back. What fails is left to the repair."""
        meta = service["metadata"]
        there = await self._access.get(kinds.IP_ADDRESSES, address)
        mine = ("", "services", meta.get("namespace", ""), meta.get("name", ""))
        if there is not None and ledger.address_of(there).parent != mine:
            return
        try:
            await self._access.delete(kinds.IP_ADDRESSES, address)
        except errors.NotFound:
            return
        except errors.ApiError as error:
            log.warning("the address %s cannot be released now: %s", address, error)

    async def is_wanted(self, address: str, namespace: str, name: str) -> bool:
        """Whether the stored Service holds the address, though this server's cache may not know yet."""
        if self._store is None:
            return False
        there = await self._store.get(f"{SERVICES}{namespace}/{name}")
        return there is not None and f'"{address}"'.encode() in there.value

    # --- node ports

    async def take_port(self, port: int, service: Object) -> bool:
        """Whether the port is the Service's now."""
        if self._store is None:
            return True
        owner = _owner(service)
        try:
            await self._store.put(f"{PORTS}{port}", owner, expect=0)
        except store_contract.Conflict as conflict:
            return conflict.current is not None and conflict.current.value == owner
        return True

    async def release_port(self, port: int, service: Object) -> None:
        if self._store is None:
            return
        key = f"{PORTS}{port}"
        try:
            there = await self._store.get(key)
            if there is not None and there.value == _owner(service):
                await self._store.delete(key, expect=there.revision)
        except store_contract.Conflict:
            return
        except store_contract.StoreError as error:
            log.warning("the node port %d cannot be released now: %s", port, error)

    async def ports(self) -> dict[int, store_contract.Entry]:
        """The claims there are, by port."""
        if self._store is None:
            return {}
        page = await self._store.range(PORTS)
        return {int(entry.key.removeprefix(PORTS)): entry for entry in page.entries}

    @property
    def keeps_ports(self) -> bool:
        return self._store is not None

    async def drop_port(self, claim: store_contract.Entry) -> None:
        """Take a claim away that nobody stands behind, unless it has changed meanwhile."""
        if self._store is not None:
            try:
                await self._store.delete(claim.key, expect=claim.revision)
            except store_contract.Conflict:
                return


def _owner(service: Object) -> bytes:
    meta = service["metadata"]
    return jsons.dumps({key: meta.get(key, "") for key in ("namespace", "name", "uid")})
