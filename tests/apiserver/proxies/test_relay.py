"""Through a real API server socket to a real TLS kubelet on loopback; only the kubelet's work is made up."""

import asyncio
import contextlib
import ssl

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver import contract, options, responses, server
from kijabi.apiserver.proxies import pods, relay, subresources
from kijabi.kit import http, pki


class Kubelet:
    """Answers by path; an upgrade is echoed, in capitals, until the client says ``bye``."""

    def __init__(self, tls):
        self.tls = tls
        self.seen = []
        self.clients = []
        self.held = asyncio.Event()
        self.ended = asyncio.Event()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.tls)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.seen.append(head)
            certificate = writer.get_extra_info("peercert") or {}
            self.clients.append(dict(pair[0] for pair in certificate.get("subject", ())).get("commonName"))
            await self.answer(head.split(" ")[1], head.lower(), reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.ended.set()

    async def answer(self, path, head, reader, writer):
        if "upgrade: " in head and "/refuse" not in path:
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-K: 1\r\n\r\n"
            )
            while data := await reader.read(65536):
                if data == b"bye":
                    return
                writer.write(data.upper())
                await writer.drain()
        elif path.startswith("/containerLogs/ns/p/slow"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
            await writer.drain()
            await self.held.wait()
            writer.write(b"5\r\nlast\n\r\n0\r\n\r\n")
        elif path.startswith("/containerLogs/ns/p/waiting"):
            text = b'container "waiting" in pod "p" is waiting to start: ContainerCreating'
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        elif "/refuse" in path:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\nContent-Type: text/plain\r\n\r\nno such")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path.encode()))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    authority = pki.create_ca("ca")
    pki.write(authority, directory, "ca")
    pki.write(pki.issue(authority, "node", ips=["127.0.0.1"], server=True), directory, "kubelet")
    pki.write(pki.issue(authority, "kube-apiserver", client=True), directory, "client")
    return directory


@pytest.fixture
async def kubelet(files):
    one = Kubelet(pki.server_context(files / "kubelet.crt", files / "kubelet.key", files / "ca.crt"))
    one.port = await one.start()
    yield one
    one.held.set()
    one.server.close()


@pytest.fixture(params=["plain", "tls"])
async def api(request, access, kubelet, files):
    """What opens a connection to a server whose paths are the handlers' names: ``/log?…`` calls Pods.log."""
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    endpoints = {"kubeletEndpoint": {"Port": kubelet.port}}
    access.add(kinds.NODES, "n", status={"addresses": addresses, "daemonEndpoints": endpoints})
    names = ("slow", "waiting", "refuse", "c")
    access.add(kinds.PODS, "p", "ns", spec={"nodeName": "n", "containers": [{"name": name} for name in names]})
    access.add(kinds.PODS, "unbound", "ns", spec={"containers": [{"name": "c"}]})
    flags = options.Options(
        kubelet_preferred_address_types=("InternalIP",),
        kubelet_client_certificate=str(files / "client.crt"),
        kubelet_client_key=str(files / "client.key"),
        kubelet_certificate_authority=str(files / "ca.crt"),
    )
    wire = relay.Relay()
    kubelets = pods.Kubelets(access, flags)
    inside, outside = pods.Pods(kubelets, wire), subresources.Proxies(kubelets, wire)
    routes = {"log": inside.log, "exec": inside.exec, "portforward": inside.port_forward, "proxy": outside.node}

    async def handle(asked):
        name = asked.path.strip("/").split("/")[-1]
        proxied = asked.path.startswith("/api/v1/nodes/")
        handler = outside.node if proxied else routes[name]
        pod = "n" if proxied else asked.param("pod", "p")
        info = contract.RequestInfo(True, asked.path, "get", namespace="ns", name=pod, subresource=name)
        try:
            return await handler(contract.RequestContext(asked, info, contract.SYSTEM, access))
        except errors.ApiError as error:
            return responses.of_error(asked, error)

    listener = server.SocketServer(handle)
    secure = request.param == "tls"
    serving = pki.server_context(files / "kubelet.crt", files / "kubelet.key", None) if secure else None
    await listener.listen("127.0.0.1", 0, serving)
    trusting = pki.client_context(files / "ca.crt", None, None) if secure else None
    yield lambda: asyncio.open_connection(*listener.address, ssl=trusting)
    await wire.close()
    await listener.close(0.1)


async def call(api, target, *headers, method="GET"):
    reader, writer = await api()
    lines = [f"{method} {target} HTTP/1.1", "Host: api", "Authorization: Bearer secret", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    return reader, writer


async def answer(api, target, *headers, method="GET"):
    reader, writer = await call(api, target, "Connection: close", *headers, method=method)
    text = (await reader.read()).decode()
    writer.close()
    head, _, body = text.partition("\r\n\r\n")
    return int(head.split(" ")[1]), head, body


UPGRADE = ("Connection: Upgrade", "Upgrade: SPDY/3.1")


async def test_an_upgrade_is_carried_both_ways(api, kubelet):
    reader, writer = await call(api, "/exec?container=c&stdin=true&command=sh", *UPGRADE, method="POST")
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 101 ")
    assert "X-K: 1" in head
    for text in (b"hello", b"x" * 300_000, b"again"):
        writer.write(text)
        assert await reader.readexactly(len(text)) == text.upper()
    writer.write(b"bye")
    assert await reader.read() == b""
    writer.close()
    (seen,) = kubelet.seen
    assert seen.startswith("POST /exec/ns/p/c?input=1&command=sh HTTP/1.1")
    assert "secret" not in seen
    assert "Upgrade: SPDY/3.1" in seen
    assert kubelet.clients == ["kube-apiserver"]


async def test_a_client_that_goes_takes_the_kubelets_connection_along(api, kubelet):
    reader, writer = await call(api, "/portforward", *UPGRADE, method="POST")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    async with asyncio.timeout(5):
        await kubelet.ended.wait()


async def test_a_websocket_keeps_its_headers_but_for_the_token(api, kubelet):
    protocols = "Sec-WebSocket-Protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj"
    headers = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", protocols)
    reader, writer = await call(api, "/exec?container=c&command=sh", "Sec-WebSocket-Version: 13", *headers)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"bye")
    assert await reader.read() == b""
    writer.close()
    assert "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n" in kubelet.seen[0]
    assert "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" in kubelet.seen[0]


@pytest.mark.parametrize(
    ("target", "headers", "status", "text"),
    [
        ("/exec?container=refuse&command=sh", UPGRADE, 404, "no such"),
        ("/exec?container=c&command=sh", (), 400, "Upgrade request required"),
        ("/exec?pod=unbound", UPGRADE, 400, "pod unbound does not have a host assigned"),
        ("/exec?pod=none", UPGRADE, 404, 'pods \\"none\\" not found'),
        ("/log?container=waiting", (), 400, "is waiting to start: ContainerCreating"),
        ("/log", (), 400, "a container name must be specified for pod p, choose one of: [slow waiting refuse c]"),
    ],
)
async def test_refusals(api, target, headers, status, text):
    found, _, body = await answer(api, target, *headers)
    assert found == status
    assert text in body


async def test_a_log_is_passed_on_as_it_comes(api, kubelet):
    reader, writer = await call(api, "/log?container=slow&follow=true")
    assert b"text/plain" in await reader.readuntil(b"\r\n\r\n")
    assert (await reader.readuntil(b"first\n")).endswith(b"first\n")
    kubelet.held.set()
    assert (await reader.readuntil(b"last\n")).endswith(b"last\n")
    writer.close()
    assert kubelet.seen[0].startswith("GET /containerLogs/ns/p/slow?follow=true HTTP/1.1")


async def test_a_kubelet_that_is_down(api, kubelet):
    kubelet.server.close()
    await kubelet.server.wait_closed()
    status, _, body = await answer(api, "/exec?container=c&command=sh", *UPGRADE)
    where = f"dial tcp 127.0.0.1:{kubelet.port}: connect: connection refused"
    assert (status, f"error dialing backend: {where}" in body) == (500, True)
    status, _, body = await answer(api, "/log?container=c")
    assert (status, where in body) == (500, True)


async def test_a_pod_without_a_node_has_an_empty_log(api):
    status, _, body = await answer(api, "/log?pod=unbound")
    assert (status, body) == (200, "")


async def test_a_nodes_proxy_is_its_kubelet(api, kubelet):
    status, _, body = await answer(api, "/api/v1/nodes/n/proxy/pods/a%2Fb?x=1")
    assert status == 200
    assert "/pods/a%2Fb?x=1" in body
    status, head, _ = await answer(api, "/api/v1/nodes/n/proxy?x=1")
    assert (status, "Location: /api/v1/nodes/n/proxy/?x=1" in head) == (301, True)
    assert "secret" not in kubelet.seen[0]


async def test_a_kubelet_with_a_foreign_certificate_is_not_believed(access, tmp_path, kubelet):
    pki.write(pki.create_ca("other"), tmp_path, "other")
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    ports = {"kubeletEndpoint": {"Port": kubelet.port}}
    access.add(kinds.NODES, "n", status={"addresses": addresses, "daemonEndpoints": ports})
    flags = options.Options(
        kubelet_preferred_address_types=("InternalIP",), kubelet_certificate_authority=str(tmp_path / "other.crt")
    )
    backend = await pods.Kubelets(access, flags).backend("n", "/")
    assert backend.tls.verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(errors.ApiError, match="error dialing backend"):
        await relay.dial(backend)


def test_what_is_not_for_others_is_not_handed_on():
    headers = {
        "Authorization": "Bearer x",
        "Impersonate-User": "y",
        "X-Remote-User": "z",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Accept": "*/*",
    }
    request = http.Request("GET", "/", remote="10.0.0.1")
    request.headers.update(headers)
    assert dict(relay.onward_headers(request)) == {"Accept": "*/*", "X-Forwarded-For": "10.0.0.1"}
    assert set(relay.onward_headers(request, upgrade=True)) == {"Accept", "Connection", "Upgrade", "X-Forwarded-For"}
