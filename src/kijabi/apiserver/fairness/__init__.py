"""Priority and fairness: an overloaded server keeps serving what keeps the cluster alive, and each client its part.

``rules`` says which flow schema a request falls under, ``levels`` how a priority level seats and queues, ``gate`` who
comes in when, ``configuration`` keeps both kinds of objects. Requests of ``system:masters`` and probes never wait.
Source: KEP-1040; "API Priority and Fairness". Left out: the seats upstream adds after a write for what its watchers
will cost (the fan-out happens within the same turn here, so it is part of the measured work).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from multidict import CIMultiDict

from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.contract import RequestInfo, UserInfo
from kijabi.apiserver.fairness.configuration import Configuration
from kijabi.apiserver.fairness.gate import Gate, Refused, Ticket
from kijabi.kit import clock, http

# A list takes a seat for each hundred objects, but never more than this.
_OBJECTS_PER_SEAT, _MOST_SEATS = 100, 100
# Seconds that a request waits in a queue at most; less where its own time is short.
_PATIENCE = 15.0
_SCHEMA, _LEVEL = "X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID"

# How many objects of (group, version, plural) there are.
Count = Callable[[str, str, str], int]


@dataclass(slots=True)
class Fairness:
    gate: Gate
    configuration: Configuration
    count: Count

    async def enter(self, info: RequestInfo, user: UserInfo) -> Ticket:
        """Waits where it must. Raises Refused."""
        schema, level = self.configuration.classify(info, user)
        seats = self._seats(info) if info.verb == "list" and not level.exempt else 1
        ticket = self.gate.enter_nowait(level, schema, seats)
        if ticket is None:
            ticket = await self.gate.enter(level, schema, schema.distinguisher(info, user), seats)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        self.gate.leave(ticket)

    def _seats(self, info: RequestInfo) -> int:
        objects = self.count(info.api_group, info.api_version, info.resource)
        return min(max(1, math.ceil(objects / _OBJECTS_PER_SEAT)), _MOST_SEATS)


def mark(response: http.Response, classified: Ticket | Refused) -> http.Response:
    """Say in the answer how the request was classified."""
    added = {_SCHEMA: classified.schema.uid, _LEVEL: classified.level.uid}
    if type(response.headers) is dict:
        response.headers = {**response.headers, **added}
    else:
        # Warnings, of which there may be several.
        response.headers = CIMultiDict(response.headers)
        response.headers.update(added)
    return response


def build(
    access: contract.Access,
    options: options_.Options,
    count: Count,
    *,
    timepiece: clock.Clock = clock.SYSTEM,
) -> Fairness | None:
    """None where --enable-priority-and-fairness is off."""
    if not options.enable_priority_and_fairness:
        return None
    gate = Gate(min(options.request_timeout / 4, _PATIENCE))
    seats = options.max_requests_inflight + options.max_mutating_requests_inflight
    return Fairness(gate, Configuration(access, gate, seats, timepiece), count)
