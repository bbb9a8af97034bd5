"""kube-scheduler: one process, under one Lease, with a port for health, metrics and explanations."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import uuid
from typing import Any

from kijabi.client import delegated, informer, kubeconfig, leases, rest, serving
from kijabi.kit import clock, tasks
from kijabi.scheduler import configuration, scheduler
from kijabi.scheduler.options import Options

__all__ = ["Options", "lead", "run"]

LEASE, NAMESPACE = "kube-scheduler", "kube-system"


async def lead(placing: scheduler.Scheduler, informers: informer.Informers, timepiece: clock.Clock) -> None:
    """Place pods until cancelled, without asking whether another process does."""
    async with tasks.nursery("kube-scheduler", timepiece) as nursery:
        informers.start(nursery)
        await placing.run()


async def run(options: Options, stop: asyncio.Event) -> None:
    """Until ``stop``. A lost lead ends the run: whoever supervises starts it again."""
    options, chosen = configuration.resolve(options)
    client = kubeconfig.connect(options.kubeconfig, component="kube-scheduler")
    informers = informer.Informers(client)
    placing = scheduler.Scheduler(client, informers, chosen)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.wire.close)
        if options.secure_port:
            await stack.enter_async_context(_serving(options, client, placing))
        work = asyncio.ensure_future(_work(client, informers, placing, options))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)
    if not stop.is_set():
        raise SystemExit("leader election lost")


async def _work(
    client: rest.Client, informers: informer.Informers, placing: scheduler.Scheduler, options: Options
) -> None:
    if not options.leader_elect:
        await lead(placing, informers, clock.SYSTEM)
        return
    elector = leases.Elector(
        client,
        LEASE,
        NAMESPACE,
        f"{socket.gethostname()}_{uuid.UUID(bytes=os.urandom(16), version=4)}",
        duration=options.leader_elect_lease_duration,
        renew=options.leader_elect_renew_deadline,
        retry=options.leader_elect_retry_period,
    )
    await elector.run(lambda: lead(placing, informers, clock.SYSTEM))


def _serving(
    options: Options, client: rest.Client, placing: scheduler.Scheduler
) -> contextlib.AbstractAsyncContextManager[int]:
    async def explained(rest_of_path: str) -> Any:
        return placing.history.of(rest_of_path)

    endpoint = serving.Endpoint(
        options.bind_address,
        options.secure_port,
        options.tls_cert_file,
        options.tls_private_key_file,
        options.client_ca_file,
    )
    return serving.serving(endpoint, delegated.Delegated(client), {"/explain/": explained})
