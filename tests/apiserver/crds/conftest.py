"""A whole API server on a store in memory, asked as a client would."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from multidict import CIMultiDict

from kijabi.apiserver import contract, options, program
from kijabi.kit import http, pki
from kijabi.store import memory

ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Object = dict[str, Any]


class Answer:
    def __init__(self, response: http.Response, body: bytes) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json.get("message", ""))


class Client:
    def __init__(self, assembly: program.Assembly) -> None:
        self.assembly = assembly

    async def ask(
        self, method: str, path: str, body: Any = None, *, type_: str = "application/json", accept: str = ""
    ) -> Answer:
        headers = {"Content-Type": type_}
        if accept:
            headers["Accept"] = accept
        where, _, query = path.partition("?")
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = _request(method, where, query, headers, data)
        response = await self.assembly.api.handle(request)
        assert isinstance(response.body, bytes)
        return Answer(response, response.body)

    async def get(self, path: str, accept: str = "") -> Answer:
        return await self.ask("GET", path, accept=accept)

    async def watch(self, path: str) -> AsyncIterator[Object]:
        where, _, query = path.partition("?")
        response = await self.assembly.api.handle(_request("GET", where, query))
        assert not isinstance(response.body, bytes)
        async for chunk in response.body:
            for line in chunk.splitlines():
                yield json.loads(line)

    async def define(self, crd: Object) -> Object:
        """Create a definition and wait until it is established."""
        answer = await self.ask("POST", CRDS, crd)
        assert answer.status == 201, answer.message
        return await self.until(crd["metadata"]["name"], lambda obj: _is(obj, "Established"))

    async def until(self, name: str, holds: Any) -> Object:
        async with asyncio.timeout(10):
            async for event in self.watch(f"{CRDS}?watch=1&fieldSelector=metadata.name={name}"):
                if holds(event["object"]):
                    return event["object"]  # type: ignore[no-any-return]
        raise AssertionError("the watch ended")

    async def eventually(self, method: str, path: str, holds: Any, body: Any = None) -> Answer:
        """Ask until the answer is as wanted: for what the server does by itself, a few turns of the loop later."""
        for _ in range(5000):
            answer = await self.ask(method, path, body)
            if holds(answer):
                return answer
            await asyncio.sleep(0)
        raise AssertionError(f"{answer.status} {answer.body[:500]!r}")

    async def until_gone(self, name: str) -> None:
        async with asyncio.timeout(10):
            async for event in self.watch(f"{CRDS}?watch=1&fieldSelector=metadata.name={name}"):
                if event["type"] == "DELETED":
                    return


def _request(method: str, path: str, query: str, headers: Any = None, body: bytes = b"") -> http.Request:
    found = CIMultiDict(headers or {})
    return http.Request(method, path, path, query, found, body, identity=ADMIN)


def _is(obj: Object, kind: str, value: str = "True") -> bool:
    listed = (obj.get("status") or {}).get("conditions") or []
    return any(one["type"] == kind and one["status"] == value for one in listed)


@pytest.fixture
async def client(tmp_path: Any) -> AsyncIterator[Client]:
    key = tmp_path / "sa.key"
    key.write_bytes(pki.key_pem(pki.new_key()))
    chosen = options.Options(
        service_account_signing_key_file=str(key),
        service_account_key_file=(str(key),),
        endpoint_reconciler_type="none",
        advertise_address="127.0.0.1",
    )
    assembly = program.build(chosen, memory.MemoryStore())
    await assembly.start()
    try:
        yield Client(assembly)
    finally:
        await assembly.close()
