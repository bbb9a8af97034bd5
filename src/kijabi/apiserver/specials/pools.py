"""Which addresses and ports are free: ranges, what is taken of them, and what is promised to writes under way.

What is held follows Services and IPAddresses through the watch cache, so that a pool after a restart is exactly what is
stored. A reservation lives from the decision to the end of its write, and by then the cache has the Service.
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Iterable, Iterator

FULL = "range is full"
IP_TAKEN = "provided IP is already allocated"
PORT_TAKEN = "provided port is already allocated"
IP_OUTSIDE = "the provided network does not match the current range"


class Taken:
    """Numbers that are held (each perhaps several times) or reserved."""

    def __init__(self) -> None:
        self._held: Counter[int] = Counter()
        self._reserved: set[int] = set()

    def is_free(self, number: int) -> bool:
        return number not in self._reserved and not self._held[number]

    def hold(self, number: int) -> None:
        self._held[number] += 1

    def let_go(self, number: int) -> None:
        self._held[number] -= 1
        if self._held[number] <= 0:
            del self._held[number]

    def reserve(self, number: int) -> None:
        self._reserved.add(number)

    def is_reserved(self, number: int) -> bool:
        return number in self._reserved

    def free(self, number: int) -> None:
        self._reserved.discard(number)


class Range:
    """Numbers from ``first`` to ``last``. The first ``band`` of them are given out unasked only when no other is free,
    so that they can be named explicitly with little risk (KEP-3070, KEP-3682)."""

    def __init__(self, first: int, last: int, band: int, source: random.Random | None = None) -> None:
        self.first, self.last, self.band = first, last, band
        self._random = source or random.Random()

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def candidates(self) -> Iterator[int]:
        """Every number once, from a random start, those of the band last."""
        upper = self.first + self.band
        for low, high in ((upper, self.last), (self.first, upper - 1)):
            size = high - low + 1
            if size > 0:
                start = self._random.randrange(size)
                yield from range(low + start, high + 1)
                yield from range(low, low + start)

    def find(self, taken: Taken, besides: Iterable[int] = ()) -> int | None:
        """A free number; None when there is none."""
        others = set(besides)
        for number in self.candidates():
            if number not in others and taken.is_free(number):
                return number
        return None


def address_range(cidr: str, source: random.Random | None = None) -> Range:
    network = ipaddress.ip_network(cidr, strict=False)
    first = int(network.network_address) + 1
    last = int(network.broadcast_address) - (1 if network.version == 4 else 0)
    # The band counts from the range's base, which itself is never given out.
    return Range(first, last, max(_band(network.num_addresses, 16, 256, 16) - 1, 0), source)


def port_range(text: str, source: random.Random | None = None) -> Range:
    """``30000-32767``, or ``30000+2767``."""
    if "+" in text:
        low, _, more = text.partition("+")
        first, last = int(low), int(low) + int(more)
    else:
        low, _, high = text.partition("-")
        first, last = int(low), int(high or low)
    return Range(first, last, _band(last - first + 1, 16, 128, 32), source)


def _band(size: int, least: int, most: int, step: int) -> int:
    return 0 if size <= least else min(max(least, size // step), most)
