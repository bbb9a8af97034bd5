"""NodeResourcesFit: what a pod asks for must be free; and, by the profile's strategy, emptier or fuller nodes first.

Source: "Resource Bin Packing"; NodeResourcesFitArgs of the scheduler's configuration.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.scheduler.columns import CPU, MEMORY, Arithmetic, Columns, Ints, Mask
from kijabi.scheduler.plugins import contract
from kijabi.scheduler.podinfo import Shape

# The line of the number of pods.
_PODS = 3

LEAST, MOST, RATIO = "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"


@dataclass(frozen=True, slots=True)
class Strategy:
    """``resources`` with their weights; ``points`` (utilization 0–100, score 0–100) for RequestedToCapacityRatio."""

    type: str = LEAST
    resources: tuple[tuple[str, int], ...] = ((CPU, 1), (MEMORY, 1))
    points: tuple[tuple[int, int], ...] = ()


class NodeResourcesFit:
    """``ignored`` are extended resources, and groups of them (``example.com``), that some extender sees to."""

    name = "NodeResourcesFit"
    retry_on = frozenset({contract.NODE_ADDED, contract.NODE_CHANGED, contract.POD_GONE, contract.POD_CHANGED})
    lasting = False

    def __init__(self, strategy: Strategy | None = None, ignored: frozenset[str] = frozenset()) -> None:
        self._strategy = strategy or Strategy()
        self._ignored = ignored

    def _wanted(self, view: contract.View) -> list[tuple[str, int, int]]:
        asked = view.shape.requests
        if self._ignored:
            asked = tuple((name, amount) for name, amount in asked if not self._ignores(name))
        return view.columns.wanted(asked)

    def _ignores(self, resource: str) -> bool:
        return "/" in resource and (resource in self._ignored or resource.partition("/")[0] in self._ignored)

    def filter(self, view: contract.View) -> Mask | None:
        columns, wanted = view.columns, self._wanted(view)

        def room(rows: Any, arithmetic: Arithmetic) -> Any:
            used, allocatable, pick = columns.used, columns.allocatable, arithmetic.pick
            free = pick(used, _PODS, rows) < pick(allocatable, _PODS, rows)
            for _, column, amount in wanted:
                free = free & (pick(used, column, rows) + amount <= pick(allocatable, column, rows))
            return free

        return columns.loaded(("room", self._ignored, view.shape.requests), room)

    def refusals(self, view: contract.View, rows: Ints) -> Iterable[contract.Refusal]:
        columns = view.columns
        full = columns.used[_PODS, rows] >= columns.allocatable[_PODS, rows]
        yield contract.Refusal("Too many pods", rows[full])
        for resource, column, amount in self._wanted(view):
            short = rows[columns.used[column, rows] + amount > columns.allocatable[column, rows]]
            # What is more than the node has at all will not fit however many pods leave.
            never = columns.allocatable[column, short] < amount
            yield contract.Refusal(f"Insufficient {resource}", short[~never])
            yield contract.Refusal(f"Insufficient {resource}", short[never], hopeless=True)

    def score(self, view: contract.View) -> Ints | None:
        """Containers count with their defaults: one that asks for nothing still takes something."""
        columns, shape, strategy = view.columns, view.shape, self._strategy
        asked = tuple(amount_of(shape, name, reckoned=True) for name, _ in strategy.resources)

        def scores(rows: Any, arithmetic: Arithmetic) -> Any:
            return allocated(columns, strategy, asked, rows, arithmetic)

        return view.take(columns.loaded(("allocated", strategy, asked), scores))

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return scores


def amount_of(shape: Shape, resource: str, *, reckoned: bool) -> int:
    if reckoned and resource in (CPU, MEMORY):
        return shape.reckoned[0] if resource == CPU else shape.reckoned[1]
    return shape.asks(resource)


def is_scalar(resource: str) -> bool:
    """Extended resources, huge pages and the like: a pod that asks for none is not judged by them."""
    return "/" in resource or resource.startswith(("hugepages-", "attachable-volumes-"))


def allocated(columns: Columns, strategy: Strategy, asked: Sequence[int], rows: Any, arithmetic: Arithmetic) -> Any:
    """The strategy's score, 0–100, of one row or many if a pod came that asks for so much of its resources."""
    parts = list(_parts(columns, strategy, asked, rows, arithmetic))
    return _SCORERS[strategy.type](strategy, parts, arithmetic) if parts else rows * 0


# (weight, taken with the pod, capacity) per resource; the latter two for one row or many.
_Part = tuple[int, Any, Any]


def _parts(
    columns: Columns, strategy: Strategy, asked: Sequence[int], rows: Any, arithmetic: Arithmetic
) -> Iterable[_Part]:
    for (resource, weight), amount in zip(strategy.resources, asked, strict=True):
        column = columns.resources.get(resource)
        if column is None or (amount == 0 and is_scalar(resource)):
            continue
        used = columns.reckoned if resource in (CPU, MEMORY) else columns.used
        pick = arithmetic.pick
        yield weight, pick(used, column, rows) + amount, pick(columns.allocatable, column, rows)


def _least(strategy: Strategy, parts: Sequence[_Part], arithmetic: Arithmetic) -> Any:
    most = arithmetic.maximum
    return _mean(
        [(weight, most(size - taken, 0) * contract.BEST // most(size, 1), size) for weight, taken, size in parts],
        arithmetic,
    )


def _most(strategy: Strategy, parts: Sequence[_Part], arithmetic: Arithmetic) -> Any:
    most, least = arithmetic.maximum, arithmetic.minimum
    return _mean(
        [(weight, least(taken, size) * contract.BEST // most(size, 1), size) for weight, taken, size in parts],
        arithmetic,
    )


def _mean(scores: Sequence[tuple[int, Any, Any]], arithmetic: Arithmetic) -> Any:
    """The weighted mean over the resources that a node has. What it has none of has scored 0."""
    total = sum(weight * score for weight, score, _ in scores)
    weights = sum(weight * (size > 0) for weight, _, size in scores)
    return total // arithmetic.maximum(weights, 1)


def _ratio(strategy: Strategy, parts: Sequence[_Part], arithmetic: Arithmetic) -> Any:
    most, where = arithmetic.maximum, arithmetic.where
    total: Any = 0
    weights: Any = 0
    for weight, taken, size in parts:
        utilization = where(taken > size, 100, taken * 100 // most(size, 1))
        score = broken_line(strategy.points, utilization, arithmetic) * (size > 0)
        # A resource that scores nothing does not count in the mean either.
        total = total + weight * score
        weights = weights + weight * (score > 0)
    return arithmetic.whole(total / most(weights, 1) + 0.5)


def broken_line(points: Sequence[tuple[int, int]], at: Any, arithmetic: Arithmetic) -> Any:
    """Linear between the points, level outside; divided towards zero, as Go divides."""
    found: Any = points[-1][1]
    for (x0, y0), (x1, y1) in reversed(list(itertools.pairwise(points))):
        found = arithmetic.where(at <= x1, y0 + arithmetic.whole((y1 - y0) * (at - x0) / (x1 - x0)), found)
    return arithmetic.where(at <= points[0][0], points[0][1], found)


_SCORERS = {LEAST: _least, MOST: _most, RATIO: _ratio}
