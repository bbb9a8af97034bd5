"""kube-controller-manager: the chosen controllers, in one process, under one Lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Callable

from kijabi.client import delegated, informer, kubeconfig, leases, rest, serving
from kijabi.controllers import accounts, contract, roster
from kijabi.controllers.options import Options
from kijabi.kit import clock, tasks

log = logging.getLogger(__name__)

__all__ = ["Options", "lead", "run"]

LEASE, NAMESPACE = "kube-controller-manager", "kube-system"


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
    context = contract.Context(client_of, informers, options, timepiece)
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
            await stack.enter_async_context(serving.serving(_endpoint(options), delegated.Delegated(client)))
        work = asyncio.ensure_future(_work(client, options))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)
    if not stop.is_set():
        raise SystemExit("leader election lost")


def _endpoint(options: Options) -> serving.Endpoint:
    return serving.Endpoint(
        options.bind_address,
        options.secure_port,
        options.tls_cert_file,
        options.tls_private_key_file,
        options.client_ca_file,
    )


async def _work(client: rest.Client, options: Options) -> None:
    if not options.leader_elect:
        await _lead_with_accounts(client, options)
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
    await elector.run(lambda: _lead_with_accounts(client, options))


async def _lead_with_accounts(client: rest.Client, options: Options) -> None:
    if not options.use_service_account_credentials:
        await lead(client, options, lambda account: client)
        return
    own = accounts.Accounts(client, options.kubeconfig)
    async with tasks.nursery("accounts") as nursery:
        try:
            await own.prepare({make.account for make in roster.chosen(options.controllers).values()})
            nursery.keep(own.renew, "tokens")
            await lead(client, options, own.client_of)
        finally:
            await own.close()
