"""How many requests are worked on at once: the simple limits of --max-requests-inflight.

Long-running requests (watches, streams to pods) do not count, and neither do the requests of system:masters, so that
an overloaded server can still be repaired. Where priority and fairness is on (``fairness``), which it is by default,
this only counts.
"""

from __future__ import annotations

from kijabi.apiserver import responses
from kijabi.apiserver.contract import RequestInfo, UserInfo
from kijabi.kit import http

_READS = ("get", "list", "watch")
_STREAMS = ("log", "exec", "attach", "portforward", "proxy")


def is_long_running(info: RequestInfo) -> bool:
    return info.verb in ("watch", "proxy") or info.subresource in _STREAMS


class Limits:
    """0 means no limit."""

    def __init__(self, reading: int, mutating: int) -> None:
        self._limits = {False: reading, True: mutating}
        self.inflight = {False: 0, True: 0}

    def enter(self, info: RequestInfo, user: UserInfo) -> bool | None:
        """Whether the request mutates, to be given to ``leave``; None where it is over the limit."""
        mutating = info.verb not in _READS
        limit = self._limits[mutating]
        if limit and self.inflight[mutating] >= limit and "system:masters" not in user.groups:
            return None
        self.inflight[mutating] += 1
        return mutating

    def count(self, info: RequestInfo) -> bool:
        """Whether the request mutates, without any limit; to be given to ``leave`` too."""
        mutating = info.verb not in _READS
        self.inflight[mutating] += 1
        return mutating

    def leave(self, mutating: bool) -> None:
        self.inflight[mutating] -= 1


def too_many() -> http.Response:
    response = responses.text("Too many requests, please try again later.\n", 429)
    response.headers = {**response.headers, "Retry-After": "1"}
    return response
