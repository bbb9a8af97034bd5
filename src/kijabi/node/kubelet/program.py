"""The kubelet as a program of its own: options in, runs until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from kijabi.client import kubeconfig, rest
from kijabi.kit import pki, tasks
from kijabi.node.cri import containerd, contract
from kijabi.node.kubelet import agent, options
from kijabi.node.kubelet.server import app, auth

log = logging.getLogger(__name__)

Options = options.Options
Unusable = options.Unusable


async def run(chosen: options.Options, stop: asyncio.Event) -> None:
    """Run a kubelet on a CRI runtime until ``stop`` is set; running containers are left running.

    Raises ``options.Unusable`` or ``kubeconfig.Unusable`` when the options cannot be used.
    """
    settings = options.with_file(chosen)
    client = kubeconfig.connect(settings.kubeconfig, component="kubelet")
    runtime = containerd.Containerd(settings.container_runtime_endpoint)
    try:
        await run_with(client, runtime, settings, stop)
    finally:
        await runtime.close()
        await client.wire.close()


async def run_with(
    client: rest.Client, runtime: contract.Runtime, settings: options.Options, stop: asyncio.Event
) -> None:
    """Run with a client and a runtime that are there already (both stay the caller's)."""
    kubelet = agent.Kubelet(client, runtime, settings)
    async with tasks.nursery("kubelet program") as nursery:
        async with serving(kubelet):
            working = nursery.start(kubelet.run(), "kubelet")
            stopping = nursery.start(stop.wait(), "stop")
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()


@contextlib.asynccontextmanager
async def serving(kubelet: agent.Kubelet) -> AsyncIterator[None]:
    """Serve the kubelet's API as its options say; ``port`` 0 serves nothing."""
    settings = kubelet.options
    if not settings.port:
        yield
        return
    guard = auth.Auth(
        kubelet.client,
        kubelet.node_name,
        anonymous=settings.anonymous_auth,
        webhook=settings.authentication_webhook,
        always_allow=settings.authorization_mode == "AlwaysAllow",
    )
    server = app.Server(kubelet, guard)
    kubelet.heartbeat.port = await server.start(settings.address, settings.port, tls_context(settings))
    log.info("serving on %s:%s", settings.address, kubelet.heartbeat.port)
    try:
        yield
    finally:
        await server.close()


def tls_context(settings: options.Options) -> ssl.SSLContext:
    """With the certificate that is given, or one signed by itself and kept below the root directory, as upstream."""
    certificate, key = settings.tls_cert_file, settings.tls_private_key_file
    if not (certificate and key):
        directory = Path(settings.root_dir) / "pki"
        certificate, key = str(directory / "kubelet.crt"), str(directory / "kubelet.key")
        if not Path(certificate).exists():
            authority = pki.create_ca(f"{settings.node_name}-ca")
            ips = [address for address in settings.node_ip.split(",") if address]
            pair = pki.issue(authority, settings.node_name, dns=(settings.node_name,), ips=ips, server=True)
            directory.mkdir(parents=True, exist_ok=True)
            pki.write(pair, directory, "kubelet")
    client_ca = Path(settings.client_ca_file) if settings.client_ca_file else None
    return pki.server_context(Path(certificate), Path(key), client_ca)
