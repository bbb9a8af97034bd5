"""The whole server, with every room in place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kijabi.api import kinds, served
from kijabi.apiserver import contract, program, storage
from kijabi.apiserver.options import Options
from kijabi.client import kubeconfig, rest, transport
from kijabi.kit import pki
from kijabi.store import memory

ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))


@pytest.fixture
async def server() -> AsyncIterator[program.Assembly]:
    assembly = program.build(Options(endpoint_reconciler_type="none"), memory.MemoryStore())
    await assembly.start()
    yield assembly
    await assembly.close()


@pytest.fixture
def client(server: program.Assembly) -> rest.Client:
    return rest.Client(transport.Local(server.api.handle, ADMIN))


async def test_a_new_cluster_has_what_upstream_starts_with(client: rest.Client) -> None:
    namespaces = await client.list(kinds.NAMESPACES)
    names = [item["metadata"]["name"] for item in namespaces["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert (await client.get(kinds.CLUSTER_ROLES, "cluster-admin"))["rules"]
    assert (await client.get(kinds.SERVICES, "kubernetes", "default"))["spec"]["clusterIP"] == "10.96.0.1"


async def test_every_served_kind_can_be_listed_and_watched(server: program.Assembly, client: rest.Client) -> None:
    for row in served.RESOURCES:
        if "watch" in row.verbs:
            found = await client.list(row)
            assert (found["kind"], found["apiVersion"]) == (f"{row.kind}List", row.api_version)


async def test_two_versions_of_one_event_are_one_object(client: rest.Client) -> None:
    event = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "R",
        "message": "hello",
        "type": "Normal",
    }
    made = await client.create(kinds.EVENTS, event)
    newer = await client.raw("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert (newer["apiVersion"], newer["note"]) == ("events.k8s.io/v1", "hello")
    assert newer["metadata"]["uid"] == made["metadata"]["uid"]


async def test_an_unbound_user_may_discover_but_not_read(server: program.Assembly) -> None:
    jane = rest.Client(transport.Local(server.api.handle, contract.UserInfo("jane", groups=("system:authenticated",))))
    assert (await jane.raw("GET", "/api"))["versions"] == ["v1"]
    with pytest.raises(Exception, match='User "jane" cannot list resource "pods"'):
        await jane.list(kinds.PODS)


async def test_all_of_it_over_tls(tmp_path: Path) -> None:
    authority = pki.create_ca("kubernetes")
    pki.write(authority, tmp_path, "ca")
    pki.write(pki.issue(authority, "kube-apiserver", ips=["127.0.0.1"], server=True), tmp_path, "apiserver")
    admin = pki.issue(authority, "admin", organizations=["system:masters"], client=True)
    options = Options(
        store=f"sqlite:///{tmp_path / 'db'}",
        bind_address="127.0.0.1",
        secure_port=0,
        tls_cert_file=str(tmp_path / "apiserver.crt"),
        tls_private_key_file=str(tmp_path / "apiserver.key"),
        client_ca_file=str(tmp_path / "ca.crt"),
        endpoint_reconciler_type="none",
    )
    stop = asyncio.Event()
    listening: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(program.run(options, stop, listening.set_result))
    host, port = await asyncio.wait_for(listening, 20)
    config = kubeconfig.build(
        f"https://{host}:{port}", authority.cert_pem, admin.cert_pem, admin.key_pem, user="admin", cluster="test"
    )
    (tmp_path / "config").write_text(json.dumps(config))
    wire: Any = kubeconfig.load(tmp_path / "config")
    client = rest.Client(wire)
    made = await client.create(kinds.CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    assert (await client.get(kinds.CONFIG_MAPS, "a", "default")) == made
    await wire.close()
    stop.set()
    await asyncio.wait_for(running, 20)


@pytest.mark.parametrize("where", ["etcd://x", "sqlite:relative", ""])
async def test_an_unknown_store_is_refused(where: str) -> None:
    with pytest.raises(ValueError, match="unknown store"):
        await storage.open_local(where)
