"""What schemathesis makes of our own OpenAPI documents: every operation, sent as it says, and never answered 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core import NotSet

from kijabi.apiserver import contract, options, program
from kijabi.client import transport
from kijabi.kit import jsons, pki
from kijabi.store import memory

DOCUMENTS = (
    "apis/apps/v1",
    "apis/autoscaling/v2",
    "apis/coordination.k8s.io/v1",
    "apis/example.com/v1",
    "apis/policy/v1",
    "apis/rbac.authorization.k8s.io/v1",
)
# Upstream's own answer, without a reason, to a few wrong requests.
UPSTREAMS = (b"resourceVersion should not be set", b"strconv.ParseUint", b"does not contain declared merge key")
WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "maximum": 9},
                                    "tags": {"type": "array", "items": {"type": "string"}},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


class Server:
    """A server in this thread's own loop, asked one request at a time."""

    def __init__(self, directory: Path) -> None:
        (directory / "sa.key").write_bytes(pki.key_pem(pki.new_key()))
        flags = options.Options(service_account_signing_key_file=str(directory / "sa.key"))
        self.loop = asyncio.new_event_loop()
        self.assembly = self.loop.run_until_complete(self._start(flags))
        self._local = transport.Local(self.assembly.api.handle, contract.SYSTEM, "schemathesis")

    async def _start(self, flags: options.Options) -> program.Assembly:
        made = program.build(flags, memory.MemoryStore())
        await made.start()
        return made

    def ask(self, method: str, path: str, **more: Any) -> transport.Reply:
        return self.loop.run_until_complete(self._local.request(method, path, **more))

    def close(self) -> None:
        self.loop.run_until_complete(self.assembly.close())
        self.loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    headers = {"Content-Type": "application/json"}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert made.ask("POST", path, headers=headers, body=jsons.dumps(WIDGETS)).status == 201
    while made.ask("GET", "/openapi/v3/apis/example.com/v1").status != 200:
        made.loop.run_until_complete(asyncio.sleep(0))
    yield made
    made.close()


def query_of(case: Any) -> dict[str, list[str]]:
    """Without watches, which would not end."""
    made = {}
    for name, value in (case.query or {}).items():
        if name not in ("watch", "timeoutSeconds"):
            made[name] = [str(value).lower() if isinstance(value, bool) else str(value)]
    return made


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_operation_is_answered_500(server: Server, name: str) -> None:
    document = schemathesis.openapi.from_dict(jsons.loads(server.ask("GET", f"/openapi/v3/{name}").body))
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 5
    statuses: set[int] = set()

    def send(case: Any) -> None:
        # Python's own writer: what schemathesis makes up may be a number that others do not write.
        has_body = not isinstance(case.body, NotSet)
        body = json.dumps(case.body).encode() if has_body else b""
        headers = {"Content-Type": case.media_type or "application/json"} if body else {}
        answer = server.ask(
            case.method.upper(), case.formatted_path, query=query_of(case) or None, headers=headers, body=body
        )
        statuses.add(answer.status)
        known = any(text in answer.body for text in UPSTREAMS)
        assert answer.status < 500 or known, f"{case.method} {case.formatted_path}: {answer.body!r}"

    for operation in operations:
        checked = given(operation.as_strategy())(send)
        settings(
            max_examples=4,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )(checked)()
    assert 200 in statuses
