"""Many writes at once, but few at first: 1, then 2, then 4… as long as all succeed (upstream's slowStartBatch).

A quota or an admission webhook that refuses the first one is then asked once, not five hundred times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kijabi.api import errors
from kijabi.client import transport


async def batch(count: int, write: Callable[[int], Awaitable[None]]) -> tuple[int, Exception | None]:
    """Call ``write(0)`` … ``write(count - 1)``; gives how many succeeded and the first failure."""
    done, size = 0, 1
    while done < count:
        numbers = range(done, min(done + size, count))
        results = await asyncio.gather(*(write(number) for number in numbers), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        done += len(results) - len(failures)
        for failure in failures:
            if not isinstance(failure, (errors.ApiError, transport.Unreachable)):
                raise failure
            return done, failure
        size *= 2
    return done, None
