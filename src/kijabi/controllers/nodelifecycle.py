"""Nodes that fall silent, and nodes whose conditions keep pods away.

A node is alive as long as its Lease or its status changes, by this process's own clock. After the grace period its
conditions become Unknown, it is tainted, and its pods are marked not ready so that Services leave them out; deleting
them is the taint eviction controller's.
Source: the documentation of nodes ("Heartbeats", "Node controller", "Taint nodes by condition").
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api import conditions, errors, kinds, timestamps
from kijabi.api.resource import Object
from kijabi.client import events, rest
from kijabi.controllers import contract

LEASES_OF_NODES = "kube-node-lease"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

# Condition type -> status -> the NoSchedule taint that goes with it.
_TAINTS = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_OURS = {*_TAINTS.values(), UNSCHEDULABLE}
_HEARTBEATS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Heard:
    """The last sign of life of a node (whatever changes with it), and when we saw it by our own clock."""

    sign: tuple[str, ...]
    at: float


def sign_of_life(node: Object, lease: Object | None) -> tuple[str, ...]:
    ready = conditions.get(node, "Ready") or {}
    renewed = ((lease or {}).get("spec") or {}).get("renewTime") or ""
    return (ready.get("lastHeartbeatTime") or "", ready.get("status") or "", renewed)


def silent(node: Object, now: float) -> list[Object]:
    """The conditions of a node that stopped reporting; those that are Unknown already are left as they are."""
    stamp, made = timestamps.format_time(now), []
    for kind in _HEARTBEATS:
        current = conditions.get(node, kind)
        if current is None:
            made.append(
                {
                    "type": kind,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": node["metadata"].get("creationTimestamp"),
                    "lastTransitionTime": stamp,
                }
            )
        elif current["status"] != "Unknown":
            made.append(
                {
                    **current,
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": stamp,
                }
            )
    return made


def taints(node: Object, now: float) -> list[Object]:
    """The taints that the node should have: everybody else's, and ours by its conditions."""
    current = (node.get("spec") or {}).get("taints") or []
    ours: list[Object] = []
    for (kind, value), key in _TAINTS.items():
        found = conditions.get(node, kind)
        if found is None or found["status"] != value:
            continue
        ours.append({"key": key, "effect": "NoSchedule"})
        if kind == "Ready":
            ours.append({"key": key, "effect": "NoExecute"})
    if (node.get("spec") or {}).get("unschedulable"):
        ours.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    wanted = {(taint["key"], taint["effect"]) for taint in ours}
    kept = [taint for taint in current if taint["key"] not in _OURS or (taint["key"], taint["effect"]) in wanted]
    there = {(taint["key"], taint["effect"]) for taint in kept}
    stamp = timestamps.format_time(now)
    return kept + [{**taint, "timeAdded": stamp} for taint in ours if (taint["key"], taint["effect"]) not in there]


class NodeLifecycle:
    name = "node-lifecycle-controller"
    account = "node-controller"

    def __init__(self, context: contract.Context) -> None:
        self._context = context
        self._client = context.client_of(self.account)
        self._clock = context.clock
        self._nodes = context.informers.of(kinds.NODES)
        self._leases = context.informers.of(kinds.LEASES, rest.Selection(LEASES_OF_NODES))
        self._pods = context.informers.of(kinds.PODS, indexes={"node": by_node})
        self._recorder = context.recorder(self._client, "node-controller")
        self._heard: dict[str, Heard] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        for copy in (self._nodes, self._leases, self._pods):
            await copy.wait_synced()
        self._nodes.subscribe(lambda old, new: self._changed.set())
        recording = asyncio.ensure_future(self._recorder.run())
        try:
            while True:
                await self._look_at_all(self._nodes.items())
                await self._next()
        finally:
            recording.cancel()

    async def _next(self) -> None:
        """Until a node changes, or the monitor period is over."""
        self._changed.clear()
        waiting = asyncio.ensure_future(self._changed.wait())
        period = asyncio.ensure_future(self._clock.sleep(self._context.options.node_monitor_period))
        try:
            await asyncio.wait({waiting, period}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            period.cancel()

    async def _look_at_all(self, nodes: Iterable[Object]) -> None:
        names = set()
        for node in nodes:
            names.add(node["metadata"]["name"])
            try:
                await self._look(node)
            except (errors.Conflict, errors.NotFound):
                # Somebody else wrote the node or took it away; the event of that brings us back.
                continue
        for gone in self._heard.keys() - names:
            del self._heard[gone]

    async def _look(self, node: Object) -> None:
        name, now = node["metadata"]["name"], self._clock.monotonic()
        sign = sign_of_life(node, self._leases.get(name, LEASES_OF_NODES))
        heard = self._heard.get(name)
        if heard is None or heard.sign != sign:
            heard = self._heard[name] = Heard(sign, now)
        options = self._context.options
        started = conditions.get(node, "Ready") is not None
        grace = options.node_monitor_grace_period if started else options.node_startup_grace_period
        if now - heard.at > grace:
            node = await self._declare_silent(node)
        wanted = taints(node, self._clock.time())
        if wanted != ((node.get("spec") or {}).get("taints") or []):
            rest = {key: value for key, value in node.get("spec", {}).items() if key != "taints"}
            # None at all is said by the field's absence, as a Go client says it.
            spec = {**rest, "taints": wanted} if wanted else rest
            node = await self._client.update(kinds.NODES, {**node, "spec": spec})
        if conditions.status(node, "Ready") in ("False", "Unknown"):
            await self._mark_pods(node)

    async def _declare_silent(self, node: Object) -> Object:
        changed = silent(node, self._clock.time())
        if not changed:
            return node
        kinds_changed = {condition["type"] for condition in changed}
        status = dict(node.get("status") or {})
        kept = [item for item in status.get("conditions") or () if item["type"] not in kinds_changed]
        status["conditions"] = kept + changed
        node = await self._client.update(kinds.NODES, {**node, "status": status}, subresource="status")
        self._heard[node["metadata"]["name"]] = Heard(
            sign_of_life(node, self._leases.get(node["metadata"]["name"], LEASES_OF_NODES)),
            # It stays silent until it speaks: our own write is no sign of its life.
            float("-inf"),
        )
        message = f"Node {node['metadata']['name']} status is now: NodeNotReady"
        self._recorder.record(_about(node), events.NORMAL, "NodeNotReady", message)
        return node

    async def _mark_pods(self, node: Object) -> None:
        for pod in self._pods.by_index("node", node["metadata"]["name"]):
            if conditions.status(pod, "Ready") != "True":
                continue
            fresh = {**pod, "status": {**pod["status"]}}
            fresh["status"]["conditions"] = [dict(item) for item in pod["status"]["conditions"]]
            conditions.put(fresh, {**(conditions.get(pod, "Ready") or {}), "status": "False"}, self._clock.time())
            await self._client.update(kinds.PODS, fresh, subresource="status")
            self._recorder.record(pod, events.WARNING, "NodeNotReady", "Node is not ready")


def by_node(pod: Object) -> list[str]:
    name = pod["spec"].get("nodeName")
    return [name] if name else []


def _about(node: Object) -> Object:
    """Events on nodes name the node as their uid, as the kubelet's own do."""
    name = node["metadata"]["name"]
    return {"kind": "Node", "name": name, "uid": node["metadata"]["uid"], "apiVersion": "v1"}
