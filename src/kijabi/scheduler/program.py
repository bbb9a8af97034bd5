"""kube-scheduler: one process, under one Lease, with a port for health, metrics and explanations."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from kijabi.client import delegated, informer, kubeconfig, leading, rest, serving
from kijabi.kit import clock, tasks
from kijabi.scheduler import configuration, scheduler
from kijabi.scheduler.options import Options

__all__ = ["Options", "lead", "run"]

LEASE = "kube-scheduler"


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
        work = leading.lead(client, LEASE, options, lambda: lead(placing, informers, clock.SYSTEM))
        await leading.until_stopped(work, stop)


def _serving(
    options: Options, client: rest.Client, placing: scheduler.Scheduler
) -> contextlib.AbstractAsyncContextManager[int]:
    async def explained(rest_of_path: str) -> Any:
        return placing.history.of(rest_of_path)

    return serving.serving(leading.endpoint(options), delegated.Delegated(client), {"/explain/": explained})
