"""The actor of this package: what is missing is created, what has drifted is written, at start and periodically."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from pathlib import Path

from kijabi.api import errors, kinds, resource, timestamps
from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.authz import policy
from kijabi.apiserver.bootstrap import objects, reconcile, reconcilers
from kijabi.kit import clock
from kijabi.store import contract as store_contract

log = logging.getLogger(__name__)

Object = contract.Object

# Upstream's endpoint reconciler interval, in seconds.
INTERVAL = 10.0


class Bootstrap:
    """``ensure`` once before the server says it is ready, ``keep`` for ever after, ``withdraw`` at the end."""

    def __init__(
        self,
        access: contract.Access,
        options: options_.Options,
        timepiece: clock.Clock = clock.SYSTEM,
        members: reconcilers.Reconciler | None = None,
    ) -> None:
        self._access = access
        self._options = options
        self._clock = timepiece
        self._members = members or reconcilers.Alone()
        # A last renewal of this server's place must not come after it has left.
        self._left = False
        self._turn = asyncio.Lock()
        # Not everything that belongs to a cluster could be written at start.
        self._owing = False
        # Said once: the default ServiceCIDR is not what the flag says.
        self._differs = False
        self._cidrs = [cidr.strip() for cidr in options.service_cluster_ip_range.split(",") if cidr.strip()]

    async def ensure(self) -> None:
        """Everything. What cannot be written is tried again later: a webhook that nobody answers may refuse it, and
        only a server that has started lets its administrator take that webhook away."""
        try:
            await self._everything()
        except errors.ApiError as error:
            self._owing = True
            log.warning("what a cluster starts with cannot be ensured yet: %s", error)

    async def _everything(self) -> None:
        """Raises an ApiError when something cannot be written."""
        await self._namespaces()
        # At once, so that the store commits them together: a new cluster has some hundred and fifty of these.
        await asyncio.gather(
            *(self._rbac(what, wanted) for what, wanted in policy.objects()),
            *(self._exists(kinds.PRIORITY_CLASSES, wanted) for wanted in objects.priority_classes()),
            self._configuration(),
            self._service_cidr(),
        )
        await self.ensure_service()

    async def ensure_service(self) -> None:
        """The Service ``kubernetes`` and where it leads."""
        await self._exists(kinds.SERVICES, objects.service(self._cidrs[0], self._options.secure_port))
        address = advertised(self._options)
        if self._options.endpoint_reconciler_type == "none" or not address:
            return
        async with self._turn:
            if self._left:
                return
            await self._list(await self._members.join(address, await self._listed()))

    async def _listed(self) -> list[str]:
        """The addresses behind the Service now."""
        there = await self._access.get(kinds.ENDPOINTS, objects.SERVICE, "default") or {}
        subsets = there.get("subsets") or ()
        return [one["ip"] for subset in subsets for one in subset.get("addresses") or ()]

    async def _list(self, addresses: list[str]) -> None:
        port = self._options.secure_port
        await self._is(kinds.ENDPOINTS, objects.endpoints(addresses, port), ("subsets",))
        await self._is(
            kinds.ENDPOINT_SLICES, objects.endpoint_slice(addresses, port), ("addressType", "endpoints", "ports")
        )

    async def keep(self) -> None:
        """Ensure namespaces and the API's Service again every ten seconds. An error is logged and tried again."""
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                if self._owing:
                    await self._everything()
                    self._owing = False
                await self._namespaces()
                await self._service_cidr()
                await self.ensure_service()
            except (errors.ApiError, store_contract.StoreError) as error:
                log.warning("the kubernetes service cannot be ensured: %s", error)

    async def withdraw(self) -> None:
        """Take this server's address out of the Service, so that no client is sent to it any more."""
        address = advertised(self._options)
        if self._options.endpoint_reconciler_type == "none" or not address:
            return
        async with self._turn:
            self._left = True
            others = await self._members.leave(address, await self._listed())
            if others:
                await self._list(others)
            else:
                await self._empty()

    async def leave(self) -> None:
        """``withdraw``, but going whatever is said to it."""
        try:
            await self.withdraw()
        except errors.ApiError as error:
            log.warning("this server's address stays in the kubernetes service: %s", error)

    async def _empty(self) -> None:
        def empty(obj: Object) -> None:
            obj.update({key: [] for key in ("subsets", "endpoints") if key in obj})

        for what in (kinds.ENDPOINTS, kinds.ENDPOINT_SLICES):
            try:
                await self._access.mutate(what, objects.SERVICE, "default", empty)
            except errors.NotFound:
                continue

    async def _namespaces(self) -> None:
        wanted = (objects.namespace(name) for name in objects.NAMESPACES)
        await asyncio.gather(*(self._exists(kinds.NAMESPACES, one) for one in wanted))

    async def _exists(self, what: resource.Resource, wanted: Object) -> None:
        meta = wanted["metadata"]
        if await self._access.get(what, meta["name"], meta.get("namespace", "")) is None:
            await self._create(what, wanted)

    async def _create(self, what: resource.Resource, wanted: Object) -> None:
        try:
            await self._access.create(what, wanted)
        except errors.AlreadyExists:
            # Another server of the same cluster was quicker.
            return

    async def _is(self, what: resource.Resource, wanted: Object, parts: Iterable[str]) -> None:
        """Create, or make ``parts`` and labels as wanted."""
        meta = wanted["metadata"]
        there = await self._access.get(what, meta["name"], meta["namespace"])
        if there is None:
            await self._create(what, wanted)
            return

        def differs(obj: Object) -> bool:
            labels = obj["metadata"].get("labels") or {}
            return any(obj.get(part) != wanted[part] for part in parts) or not meta["labels"].items() <= labels.items()

        def change(obj: Object) -> None:
            obj.update({part: wanted[part] for part in parts})
            obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), **meta["labels"]}

        if not differs(there):
            return
        if there.get("addressType") != wanted.get("addressType"):
            # The address type of a slice cannot change.
            await self._access.delete(what, meta["name"], meta["namespace"])
            await self._create(what, wanted)
            return
        await self._access.mutate(what, meta["name"], meta["namespace"], change)

    async def _rbac(self, what: resource.Resource, wanted: Object) -> None:
        meta = wanted["metadata"]
        name, namespace = meta["name"], meta.get("namespace", "")
        there = await self._access.get(what, name, namespace)
        if there is None:
            await self._create(what, wanted)
            return
        made = reconcile.reconciled(there, wanted)
        if made is None:
            return
        if made is wanted:
            # A roleRef cannot change.
            await self._access.delete(what, name, namespace)
            await self._create(what, wanted)
            return

        def change(obj: Object) -> None:
            again = reconcile.reconciled(obj, wanted)
            if again is not None:
                obj.update(again)

        await self._access.mutate(what, name, namespace, change)

    async def _configuration(self) -> None:
        options = self._options
        front_proxy: Object | None = None
        if options.requestheader_client_ca_file:
            front_proxy = {
                "requestheader-username-headers": list(options.requestheader_username_headers),
                "requestheader-group-headers": list(options.requestheader_group_headers),
                "requestheader-extra-headers-prefix": list(options.requestheader_extra_headers_prefix),
                "requestheader-client-ca-file": _text(options.requestheader_client_ca_file),
                "requestheader-allowed-names": list(options.requestheader_allowed_names),
            }
        wanted = objects.authentication_config(_text(options.client_ca_file), front_proxy)
        meta = wanted["metadata"]
        there = await self._access.get(kinds.CONFIG_MAPS, meta["name"], meta["namespace"])
        if there is None:
            await self._create(kinds.CONFIG_MAPS, wanted)
        elif there.get("data", {}) != wanted["data"]:
            await self._access.mutate(
                kinds.CONFIG_MAPS, meta["name"], meta["namespace"], lambda obj: obj.update(data=wanted["data"])
            )

    async def _service_cidr(self) -> None:
        what = kinds.SERVICE_CIDRS
        await self._exists(what, objects.service_cidr(self._cidrs))
        there = await self._access.get(what, objects.SERVICE)
        if there is None or there["metadata"].get("deletionTimestamp"):
            # Whether it may go is the controllers' to say; when it has gone, it is made anew.
            return
        cidrs = there["spec"]["cidrs"]
        if cidrs != self._cidrs and cidrs == self._cidrs[:1]:
            await self._access.mutate(what, objects.SERVICE, "", lambda obj: obj["spec"].update(cidrs=self._cidrs))
        elif cidrs != self._cidrs:
            if not self._differs:
                log.warning("the default ServiceCIDR %s does not match the flag's %s", cidrs, self._cidrs)
            self._differs = True
            return
        if _ready(there):
            return
        condition = objects.ready_condition(timestamps.format_time(self._clock.time()))

        def change(obj: Object) -> None:
            if not _ready(obj):
                obj.setdefault("status", {}).setdefault("conditions", []).append(condition)

        await self._access.mutate(what, objects.SERVICE, "", change, subresource="status")


def _ready(cidr: Object) -> bool:
    conditions = (cidr.get("status") or {}).get("conditions") or ()
    return any(condition.get("type") == "Ready" for condition in conditions)


def _text(path: str) -> str:
    return Path(path).read_text() if path else ""


def advertised(options: options_.Options) -> str:
    """The address that others reach this server at: as told, or that of the default route; empty when there is none."""
    if options.advertise_address:
        return options.advertise_address
    if options.bind_address not in ("", "0.0.0.0", "::"):
        return options.bind_address
    # Connecting a datagram socket sends nothing; it only asks the kernel which source address it would take.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
