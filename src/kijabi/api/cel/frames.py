"""The state of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api.cel import values


class Frame:
    """One evaluation: the variables, the values of loop variables by slot, and the cost so far."""

    __slots__ = ("cost", "limit", "slots", "variables")

    def __init__(self, variables: Mapping[str, Any], slots: int, limit: int) -> None:
        self.variables = variables
        self.slots: list[Any] = [None] * slots
        self.cost = 0
        self.limit = limit

    def check(self) -> None:
        if self.cost > self.limit:
            raise values.CostExceeded("operation cancelled: actual cost limit exceeded")
