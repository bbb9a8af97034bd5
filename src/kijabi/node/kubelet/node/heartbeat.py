"""Registering the node, telling its status, renewing its Lease, and writing its CNI configuration.

The status is told at once when something changes (the runtime answers, the network is ready, a pressure begins), and
otherwise every five minutes; the Lease every quarter of its duration. Source: KEP-589 and upstream's kubelet.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kijabi.api import errors, kinds, quantity
from kijabi.client import leases, rest, transport
from kijabi.kit import clock, jsons
from kijabi.node.cri import contract
from kijabi.node.kubelet import options, pleg
from kijabi.node.kubelet.node import machine, report

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
_UNREADY_LOOK = 0.1
_QUICK_RETRY = 0.2
_DISK_KEPT_FREE = 0.1
_CNI_FILE = "10-kijabi.conflist"

Record = Callable[[str, str, str], None]  # type, reason, message


class Heartbeat:
    """``node`` is the Node as last seen, None before it is registered."""

    def __init__(
        self,
        client: rest.Client,
        runtime: contract.Runtime,
        chosen: options.Options,
        events: pleg.Pleg,
        record: Record,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._options = chosen
        self._pleg = events
        self._record = record
        self._clock = timepiece
        self._machine = machine.read(chosen.root_dir)
        self._addresses = tuple(filter(None, chosen.node_ip.split(","))) or (machine.default_address(),)
        self._told_at = 0.0
        self._ready: bool | None = None
        self._cni_written: tuple[str, ...] = ()
        self._registered = asyncio.Event()
        self.node: dict[str, Any] | None = None
        self.port = chosen.port

    @property
    def addresses(self) -> tuple[str, ...]:
        return self._addresses

    async def wait_registered(self) -> None:
        await self._registered.wait()

    def allocatable(self) -> dict[str, str]:
        return report.allocatable(self._options, report.capacity(self._options, self._machine))

    async def run(self) -> None:
        """Register, then tell the status for ever."""
        await self._register()
        while True:
            told = await self._tell()
            if not told:
                await self._clock.sleep(_QUICK_RETRY)
            else:
                # Until the node is ready, look often: a cluster that starts waits for it.
                pause = self._options.node_status_update_frequency if self._ready else _UNREADY_LOOK
                await self._clock.sleep(pause)

    def seen(self, node: dict[str, Any] | None) -> None:
        """The Node as a watch shows it; its pod CIDR may have come."""
        if node is not None:
            self.node = node
            self._write_cni(node)

    async def _register(self) -> None:
        facts = await self._facts()
        fresh = report.new_node(self._options, self._machine)
        fresh["status"] = report.status(self._options, self._machine, facts, {})
        while True:
            try:
                self.node = await self._create_or_adopt(fresh)
                break
            except (errors.ApiError, transport.Unreachable) as error:
                log.info("cannot register node %s: %s", self._options.node_name, error)
                await self._clock.sleep(_QUICK_RETRY)
        self._registered.set()
        self._write_cni(self.node)
        self._record("Normal", "Starting", "Starting kubelet.")

    async def _create_or_adopt(self, fresh: dict[str, Any]) -> dict[str, Any]:
        name = self._options.node_name
        if not self._options.register_node:
            return await self._client.get(kinds.NODES, name)
        try:
            return await self._client.create(kinds.NODES, fresh)
        except errors.AlreadyExists:
            existing = await self._client.get(kinds.NODES, name)
        wanted = fresh["metadata"]["labels"]
        if all((existing["metadata"].get("labels") or {}).get(key) == value for key, value in wanted.items()):
            return existing
        return await self._client.patch(
            kinds.NODES, name, "", {"metadata": {"labels": wanted}}, type=rest.STRATEGIC_MERGE_PATCH
        )

    async def _facts(self) -> report.Facts:
        problems, version, images = [], None, []
        try:
            version = await self._runtime.version()
            for condition in await self._runtime.status():
                if not condition.status:
                    problems.append(_not_ready(condition))
            images = await self._runtime.list_images()
        except contract.RuntimeFailure as error:
            problems.append(f"container runtime is down: {error}")
        if not self._pleg.healthy() and version is not None and self._pleg.relisted_at >= 0:
            problems.append("PLEG is not healthy: pleg was last seen active over 3m0s ago; threshold is 3m0s")
        return report.Facts(
            now=self._clock.time(),
            version=version,
            images=images,
            addresses=self._addresses,
            problems=problems,
            pressures=self._pressures(),
            port=self.port,
        )

    def _pressures(self) -> dict[str, bool]:
        if not self._runtime.on_disk:
            return {}
        available = machine.memory_info().get("MemAvailable", self._machine.memory)
        whole, free = machine.disk_size(self._options.root_dir)
        limit, running = machine.process_ids()
        return {
            "MemoryPressure": available < quantity.parse(self._options.eviction_memory).value(),
            "DiskPressure": free < whole * _DISK_KEPT_FREE,
            "PIDPressure": running > limit * 0.95,
        }

    async def _tell(self) -> bool:
        """Tell the status if it has changed or is due; False when it could not be told."""
        assert self.node is not None
        previous = self.node.get("status") or {}
        facts = await self._facts()
        made = report.status(self._options, self._machine, facts, previous)
        ready = not facts.problems
        now = self._clock.monotonic()
        due = now - self._told_at >= self._options.node_status_report_frequency
        if report.changed(previous, made) or due or self._told_at == 0.0:
            try:
                await self._patch(previous, made)
            except errors.NotFound:
                await self._register()
                return True
            except (errors.ApiError, transport.Unreachable) as error:
                log.warning("cannot tell the status of node %s: %s", self._options.node_name, error)
                return False
            self._told_at = now
        if ready is not self._ready:
            self._ready = ready
            state = "NodeReady" if ready else "NodeNotReady"
            self._record("Normal", state, f"Node {self._options.node_name} status is now: {state}")
        return True

    async def _patch(self, previous: dict[str, Any], made: dict[str, Any]) -> None:
        changes = {key: value for key, value in made.items() if previous.get(key) != value}
        if "addresses" in changes and previous.get("addresses"):
            changes["addresses"] = [*changes["addresses"], {"$patch": "replace"}]
        self.node = await self._client.patch(
            kinds.NODES,
            self._options.node_name,
            "",
            {"status": changes},
            type=rest.STRATEGIC_MERGE_PATCH,
            subresource="status",
        )

    def _write_cni(self, node: dict[str, Any]) -> None:
        spec = node.get("spec") or {}
        cidrs = tuple(spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")]))
        if not self._options.cni_conf_dir or not cidrs or cidrs == self._cni_written:
            return
        directory = Path(self._options.cni_conf_dir)
        directory.mkdir(parents=True, exist_ok=True)
        text = jsons.dumps(report.cni(cidrs, self._options.cni_bridge, self._options.cni_mtu))
        # containerd reads whatever appears in the directory: it must appear whole.
        temporary = directory / f".{_CNI_FILE}"
        temporary.write_bytes(text)
        os.replace(temporary, directory / _CNI_FILE)
        self._cni_written = cidrs

    async def renew_lease(self) -> None:
        """Renew the node's Lease for ever."""
        await self._registered.wait()
        lease: dict[str, Any] | None = None
        interval = self._options.node_lease_duration / 4
        while True:
            try:
                lease = await self._renew(lease)
                await self._clock.sleep(interval)
            except errors.Conflict:
                lease = None
            except (errors.ApiError, transport.Unreachable) as error:
                log.warning("cannot renew the lease of node %s: %s", self._options.node_name, error)
                lease = None
                await self._clock.sleep(_QUICK_RETRY)

    async def _renew(self, lease: dict[str, Any] | None) -> dict[str, Any]:
        name = self._options.node_name
        now = leases.micro_time(self._clock.time())
        if lease is None:
            try:
                lease = await self._client.get(kinds.LEASES, name, LEASE_NAMESPACE)
            except errors.NotFound:
                return await self._client.create(kinds.LEASES, self._new_lease(now))
        spec = {
            **(lease.get("spec") or {}),
            "holderIdentity": name,
            "leaseDurationSeconds": self._options.node_lease_duration,
            "renewTime": now,
        }
        return await self._client.update(kinds.LEASES, {**lease, "spec": spec})

    def _new_lease(self, now: str) -> dict[str, Any]:
        name = self._options.node_name
        meta: dict[str, Any] = {"name": name, "namespace": LEASE_NAMESPACE}
        if self.node is not None and self.node["metadata"].get("uid"):
            uid = self.node["metadata"]["uid"]
            meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": self._options.node_lease_duration,
            "renewTime": now,
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


def _not_ready(condition: contract.Condition) -> str:
    detail = f"{condition.type}=false reason:{condition.reason} message:{condition.message}"
    if condition.type == "NetworkReady":
        return f"container runtime network not ready: {detail}"
    return f"container runtime not ready: {detail}"
