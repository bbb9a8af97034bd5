"""A component that leads: it works under a Lease when asked to, until it is told to stop.

What the scheduler's and the controller manager's programs have in common.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from kijabi.client import leases, rest, serving

NAMESPACE = "kube-system"


class Flags(Protocol):
    """The flags that such a component has, under upstream's names."""

    bind_address: str
    secure_port: int
    tls_cert_file: str
    tls_private_key_file: str
    client_ca_file: str
    leader_elect: bool
    leader_elect_lease_duration: float
    leader_elect_renew_deadline: float
    leader_elect_retry_period: float


def endpoint(flags: Flags) -> serving.Endpoint:
    """Where the component's own port is."""
    return serving.Endpoint(
        flags.bind_address,
        flags.secure_port,
        flags.tls_cert_file,
        flags.tls_private_key_file,
        flags.client_ca_file,
    )


async def lead(client: rest.Client, lease: str, flags: Flags, work: Callable[[], Awaitable[None]]) -> None:
    """``work`` while holding the Lease of this name, or at once where no election is asked for.

    Returns when the lead is lost; raises what ``work`` raises.
    """
    if not flags.leader_elect:
        await work()
        return
    elector = leases.Elector(
        client,
        lease,
        NAMESPACE,
        f"{socket.gethostname()}_{uuid.UUID(bytes=os.urandom(16), version=4)}",
        duration=flags.leader_elect_lease_duration,
        renew=flags.leader_elect_renew_deadline,
        retry=flags.leader_elect_retry_period,
    )
    await elector.run(work)


async def until_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run ``work`` until ``stop`` is set. It is not meant to end by itself.

    Raises what ``work`` raises, or SystemExit when it just ended: the lead is lost, and whoever supervises starts the
    component again with nothing left of what it believed.
    """
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
    if stop.is_set():
        return
    if not working.cancelled():
        working.result()
    raise SystemExit("leader election lost")
