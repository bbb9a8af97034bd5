"""kube-controller-manager: the chosen controllers, in one process, under one Lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from kijabi.client import delegated, informer, kubeconfig, leading, rest, serving
from kijabi.controllers import accounts, contract, roster
from kijabi.controllers.options import Options
from kijabi.kit import clock, tasks

log = logging.getLogger(__name__)

__all__ = ["Options", "lead", "run"]

LEASE = "kube-controller-manager"


async def lead(
    client: rest.Client,
    options: Options,
    client_of: Callable[[str], rest.Client],
    timepiece: clock.Clock = clock.SYSTEM,
) -> None:
    """Run the chosen controllers until cancelled, without asking whether another process does.

    ``client`` follows resources for all of them; ``client_of`` gives each controller its own to write with.
    """
    informers = informer.Informers(client, timepiece)

    def chosen_client(account: str) -> rest.Client:
        return client if account == contract.OWN_IDENTITY else client_of(account)

    context = contract.Context(chosen_client, informers, options, timepiece)
    controllers = [make(context) for make in roster.chosen(options.controllers).values()]
    async with tasks.nursery("controller-manager", timepiece) as nursery:
        informers.start(nursery)
        for controller in controllers:
            nursery.keep(controller.run, controller.name)
        await asyncio.Event().wait()


async def run(options: Options, stop: asyncio.Event) -> None:
    """Until ``stop``: wait for the lead if asked to, work, and end the process's work when the lead is lost.

    A lost lead ends the run: whoever supervises starts it again, with nothing left of what it believed.
    """
    client = kubeconfig.connect(options.kubeconfig, component="kube-controller-manager")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.wire.close)
        if options.secure_port:
            await stack.enter_async_context(serving.serving(leading.endpoint(options), delegated.Delegated(client)))
        work = leading.lead(client, LEASE, options, lambda: _lead_with_accounts(client, options))
        await leading.until_stopped(work, stop)


async def _lead_with_accounts(client: rest.Client, options: Options) -> None:
    if not options.use_service_account_credentials:
        await lead(client, options, lambda account: client)
        return
    own = accounts.Accounts(client, options.kubeconfig)
    async with tasks.nursery("accounts") as nursery:
        try:
            chosen = roster.chosen(options.controllers).values()
            await own.prepare({make.account for make in chosen} - {contract.OWN_IDENTITY})
            nursery.keep(own.renew, "tokens")
            await lead(client, options, own.client_of)
        finally:
            await own.close()
