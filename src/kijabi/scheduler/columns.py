"""Nodes as rows, resources as integer columns; and what rules found out about rows, for as long as it holds.

A row keeps its place for as long as its node lives; a row that came free is used again. Three memories spare the rules
their work, and each asks again only for what changed:

- ``static``: a value per row that depends on the node alone; asked anew for nodes that changed.
- ``loaded``: a value per row that depends also on what the pods there ask for; asked anew for rows where a pod came
  or went. One placement changes one row, so a score over 5,000 nodes costs as much as over one.
- ``whole``: anything that depends on the nodes alone, as one piece; made anew when any node changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from kijabi.api.predicates import fit
from kijabi.api.resource import Object
from kijabi.scheduler.podinfo import PodInfo

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

CPU, MEMORY, EPHEMERAL, PODS = "cpu", "memory", "ephemeral-storage", "pods"
REMEMBERED = 512


V = TypeVar("V")


class Arithmetic(NamedTuple):
    """What a formula needs beside the operators, for arrays of rows or for the numbers of one row.

    After a placement one row is computed anew; numpy takes twenty times as long for an array of one as Python for a
    number. So a formula is written once, over either.
    """

    maximum: Callable[[Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    whole: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    # Of a line of resources (``used``…), its column and rows: what is there, as an array or as Python's own number.
    pick: Callable[[Ints, int, Any], Any]


ARRAYS = Arithmetic(
    np.maximum,
    np.minimum,
    lambda values: values.astype(np.int64),
    np.where,
    lambda lines, column, rows: lines[column, rows],
)
NUMBERS = Arithmetic(max, min, int, lambda condition, yes, no: yes if condition else no, np.ndarray.item)

# Gives a value per row for an array of rows, or the value of one row.
Formula = Callable[[Any, Arithmetic], Any]
# So many rows are computed one by one.
FEW = 8


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """What a label divides nodes into: per row the number of its domain, -1 where it is in none.

    ``count`` is one more than the highest number. Sums per domain are kept with one place more, always zero, so that
    the number -1 finds it.
    """

    numbers: Ints
    count: int

    def sums(self, counts: Ints) -> Ints:
        known = np.nonzero(self.numbers >= 0)[0]
        found = np.bincount(self.numbers[known], weights=counts[known], minlength=self.count + 1)
        return found.astype(np.int64)

    def present(self) -> int:
        """How many domains have a row."""
        return len(np.unique(self.numbers[self.numbers >= 0]))


class _Static:
    """The remembered values of one rule, and the version they were computed at."""

    def __init__(self, size: int) -> None:
        self.values: Ints = np.zeros(size, np.int64)
        self.version = 0
        self.any = False


@dataclass(slots=True)
class _Loaded:
    """Values per row, and how much of the record of touched rows they take into account."""

    values: npt.NDArray[Any]
    seen: int


class Columns:
    """All rows; ``alive`` says which hold a node. Arrays are longer than the number of nodes: mask them.

    ``allocatable``, ``used`` and ``reckoned`` have a line per resource. ``reckoned`` (cpu, memory) is what is used with
    the defaults for containers that ask for nothing.
    """

    def __init__(self) -> None:
        self.size = 64
        self.resources: dict[str, int] = {CPU: 0, MEMORY: 1, EPHEMERAL: 2, PODS: 3}
        self.allocatable: Ints = np.zeros((8, self.size), np.int64)
        self.used: Ints = np.zeros((8, self.size), np.int64)
        self.reckoned: Ints = np.zeros((2, self.size), np.int64)
        self.alive: Mask = np.zeros(self.size, np.bool_)
        self.nodes: list[Object | None] = [None] * self.size
        self.names: list[str] = [""] * self.size
        self.pods: list[dict[str, PodInfo]] = [{} for _ in range(self.size)]
        self.row_of: dict[str, int] = {}
        self.count = 0
        self._free: list[int] = []
        self._end = 0
        self._version = 0
        self._row_version: Ints = np.zeros(self.size, np.int64)
        self._static: OrderedDict[Hashable, _Static] = OrderedDict()
        self._whole: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()
        self._loaded: OrderedDict[Hashable, _Loaded] = OrderedDict()
        # The rows where something was placed or removed, in order; the first ``_touched_before`` are forgotten.
        self._touched: list[int] = []
        self._touched_before = 0
        self._domains: dict[str, dict[str, int]] = {}
        # Image name -> rows that have it, with its size there.
        self.images: dict[str, dict[int, int]] = {}
        # Pods of nodes that are not known (yet): counted as soon as the node comes.
        self._waiting: dict[str, dict[str, PodInfo]] = {}

    def name(self, row: int) -> str:
        return self.names[row]

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
        self.allocatable[:, row] = 0
        for resource, amount in fit.allocatable(node).items():
            column = self._column(resource)
            self.allocatable[column, row] = amount.milli() if resource == CPU else amount.value()
        for image in (node.get("status") or {}).get("images") or ():
            for image_name in image.get("names") or ():
                self.images.setdefault(image_name, {})[row] = int(image.get("sizeBytes") or 0)
        self._touch(row)
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
        self.names[row] = ""
        self.alive[row] = False
        self.allocatable[:, row] = 0
        self.used[:, row] = 0
        self.reckoned[:, row] = 0
        self._free.append(row)
        self.count -= 1
        self._version += 1
        self._touch(row)
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

    def replace_pod(self, node: str, pod: PodInfo) -> None:
        """A newer form of a pod that counts as before."""
        row = self.row_of.get(node)
        there = self.pods[row] if row is not None else self._waiting.get(node, {})
        if pod.uid in there:
            there[pod.uid] = pod

    def _count(self, row: int, pod: PodInfo, sign: int) -> None:
        shape = pod.shape
        for resource, amount in shape.requests:
            # Looked up first: a new resource may make the array anew, and the old one must not be written to.
            column = self._column(resource)
            self.used[column, row] += sign * amount
        self.used[3, row] += sign
        self.reckoned[0, row] += sign * shape.reckoned[0]
        self.reckoned[1, row] += sign * shape.reckoned[1]
        self._touch(row)

    def _touch(self, row: int) -> None:
        self._touched.append(row)
        if len(self._touched) > 4 * self.size:
            # Who has not looked for so long has more to do than to start afresh.
            self._touched_before += len(self._touched)
            self._touched.clear()

    def _new_row(self, name: str) -> int:
        if self._free:
            row = self._free.pop()
        else:
            if self._end == self.size:
                self._grow()
            row = self._end
            self._end += 1
        self.row_of[name] = row
        self.names[row] = name
        self.alive[row] = True
        self.count += 1
        return row

    def _grow(self) -> None:
        extra = self.size
        self.allocatable = np.hstack([self.allocatable, np.zeros_like(self.allocatable)])
        self.used = np.hstack([self.used, np.zeros_like(self.used)])
        self.reckoned = np.hstack([self.reckoned, np.zeros_like(self.reckoned)])
        self.alive = np.concatenate([self.alive, np.zeros(extra, np.bool_)])
        self._row_version = np.concatenate([self._row_version, np.zeros(extra, np.int64)])
        self.nodes += [None] * extra
        self.names += [""] * extra
        self.pods += [{} for _ in range(extra)]
        self.size += extra
        for memory in (self._static, self._whole, self._loaded):
            memory.clear()

    def _column(self, resource: str) -> int:
        column = self.resources.get(resource)
        if column is None:
            column = self.resources[resource] = len(self.resources)
            if column == self.allocatable.shape[0]:
                self.allocatable = np.vstack([self.allocatable, np.zeros_like(self.allocatable)])
                self.used = np.vstack([self.used, np.zeros_like(self.used)])
        return column

    def wanted(self, requests: Iterable[tuple[str, int]]) -> list[tuple[str, int, int]]:
        """(resource, its column, the amount) of what a pod asks for."""
        return [(resource, self._column(resource), amount) for resource, amount in requests]

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
        return self._remembered(key, value).values

    def is_zero(self, key: Hashable, value: Callable[[Object], int]) -> bool:
        """Whether ``static`` is known to be 0 on every row."""
        return not self._remembered(key, value).any

    def _remembered(self, key: Hashable, value: Callable[[Object], int]) -> _Static:
        known = self._static.get(key)
        if known is None:
            known = self._static[key] = _Static(self.size)
            _bound(self._static)
        if known.version != self._version:
            self._static.move_to_end(key)
            for row in np.nonzero(self._row_version > known.version)[0].tolist():
                node = self.nodes[row]
                if node is not None:
                    known.values[row] = value(node)
            known.version = self._version
            known.any = bool(known.values.any())
        return known

    def whole(self, key: Hashable, value: Callable[[], V]) -> V:
        """``value()``, out of memory where no node has changed since."""
        known = self._whole.get(key)
        if known is None or known[0] != self._version:
            # Asked first: it may ask for other things that are remembered here.
            found = value()
            self._whole[key] = (self._version, found)
            self._whole.move_to_end(key)
            _bound(self._whole)
            return found
        return known[1]  # type: ignore[no-any-return]  # stored under this key by the same caller

    def loaded(self, key: Hashable, formula: Formula) -> npt.NDArray[Any]:
        """The formula's value for every row, out of memory where nothing was placed or removed. Not to be written
        to, and not to be kept: the next call may change it."""
        now = self._touched_before + len(self._touched)
        known = self._loaded.get(key)
        if known is None or known.seen < self._touched_before:
            known = self._loaded[key] = _Loaded(formula(np.arange(self.size), ARRAYS), now)
            self._loaded.move_to_end(key)
            _bound(self._loaded)
        elif known.seen < now:
            changed = set(self._touched[known.seen - self._touched_before :])
            known.seen = now
            if len(changed) <= FEW:
                for row in changed:
                    known.values[row] = formula(row, NUMBERS)
            else:
                rows = np.array(list(changed), np.intp)
                known.values[rows] = formula(rows, ARRAYS)
        return known.values

    def domains(self, topology_key: str) -> Ints:
        """Per row the number of the node's value of a label; -1 where it has none. Rows without a node have any."""
        known = self._domains.setdefault(topology_key, {})

        def number(node: Object) -> int:
            text: Any = (node["metadata"].get("labels") or {}).get(topology_key)
            return -1 if text is None else known.setdefault(text, len(known))

        return self.static(("domain", topology_key), number)

    def domain_count(self, topology_key: str) -> int:
        """One more than the highest number that ``domains`` can hold."""
        return len(self._domains.get(topology_key, ()))

    def topology(self, topology_key: str) -> Domains:
        """The domains of all nodes."""

        def made() -> Domains:
            numbers = np.where(self.alive, self.domains(topology_key), -1)
            return Domains(numbers, self.domain_count(topology_key))

        return self.whole(("topology", topology_key), made)


def _bound(memory: OrderedDict[Hashable, Any]) -> None:
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
