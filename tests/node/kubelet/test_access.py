"""Who gets through the kubelet's port, asked of a real API server."""

import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from kijabi import testing
from kijabi.api import kinds
from kijabi.kit import pki
from kijabi.node.kubelet import program


@pytest.fixture
async def cluster() -> AsyncIterator[testing.InProcess]:
    async with testing.InProcess(nodes=0, controllers=("serviceaccount-controller",), scheduler=False) as made:
        yield made


@pytest.fixture
async def port(cluster: testing.InProcess) -> AsyncIterator[int]:
    ca = pki.read(cluster.directory, "ca")
    pki.write(pki.issue(ca, "node", ips=["127.0.0.1"], server=True), cluster.directory, "kubelet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    kubelet = cluster.add_node(
        "node-1",
        address="127.0.0.1",
        tls_cert_file=str(cluster.directory / "kubelet.crt"),
        tls_private_key_file=str(cluster.directory / "kubelet.key"),
        client_ca_file=str(cluster.directory / "ca.crt"),
    )
    await cluster.wait_node_ready("node-1")
    kubelet.options.port = number
    async with program.serving(kubelet):
        yield number


def shown(cluster: testing.InProcess, tmp_path: Path, ca: pki.Pair, name: str, *groups: str) -> ssl.SSLContext:
    pki.write(pki.issue(ca, name, organizations=groups, client=True), tmp_path, "me")
    return pki.client_context(cluster.directory / "ca.crt", tmp_path / "me.crt", tmp_path / "me.key")


async def ask(port: int, path: str, tls: ssl.SSLContext, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"https://127.0.0.1:{port}{path}", ssl=tls, headers=headers) as answer:
            return answer.status, await answer.text()


async def token_of(cluster: testing.InProcess, account: str) -> str:
    await cluster.wait(kinds.SERVICE_ACCOUNTS, "default", lambda obj: True, "default")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await cluster.client.create(
        kinds.SERVICE_ACCOUNTS, request, namespace="default", name=account, subresource="token"
    )
    return str(made["status"]["token"])


async def test_without_credentials_or_with_bad_ones_nobody_gets_in(cluster: testing.InProcess, port: int) -> None:
    nobody = pki.client_context(cluster.directory / "ca.crt")
    for path in ("/pods", "/healthz", "/metrics", "/containerLogs/a/b/c", "/exec/a/b/c"):
        assert (await ask(port, path, nobody))[0] == 401
    assert (await ask(port, "/pods", nobody, token="nonsense"))[0] == 401


async def test_a_certificate_counts_for_its_user(cluster: testing.InProcess, port: int, tmp_path: Path) -> None:
    ca = pki.read(cluster.directory, "ca")
    assert (await ask(port, "/pods", shown(cluster, tmp_path, ca, "admin", "system:masters")))[0] == 200
    status, text = await ask(port, "/pods", shown(cluster, tmp_path, ca, "somebody"))
    assert status == 403
    assert text.startswith("Forbidden (user=somebody, verb=get, resource=nodes, subresource(s)=[pods proxy])")


async def test_a_certificate_of_another_authority_is_refused_by_tls(
    cluster: testing.InProcess, port: int, tmp_path: Path
) -> None:
    foreign = shown(cluster, tmp_path, pki.create_ca("kubernetes"), "admin", "system:masters")
    with pytest.raises(aiohttp.ClientError):
        await ask(port, "/pods", foreign)


async def test_a_token_counts_for_what_its_account_may(cluster: testing.InProcess, port: int) -> None:
    nobody = pki.client_context(cluster.directory / "ca.crt")
    token = await token_of(cluster, "default")
    status, text = await ask(port, "/metrics", nobody, token)
    assert (status, "user=system:serviceaccount:default:default" in text) == (403, True)
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "reads-metrics"},
        "rules": [{"apiGroups": [""], "resources": ["nodes/stats"], "verbs": ["get"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reads-metrics"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reads-metrics"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    }
    await cluster.client.create(kinds.CLUSTER_ROLES, role)
    await cluster.client.create(kinds.CLUSTER_ROLE_BINDINGS, binding)
    assert (await ask(port, "/stats/summary", nobody, token))[0] == 200
    assert (await ask(port, "/exec/a/b/c", nobody, token))[0] == 403
