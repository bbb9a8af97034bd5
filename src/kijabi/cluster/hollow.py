"""A node without containers as a program: the kubelet on a runtime that only keeps records."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from kijabi.client import kubeconfig
from kijabi.node.cri import hollow
from kijabi.node.kubelet import options as kubelet_options
from kijabi.node.kubelet import program


@dataclass(slots=True)
class Options(kubelet_options.Options):
    """The kubelet's, and the range its pods get addresses from."""

    pod_cidr: str = "10.244.0.0/24"


async def run(options: Options, stop: asyncio.Event) -> None:
    """Until ``stop``. Its pods are forgotten then, and made anew by the next run."""
    client = kubeconfig.connect(options.kubeconfig, component="kubelet")
    try:
        await program.run_with(client, hollow.Hollow(options.pod_cidr), options, stop)
    finally:
        await client.wire.close()
