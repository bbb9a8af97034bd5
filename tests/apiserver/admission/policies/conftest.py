"""A whole API server, for policies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kijabi.apiserver import contract, program
from kijabi.apiserver.options import Options
from kijabi.kit import http
from kijabi.store import memory

Object = dict[str, Any]
ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))
GROUP = "/apis/admissionregistration.k8s.io/v1"


class Server:
    """``send`` gives status, body and warnings, whatever the outcome."""

    def __init__(self, assembly: program.Assembly) -> None:
        self._api = assembly.api

    async def raw(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, bytes, list[str]]:
        path, _, query = path.partition("?")
        data = json.dumps(body).encode() if body is not None else b""
        request = http.Request(method, path, path, query, body=data, identity=ADMIN)
        request.headers["Content-Type"] = kind
        answer = await self._api.handle(request)
        warnings = [value for key, value in answer.headers.items() if key.lower() == "warning"]
        return answer.status, await http.read_all(answer.body), warnings

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any, list[str]]:
        status, answer, warnings = await self.raw(method, path, body)
        return status, json.loads(answer), warnings

    async def made(self, path: str, body: Object) -> Object:
        status, answer, _ = await self.send("POST", path, body)
        assert status == 201, answer
        return answer

    async def bind(self, kind: str, spec: Object, name: str = "p", **binding: Any) -> None:
        """A ``validating`` or ``mutating`` policy of that name with a binding to it."""
        rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["configmaps", "deployments"]}
        rule["operations"] = ["CREATE", "UPDATE"]
        spec = {"matchConstraints": {"resourceRules": [rule]}, **spec}
        if kind == "mutating":
            spec = {"reinvocationPolicy": "Never", **spec}
        await self.made(f"{GROUP}/{kind}admissionpolicies", {"metadata": {"name": name}, "spec": spec})
        bound = {"policyName": name, **({"validationActions": ["Deny"]} if kind == "validating" else {}), **binding}
        obj = {"metadata": {"name": f"{name}-b"}, "spec": bound}
        await self.made(f"{GROUP}/{kind}admissionpolicybindings", obj)

    async def config_map(self, name: str = "m", data: Any = None, **meta: Any) -> tuple[int, Any, list[str]]:
        obj = {"metadata": {"name": name, **meta}, "data": data or {"a": "b"}}
        return await self.send("POST", "/api/v1/namespaces/default/configmaps", obj)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    options = Options(endpoint_reconciler_type="none", disable_admission_plugins=("ServiceAccount",))
    assembly = program.build(options, memory.MemoryStore(), program.More())
    await assembly.start()
    yield Server(assembly)
    await assembly.close()
