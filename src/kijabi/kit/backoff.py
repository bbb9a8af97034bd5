"""Exponential back-off, per item and for a single loop."""

from __future__ import annotations

import random
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Policy:
    """``base`` seconds, times ``factor`` per failure, up to ``ceiling``; ``jitter`` adds up to that fraction."""

    base: float
    ceiling: float
    factor: float = 2.0
    jitter: float = 0.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (1 is the first)."""
        if failures <= 0:
            return 0.0
        # The exponent is capped because 2.0 ** 1100 overflows a float.
        seconds = min(self.base * self.factor ** min(failures - 1, 64), self.ceiling)
        return seconds * (1 + random.random() * self.jitter)


@dataclass(slots=True)
class PerItem:
    """Counts failures per key. ``fail`` returns the next delay, ``forget`` starts the key afresh."""

    policy: Policy
    _failures: dict[Hashable, int] = field(default_factory=dict)

    def fail(self, key: Hashable) -> float:
        count = self._failures.get(key, 0) + 1
        self._failures[key] = count
        return self.policy.delay(count)

    def forget(self, key: Hashable) -> None:
        self._failures.pop(key, None)

    def failures(self, key: Hashable) -> int:
        return self._failures.get(key, 0)
