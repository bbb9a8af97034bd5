"""Two API servers: one in front, and a real one behind it over TLS, which believes the front's certificate alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kijabi.apiserver import contract, program, server
from kijabi.apiserver.options import Options
from kijabi.kit import http, pki
from kijabi.store import memory

Object = dict[str, Any]
ADMIN = contract.UserInfo(
    "ada", uid="u1", groups=("system:masters", "system:authenticated"), extra={"example.com/Team a": ("x", "y")}
)
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = "v1.apps"
SLICE = {
    "metadata": {"name": "behind-1", "labels": {"kubernetes.io/service-name": "behind"}},
    "addressType": "IPv4",
    "ports": [{"name": "https", "port": 8443}],
    "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}}],
}
SERVICE = {"metadata": {"name": "behind"}, "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 8443}]}}


class Anyone:
    """Counts who the server behind was asked by."""

    def __init__(self, handle: http.Handler) -> None:
        self._handle = handle
        self.headers: list[Any] = []

    async def __call__(self, request: http.Request) -> http.Response:
        self.headers.append(request.headers.copy())
        return await self._handle(request)


class Resolver:
    """Every Service is the server behind; EndpointSlices may not name the loopback interface."""

    port = 0

    async def resolve(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", self.port


class Two:
    def __init__(self, front: program.Assembly, behind: program.Assembly, keys: Path, resolver: Resolver) -> None:
        self.front = front
        self.behind = behind
        self.keys = keys
        self.resolver = resolver
        self.asked = Anyone(behind.api.handle)
        self.bundle = base64.b64encode((keys / "serving-ca.crt").read_bytes()).decode()

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """To the server in front."""
        answer = await self.answer(method, path, body, **more)
        text = await http.read_all(answer.body)
        return answer.status, json.loads(text) if text[:1] in b"{[" else text.decode()

    async def answer(self, method: str, path: str, body: Any = None, **more: Any) -> http.Response:
        path, _, query = path.partition("?")
        data = json.dumps(body).encode() if body is not None else b""
        request = http.Request(method, path, path, query, body=data, identity=more.pop("user", ADMIN))
        for key, value in more.items():
            request.headers[key.replace("_", "-")] = value
        return await self.front.api.handle(request)

    async def register(self, name: str = NAME, **more: Any) -> None:
        """Make the server behind answer for a group version."""
        version, _, group = name.partition(".")
        spec = {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 2000,
            "versionPriority": 10,
            "service": {"name": "behind", "namespace": "default"},
            "caBundle": self.bundle,
            **more,
        }
        spec = {key: value for key, value in spec.items() if value is not None}
        await self.send("DELETE", f"{API_SERVICES}/{name}")
        status, body = await self.send("POST", API_SERVICES, {"metadata": {"name": name}, "spec": spec})
        assert status == 201, body

    async def serve(self) -> None:
        for path, body in (("api/v1/namespaces/default/services", SERVICE), (SLICES, SLICE)):
            status, answer = await self.send("POST", f"/{path}", body)
            assert status == 201, answer

    async def wait_condition(self, holds: Callable[[Object], bool], name: str = NAME) -> Object:
        """The ``Available`` condition of an APIService when ``holds`` for it."""
        changed = asyncio.Event()
        found: list[Object] = []

        def told(old: Object | None, new: Object | None) -> None:
            for one in ((new or {}).get("status") or {}).get("conditions") or ():
                if new is not None and new["metadata"]["name"] == name and holds(one):
                    found.append(one)
                    changed.set()

        what = self.front.access.strategy("apiregistration.k8s.io", "v1", "apiservices")
        assert what is not None
        self.front.access.subscribe(what.resource, told)
        async with asyncio.timeout(10):
            await changed.wait()
        return found[0]


SLICES = "apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def _keys(place: Path) -> None:
    proxies, serving = pki.create_ca("front-proxy-ca"), pki.create_ca("serving-ca")
    pki.write(proxies, place, "front-proxy-ca")
    pki.write(serving, place, "serving-ca")
    pki.write(pki.create_ca("client-ca"), place, "client-ca")
    pki.write(pki.issue(proxies, "front-proxy-client", client=True), place, "front-proxy-client")
    pki.write(pki.issue(serving, "behind", dns=["behind.default.svc"], server=True), place, "serving")


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    _keys(tmp_path)
    plain = {"endpoint_reconciler_type": "none", "disable_admission_plugins": ("ServiceAccount",)}
    trusting = Options(
        client_ca_file=str(tmp_path / "client-ca.crt"),
        requestheader_client_ca_file=str(tmp_path / "front-proxy-ca.crt"),
        requestheader_allowed_names=("front-proxy-client",),
        requestheader_uid_headers=("X-Remote-Uid",),
        **plain,  # type: ignore[arg-type]
    )
    behind = program.build(trusting, memory.MemoryStore())
    await behind.start()
    resolver = Resolver()
    pair = {
        "proxy_client_cert_file": str(tmp_path / "front-proxy-client.crt"),
        "proxy_client_key_file": str(tmp_path / "front-proxy-client.key"),
    }
    options = Options(**plain, **pair)  # type: ignore[arg-type]
    front = program.build(options, memory.MemoryStore(), program.More(resolver=resolver))
    await front.start()
    found = Two(front, behind, tmp_path, resolver)
    listener = server.SocketServer(found.asked)
    authorities = [tmp_path / "client-ca.crt", tmp_path / "front-proxy-ca.crt"]
    tls = pki.server_context(tmp_path / "serving.crt", tmp_path / "serving.key", authorities)
    await listener.listen("127.0.0.1", 0, tls)
    resolver.port = listener.address[1]
    yield found
    await front.stop_serving()
    await front.close()
    await behind.stop_serving()
    await listener.close()
    await behind.close()
