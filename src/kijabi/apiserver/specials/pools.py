"""Which addresses and ports are free: ranges with what live Services hold and what is promised to writes under way.

What is held follows the Services themselves through the watch cache, so nothing is leaked by a crash and nothing needs
repair: a pool after a restart is exactly what the stored Services say. A reservation lives from the decision to the end
of its write, and by then the cache has the Service.
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


class Pool:
    """Numbers from ``first`` to ``last``. The first ``band`` of them are given out unasked only when no other is free,
    so that they can be named explicitly with little risk (KEP-3070, KEP-3682)."""

    def __init__(self, first: int, last: int, band: int, source: random.Random | None = None) -> None:
        self.first, self.last, self.band = first, last, band
        self._random = source or random.Random()
        self._held: Counter[int] = Counter()
        self._reserved: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

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

    def free(self, number: int) -> None:
        self._reserved.discard(number)

    def find(self, besides: Iterable[int] = ()) -> int | None:
        """A free number, searched from a random start; None when there is none."""
        taken = set(besides)
        for number in self._candidates():
            if number not in taken and self.is_free(number):
                return number
        return None

    def _candidates(self) -> Iterator[int]:
        upper = self.first + self.band
        for low, high in ((upper, self.last), (self.first, upper - 1)):
            size = high - low + 1
            if size > 0:
                start = self._random.randrange(size)
                yield from range(low + start, high + 1)
                yield from range(low, low + start)


def address_pool(cidr: str, source: random.Random | None = None) -> Pool:
    network = ipaddress.ip_network(cidr, strict=False)
    first = int(network.network_address) + 1
    last = int(network.broadcast_address) - (1 if network.version == 4 else 0)
    # The band counts from the range's base, which itself is never given out.
    return Pool(first, last, max(_band(network.num_addresses, 16, 256, 16) - 1, 0), source)


def port_pool(text: str, source: random.Random | None = None) -> Pool:
    """``30000-32767``, or ``30000+2767``."""
    if "+" in text:
        low, _, more = text.partition("+")
        first, last = int(low), int(low) + int(more)
    else:
        low, _, high = text.partition("-")
        first, last = int(low), int(high or low)
    return Pool(first, last, _band(last - first + 1, 16, 128, 32), source)


def _band(size: int, least: int, most: int, step: int) -> int:
    return 0 if size <= least else min(max(least, size // step), most)
