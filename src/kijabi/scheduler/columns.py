"""Nodes as rows, resources as integer columns.

A row keeps its place for as long as its node lives; a row that came free is used again. ``static`` remembers, for a
rule that looks at nothing but a node's own labels and taints, its value per row, and asks again only for rows that
changed: so a rule costs a Python call per changed node, not per pod and node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from kijabi.api.predicates import fit
from kijabi.api.resource import Object
from kijabi.scheduler.podinfo import PodInfo

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

CPU, MEMORY, EPHEMERAL, PODS = "cpu", "memory", "ephemeral-storage", "pods"
REMEMBERED = 512


class _Static:
    """The remembered values of one rule, and the version they were computed at."""

    def __init__(self, size: int) -> None:
        self.values: Ints = np.zeros(size, np.int64)
        self.version = 0


class Columns:
    """All rows; ``alive`` says which hold a node. Arrays are longer than the number of nodes: mask them."""

    def __init__(self) -> None:
        self.size = 64
        self.resources: dict[str, int] = {CPU: 0, MEMORY: 1, EPHEMERAL: 2, PODS: 3}
        self.allocatable: Ints = np.zeros((self.size, 8), np.int64)
        self.used: Ints = np.zeros((self.size, 8), np.int64)
        self.reckoned: Ints = np.zeros((self.size, 2), np.int64)
        self.alive: Mask = np.zeros(self.size, np.bool_)
        self.nodes: list[Object | None] = [None] * self.size
        self.pods: list[dict[str, PodInfo]] = [{} for _ in range(self.size)]
        self.row_of: dict[str, int] = {}
        self.count = 0
        self._free: list[int] = []
        self._end = 0
        self._version = 0
        self._row_version: Ints = np.zeros(self.size, np.int64)
        self._static: OrderedDict[Hashable, _Static] = OrderedDict()
        self._domains: dict[str, dict[str, int]] = {}
        # Image name -> rows that have it, with its size there.
        self.images: dict[str, dict[int, int]] = {}
        # Pods of nodes that are not known (yet): counted as soon as the node comes.
        self._waiting: dict[str, dict[str, PodInfo]] = {}

    def name(self, row: int) -> str:
        node = self.nodes[row]
        return str(node["metadata"]["name"]) if node is not None else ""

    def set_node(self, node: Object) -> list[PodInfo]:
        """Add or replace a node. Gives the pods that had waited for it and are now placed on it."""
        name = node["metadata"]["name"]
        row = self.row_of.get(name)
        fresh = row is None
        if row is None:
            row = self._new_row(name)
        else:
            self._forget_images(row)
        self.nodes[row] = node
        self._version += 1
        self._row_version[row] = self._version
        self.allocatable[row, :] = 0
        for resource, amount in fit.allocatable(node).items():
            column = self._column(resource)
            self.allocatable[row, column] = amount.milli() if resource == CPU else amount.value()
        for image in (node.get("status") or {}).get("images") or ():
            for image_name in image.get("names") or ():
                self.images.setdefault(image_name, {})[row] = int(image.get("sizeBytes") or 0)
        placed = list(self._waiting.pop(name, {}).values()) if fresh else []
        for pod in placed:
            self._add(row, pod)
        return placed

    def remove_node(self, name: str) -> list[PodInfo]:
        """Gives the pods that were on it; they wait, in case the node comes back."""
        row = self.row_of.pop(name, None)
        if row is None:
            return []
        there = list(self.pods[row].values())
        if there:
            self._waiting[name] = {pod.uid: pod for pod in there}
        self._forget_images(row)
        self.pods[row] = {}
        self.nodes[row] = None
        self.alive[row] = False
        self.allocatable[row, :] = 0
        self.used[row, :] = 0
        self.reckoned[row, :] = 0
        self._free.append(row)
        self.count -= 1
        return there

    def add_pod(self, node: str, pod: PodInfo) -> int | None:
        """Count a pod on a node; gives the row, or None while the node is not known."""
        row = self.row_of.get(node)
        if row is None:
            self._waiting.setdefault(node, {})[pod.uid] = pod
            return None
        self._add(row, pod)
        return row

    def remove_pod(self, node: str, uid: str) -> tuple[int, PodInfo] | None:
        row = self.row_of.get(node)
        if row is None:
            self._waiting.get(node, {}).pop(uid, None)
            return None
        pod = self.pods[row].pop(uid, None)
        if pod is None:
            return None
        self._count(row, pod, -1)
        return row, pod

    def _add(self, row: int, pod: PodInfo) -> None:
        self.pods[row][pod.uid] = pod
        self._count(row, pod, 1)

    def _count(self, row: int, pod: PodInfo, sign: int) -> None:
        for resource, amount in pod.requests.items():
            # Looked up first: a new resource may make the array anew, and the old one must not be written to.
            column = self._column(resource)
            self.used[row, column] += sign * amount
        self.used[row, 3] += sign
        self.reckoned[row, 0] += sign * pod.reckoned[0]
        self.reckoned[row, 1] += sign * pod.reckoned[1]

    def _new_row(self, name: str) -> int:
        if self._free:
            row = self._free.pop()
        else:
            if self._end == self.size:
                self._grow()
            row = self._end
            self._end += 1
        self.row_of[name] = row
        self.alive[row] = True
        self.count += 1
        return row

    def _grow(self) -> None:
        extra = self.size
        self.allocatable = np.vstack([self.allocatable, np.zeros_like(self.allocatable)])
        self.used = np.vstack([self.used, np.zeros_like(self.used)])
        self.reckoned = np.vstack([self.reckoned, np.zeros_like(self.reckoned)])
        self.alive = np.concatenate([self.alive, np.zeros(extra, np.bool_)])
        self._row_version = np.concatenate([self._row_version, np.zeros(extra, np.int64)])
        self.nodes += [None] * extra
        self.pods += [{} for _ in range(extra)]
        self.size += extra
        self._static.clear()

    def _column(self, resource: str) -> int:
        column = self.resources.get(resource)
        if column is None:
            column = self.resources[resource] = len(self.resources)
            if column == self.allocatable.shape[1]:
                self.allocatable = np.hstack([self.allocatable, np.zeros_like(self.allocatable)])
                self.used = np.hstack([self.used, np.zeros_like(self.used)])
        return column

    def wanted(self, requests: dict[str, int]) -> Iterable[tuple[str, int, int]]:
        """(resource, its column, the amount) of what a pod asks for."""
        return [(resource, self._column(resource), amount) for resource, amount in requests.items()]

    def _forget_images(self, row: int) -> None:
        for image in ((self.nodes[row] or {}).get("status") or {}).get("images") or ():
            for name in image.get("names") or ():
                rows = self.images.get(name)
                if rows is not None:
                    rows.pop(row, None)
                    if not rows:
                        del self.images[name]

    def static(self, key: Hashable, value: Callable[[Object], int]) -> Ints:
        """``value(node)`` for every row, out of memory where the node has not changed. Not to be written to."""
        known = self._static.get(key)
        if known is None:
            known = self._static[key] = _Static(self.size)
            if len(self._static) > REMEMBERED:
                self._static.popitem(last=False)
        else:
            self._static.move_to_end(key)
        if known.version != self._version:
            for row in np.nonzero(self._row_version > known.version)[0].tolist():
                node = self.nodes[row]
                if node is not None:
                    known.values[row] = value(node)
            known.version = self._version
        return known.values

    def domains(self, topology_key: str) -> Ints:
        """Per row the number of the node's value of a label; -1 where it has none."""
        known = self._domains.setdefault(topology_key, {})

        def number(node: Object) -> int:
            text: Any = (node["metadata"].get("labels") or {}).get(topology_key)
            return -1 if text is None else known.setdefault(text, len(known))

        return self.static(("domain", topology_key), number)

    def domain_count(self, topology_key: str) -> int:
        """One more than the highest number that ``domains`` can hold."""
        return len(self._domains.get(topology_key, ()))
