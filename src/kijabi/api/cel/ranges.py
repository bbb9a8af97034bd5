"""Ranges of sizes and costs, which saturate at 2**64-1 as upstream's do."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX = 2**64 - 1


def cap(number: int) -> int:
    return min(number, MAX)


def _scaled(number: int, factor: float) -> int:
    return MAX if number and number > MAX / factor else cap(math.ceil(number * factor))


@dataclass(frozen=True, slots=True)
class Range:
    """At least and at most: a cost or a size."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        return Range(cap(self.low + other.low), cap(self.high + other.high))

    def times(self, other: Range) -> Range:
        return Range(cap(self.low * other.low), cap(self.high * other.high))

    def scaled(self, factor: float) -> Range:
        return Range(_scaled(self.low, factor), _scaled(self.high, factor))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


def fixed(number: int) -> Range:
    return Range(number, number)


ZERO, ONE, UNKNOWN = fixed(0), fixed(1), Range(0, MAX)
