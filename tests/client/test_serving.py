"""A component's own port: who gets in, asked of a real API server."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kijabi import testing
from kijabi.api import kinds
from kijabi.client import delegated, discovery, serving
from kijabi.kit import pki


@pytest.fixture
async def cluster() -> AsyncIterator[testing.InProcess]:
    controllers = ("serviceaccount-controller",)
    async with testing.InProcess(nodes=0, controllers=controllers, scheduler=False) as made:
        yield made


@pytest.fixture
async def port(cluster: testing.InProcess) -> AsyncIterator[int]:
    async def page(rest_of_path: str) -> Any:
        return {"asked": rest_of_path} if rest_of_path == "this" else None

    endpoint = serving.Endpoint("127.0.0.1", 0, client_ca_file=str(cluster.directory / "ca.crt"))
    async with serving.serving(endpoint, delegated.Delegated(cluster.client), {"/explain/": page}) as number:
        yield number


def shown(cluster: testing.InProcess, tmp_path: Path, name: str, *groups: str) -> ssl.SSLContext:
    """A TLS context that shows a client certificate of the cluster's authority."""
    ca = pki.read(cluster.directory, "ca")
    pki.write(pki.issue(ca, name, organizations=groups, client=True), tmp_path, "me")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(tmp_path / "me.crt", tmp_path / "me.key")
    return context


async def ask(port: int, path: str, tls: ssl.SSLContext | bool = False, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"https://127.0.0.1:{port}{path}", ssl=tls, headers=headers) as answer:
            return answer.status, await answer.text()


async def test_health_is_open_and_everything_else_is_not(port: int) -> None:
    assert await ask(port, "/healthz") == (200, "ok")
    assert (await ask(port, "/metrics"))[0] == 401
    assert (await ask(port, "/metrics", token="nonsense"))[0] == 401


async def test_an_administrators_certificate_opens_pages(cluster: testing.InProcess, port: int, tmp_path: Path) -> None:
    tls = shown(cluster, tmp_path, "admin", "system:masters")
    assert await ask(port, "/explain/this", tls) == (200, '{"asked":"this"}')
    assert (await ask(port, "/explain/that", tls))[0] == 404
    status, text = await ask(port, "/metrics", tls)
    assert (status, "python_info" in text) == (200, True)


async def test_somebody_known_but_not_allowed_is_refused_by_name(
    cluster: testing.InProcess, port: int, tmp_path: Path
) -> None:
    status, text = await ask(port, "/metrics", shown(cluster, tmp_path, "somebody"))
    assert (status, 'User "somebody" cannot get path "/metrics"' in text) == (403, True)


async def test_a_service_accounts_token_counts_for_what_it_may(cluster: testing.InProcess, port: int) -> None:
    await cluster.wait(kinds.SERVICE_ACCOUNTS, "default", lambda obj: True, "default")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await cluster.client.create(
        kinds.SERVICE_ACCOUNTS, request, namespace="default", name="default", subresource="token"
    )
    status, text = await ask(port, "/metrics", token=made["status"]["token"])
    assert (status, "system:serviceaccount:default:default" in text) == (403, True)


async def test_discovery_finds_every_resource_with_its_scope_and_subresources(cluster: testing.InProcess) -> None:
    found = await discovery.preferred(cluster.client)
    by_name = {(resource.group, resource.plural): resource for resource in found.resources}
    assert not found.failed
    assert by_name["", "nodes"].namespaced is False
    assert "status" in by_name["apps", "deployments"].subresources
    assert by_name["autoscaling", "horizontalpodautoscalers"].version == "v2"
    assert "delete" in by_name["", "pods"].verbs
