"""A whole API server, and a real webhook server over TLS on the loopback interface."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kijabi.apiserver import contract, program
from kijabi.apiserver.options import Options
from kijabi.kit import http, pki
from kijabi.store import memory

Object = dict[str, Any]
ADMIN = contract.UserInfo("admin", uid="u1", groups=("system:masters", "system:authenticated"), extra={"k": ("v",)})
Answer = Callable[[Object], Any]
OPTIONS = Options(endpoint_reconciler_type="none", disable_admission_plugins=("ServiceAccount",))


class Outside:
    """Answers POSTs by path: ``answers[path]`` gets the review's request and gives the response's fields (or, as a
    ``web.Response``, everything). ``asked`` is what came, in order, with the path."""

    def __init__(self, authority: pki.Pair) -> None:
        self.authority = authority
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Object]] = []
        self.connections: set[int] = set()
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        review = json.loads(await request.read())
        self.asked.append((request.path, review))
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername")[1])
        answer = self.answers.get(request.path, lambda _: {"allowed": True})(review["request"])
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        response = {"uid": review["request"]["uid"], **answer}
        body = {"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response}
        return web.json_response({**body, **answer.pop("review", {})} if isinstance(answer, dict) else body)

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.cert_pem).decode()

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def client(self, path: str) -> Object:
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}

    def hook(self, path: str = "/ask", **more: Any) -> Object:
        """A webhook of ConfigMaps that is asked at ``path``."""
        name = path.strip("/").replace("/", "-")
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}
        return {
            "name": f"{name}.example.com",
            "clientConfig": self.client(path),
            "rules": [{**rule, **more.pop("rule", {})}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
            **more,
        }


def patch(*operations: Object) -> Object:
    body = json.dumps(list(operations)).encode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(body).decode()}


class Both:
    """The two servers. ``send`` gives status, body and headers, whatever the outcome."""

    def __init__(self, assembly: program.Assembly, outside: Outside) -> None:
        self.assembly = assembly
        self.outside = outside
        self.options = OPTIONS
        self.patch = patch

    async def configure(self, kind: str, *hooks: Object, name: str = "c") -> None:
        """Replace the configuration ``name`` of the ``kind`` ``mutating`` or ``validating``."""
        path = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
        await self.send("DELETE", f"{path}/{name}")
        status, body, _ = await self.send("POST", path, {"metadata": {"name": name}, "webhooks": list(hooks)})
        assert status == 201, body

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        path, _, query = path.partition("?")
        data = json.dumps(body).encode() if body is not None else b""
        request = http.Request(method, path, path, query, body=data, identity=ADMIN)
        for key, value in headers.items():
            request.headers[key.replace("_", "-")] = value
        answer = await self.assembly.api.handle(request)
        return answer.status, json.loads(await http.read_all(answer.body)), answer.headers

    async def make(self, name: str = "m", query: str = "", **meta: Any) -> tuple[int, Any]:
        """Create a ConfigMap."""
        obj = {"metadata": {"name": name, **meta}, "data": {"a": "b"}}
        status, body, _ = await self.send("POST", f"/api/v1/namespaces/default/configmaps{query}", obj)
        return status, body


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    found = Outside(pki.create_ca("webhooks"))
    own = pki.issue(found.authority, "hook", dns=["hook.default.svc"], ips=["127.0.0.1"], server=True)
    pki.write(own, tmp_path, "hook")
    app = web.Application()
    app.router.add_post("/{path:.*}", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "hook.crt", tmp_path / "hook.key")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


class Loopback:
    """Every Service is the webhook server; EndpointSlices may not name the loopback interface."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.asked: list[tuple[str, str, int]] = []

    async def resolve(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        self.asked.append((namespace, name, port))
        return "127.0.0.1", self._outside.port


@pytest.fixture
def resolver(outside: Outside) -> Loopback:
    return Loopback(outside)


@pytest.fixture
async def both(outside: Outside, resolver: Loopback) -> AsyncIterator[Both]:
    assembly = program.build(OPTIONS, memory.MemoryStore(), program.More(resolver=resolver))
    await assembly.start()
    found = Both(assembly, outside)
    yield found
    await found.assembly.close()
