"""``/debug/api_priority_and_fairness/dump_*``: what the gate holds now, as text tables for people.

Source: "API Priority and Fairness", Debug endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kijabi.apiserver import responses
from kijabi.apiserver.fairness.gate import Gate
from kijabi.kit import http

ROOT = "/debug/api_priority_and_fairness/"

Row = Sequence[object]


def priority_levels(gate: Gate) -> list[Row]:
    rows: list[Row] = [
        (
            "PriorityLevelName",
            "ActiveQueues",
            "IsIdle",
            "IsQuiescing",
            "WaitingRequests",
            "ExecutingRequests",
            "DispatchedRequests",
            "RejectedRequests",
            "TimedoutRequests",
            "CancelledRequests",
        )
    ]
    for name, level in sorted(gate.levels.items()):
        refused: dict[str, int] = {}
        for (_, reason), count in level.tally.rejected.items():
            refused[reason] = refused.get(reason, 0) + count
        executing = sum(level.executing.values())
        rows.append(
            (
                name,
                sum(1 for queue in level.queues if queue.waiting),
                str(not executing and not level.waiting).lower(),
                "false",
                level.waiting,
                executing,
                sum(level.tally.dispatched.values()),
                refused.get("queue-full", 0) + refused.get("concurrency-limit", 0),
                refused.get("time-out", 0),
                refused.get("cancelled", 0),
            )
        )
    return rows


def queues(gate: Gate) -> list[Row]:
    rows: list[Row] = [("PriorityLevelName", "Index", "PendingRequests", "InitialSeatsSum", "NextDispatchR")]
    for name, level in sorted(gate.levels.items()):
        for queue in level.queues:
            seats = sum(waiter.seats for waiter in queue.waiting)
            rows.append((name, queue.index, len(queue.waiting), seats, f"{queue.served:.8f}ss"))
    return rows


def requests(gate: Gate) -> list[Row]:
    rows: list[Row] = [
        (
            "PriorityLevelName",
            "FlowSchemaName",
            "QueueIndex",
            "RequestIndexInQueue",
            "FlowDistingsher",
            "InitialSeats",
        )
    ]
    for name, level in sorted(gate.levels.items()):
        for queue in level.queues:
            for position, waiter in enumerate(queue.waiting):
                rows.append((name, waiter.schema, queue.index, position, waiter.flow, waiter.seats))
    return rows


_DUMPS: dict[str, Callable[[Gate], list[Row]]] = {
    "dump_priority_levels": priority_levels,
    "dump_queues": queues,
    "dump_requests": requests,
}


def page(gate: Gate, path: str) -> http.Response | None:
    """None where there is no such page."""
    dump = _DUMPS.get(path.removeprefix(ROOT))
    return responses.text(_aligned(dump(gate))) if dump is not None and path.startswith(ROOT) else None


def _aligned(rows: list[Row]) -> str:
    """Each cell with a comma behind it, in columns."""
    cells = [[f"{cell}," for cell in row] for row in rows]
    widths = [max(8, *(len(row[column]) + 1 for row in cells)) for column in range(len(cells[0]))]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells
    )
