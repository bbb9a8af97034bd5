"""What a flood of one client's requests does to others: a node's own requests while strangers list as fast as they can.

Takes a kubeconfig with which ConfigMaps can be made and accounts given rights, and one of a node (a kubelet's).
Prints how long the node's GETs of itself take, in milliseconds, without the flood and under it, and how many of the
flood's lists were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
import uuid
from pathlib import Path

import figures
import uvloop
import wire

from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.client import kubeconfig, rest
from kijabi.kit import jsons

MAPS = 1_000
FLOODERS = 200
SECONDS = 5.0


async def prepare(admin: rest.Client, namespace: str) -> str:
    """ConfigMaps to list, and the token of an account that may; gives the token."""
    await admin.create(kinds.NAMESPACES, {"metadata": {"name": namespace}})
    await admin.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": "flood", "namespace": namespace}})
    subject = {"kind": "ServiceAccount", "name": "flood", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    binding: Object = {"metadata": {"name": "flood", "namespace": namespace}, "subjects": [subject], "roleRef": role}
    await admin.create(kinds.ROLE_BINDINGS, binding)
    for number in range(MAPS):
        meta = {"name": f"map-{number}", "namespace": namespace}
        await admin.create(kinds.CONFIG_MAPS, {"metadata": meta, "data": {"key": "x" * 500}})
    path = kinds.SERVICE_ACCOUNTS.path(namespace, "flood", "token")
    asked = await admin.wire.request("POST", path, headers={"Content-Type": "application/json"}, body=b'{"spec": {}}')
    return str(jsons.loads(asked.body)["status"]["token"])


async def latencies(node: rest.Client, name: str, seconds: float) -> list[float]:
    """Milliseconds of one GET after another."""
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        await node.get(kinds.NODES, name)
        found.append((time.perf_counter() - began) * 1000)
    return found


def as_account(config: str, token: str, directory: str) -> str:
    """A kubeconfig of the same server for the holder of a token."""
    made = kubeconfig.read(config)
    made["users"] = [{"name": "flood", "user": {"token": token}}]
    for context in made["contexts"]:
        context["context"]["user"] = "flood"
    path = Path(directory) / "flood.conf"
    kubeconfig.write(made, path)
    return str(path)


async def flood(config: str, namespace: str) -> tuple[asyncio.Task[None], list[wire.Caller]]:
    server = wire.Server(config)
    callers = [await server.connect() for _ in range(FLOODERS)]
    message = callers[0].message("GET", f"/api/v1/namespaces/{namespace}/configmaps")

    async def run() -> None:
        await asyncio.gather(*(caller.drive(lambda: message) for caller in callers))

    return asyncio.ensure_future(run()), callers


def tell(what: str, values: list[float]) -> None:
    ordered = sorted(values)
    figures.figure(f"node GET, {what}", "ms", values)
    figures.figure(f"node GET, {what}, 99th percentile", "ms", [ordered[int(len(ordered) * 0.99)]])


async def main(admin_config: str, node_config: str, name: str) -> None:
    admin, node = kubeconfig.connect(admin_config), kubeconfig.connect(node_config)
    namespace = f"flood-{uuid.uuid4().hex[:6]}"
    token = await prepare(admin, namespace)
    tell("alone", await latencies(node, name, SECONDS / 2))
    with tempfile.TemporaryDirectory() as directory:
        running, callers = await flood(as_account(admin_config, token, directory), namespace)
    try:
        tell(f"under {FLOODERS} who list {MAPS} objects", await latencies(node, name, SECONDS))
        done = sum(caller.done for caller in callers)
        figures.figure("lists of the flood", "per second", [done / SECONDS])
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await running
        for caller in callers:
            caller.close()
        await admin.delete(kinds.NAMESPACES, namespace)
        await admin.wire.close()
        await node.wire.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("admin", help="kubeconfig of an administrator")
    parser.add_argument("node", help="kubeconfig of a node")
    parser.add_argument("name", help="the node's name")
    given = parser.parse_args()
    uvloop.run(main(given.admin, given.node, given.name))
