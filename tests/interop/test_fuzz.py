"""Objects of every kind with random contents, and every operation with random parameters: refused or taken, but never
a 500 and never without a Status.

The contents follow each kind's schema, so that they get past the first check and into defaults, admission and
validation; here and there something of another type is put in. The seeds are fixed: a run is the same every time.
"""

from __future__ import annotations

import json
import random
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wires
from kijabi.api import resource, schema, served
from kijabi.api.schema import types
from kijabi.apiserver import negotiation

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 12
ALLOWED = (200, 201, 202, 400, 403, 404, 405, 409, 413, 415, 422)
# What upstream answers with 500 and no reason, though the client is to blame.
UPSTREAMS = (
    b"resourceVersion should not be set on objects to be created",
    b"does not contain declared merge key",
    b"target.name: Required value",
    b"target.kind: Unsupported value",
    b"strconv.ParseUint: parsing",
    b"unknown patch type",
    b"no preferred addresses found",
)

JUNK: list[Any] = [
    None,
    True,
    -1,
    2**63,
    2**64,
    1.5,
    "",
    "x" * 300,
    "\0",
    "ü",
    [],
    {},
    [None],
    [[]],
    {"": ""},
    ["a", "a"],
]
WORDS = (
    "",
    "a",
    "web",
    "default",
    "TCP",
    "Always",
    "Never",
    "OnFailure",
    "Exists",
    "In",
    "NoSchedule",
    "ClusterIP",
    "ExternalName",
    "None",
    "10.96.0.9",
    "fd00::1",
    "x" * 260,
    "/a",
    "../b",
    "*/5 * * * *",
    "metadata.name",
    "v1",
    "Pod",
    "a.example.com",
    "kubernetes.io/x",
    "RollingUpdate",
    "Utilization",
    "cpu",
    "80%",
    "IPv4",
)
KEYS = ("a", "x.y/z", "", "A_", "cpu", "memory", "nvidia.com/gpu", "pods", "hugepages-2Mi")
NUMBERS = (0, 1, -1, 80, 443, 30000, 65536, 2**31 - 1, -(2**31))
SCALARS: dict[str, tuple[Any, ...]] = {
    types.STRING: WORDS,
    types.BOOL: (True, False),
    types.INT32: NUMBERS,
    types.INT64: NUMBERS,
    types.DOUBLE: (0.5, 1, -1),
    types.BYTES: ("", "YQ==", "!!!"),
    types.TIME: ("2024-01-01T00:00:00Z", "x", None),
    types.MICRO_TIME: ("2024-01-01T00:00:00.000000Z", "x", None),
    types.QUANTITY: ("1", "100m", "1Gi", "-1", "0", "1e3", "abc", 1, 0.1, "1e999"),
    types.INT_OR_STRING: (1, 80, "http", "50%", "-1%", "a%", -3),
}


class Maker:
    def __init__(self, seed: int, junk: float) -> None:
        self.pick = random.Random(seed)
        self._junk = junk

    def value(self, kind: types.Type, depth: int = 0) -> Any:
        if depth and self.pick.random() < self._junk:
            return self.pick.choice(JUNK)
        if kind.kind == types.STRUCT:
            return self._struct(kind, depth)
        if kind.kind == types.LIST and kind.item is not None:
            return [self.value(kind.item, depth + 1) for _ in range(self.pick.choice((0, 1, 1, 2)))]
        if kind.kind == types.MAP and kind.item is not None:
            item = kind.item
            return {self.pick.choice(KEYS): self.value(item, depth + 1) for _ in range(self.pick.choice((0, 1, 2)))}
        return self.pick.choice(SCALARS.get(kind.kind, tuple(JUNK)))

    def _struct(self, kind: types.Type, depth: int) -> Any:
        if depth > 6:
            return {}
        fields = list(kind.fields.items())
        count = min(len(fields), self.pick.choice((0, 1, 2, 3, 5, 8)) if depth else len(fields))
        return {name: self.value(one.type, depth + 1) for name, one in self.pick.sample(fields, count)}

    def request(self, row: resource.Resource, kind: types.Type) -> tuple[str, str, Any, str]:
        """Method, path, body and its media type."""
        body = self.value(kind)
        body |= {"apiVersion": row.api_version, "kind": row.kind, "metadata": {"name": f"f{self.pick.randrange(5)}"}}
        namespace = "default" if row.namespaced else ""
        one = row.path(namespace, f"f{self.pick.randrange(5)}") + self.pick.choice(("", "/status", "/scale"))
        query = f"?fieldValidation={self.pick.choice(('Strict', 'Warn', 'Ignore'))}"
        match self.pick.randrange(6):
            case 0 | 1 | 2:
                return "POST", row.path(namespace) + query, body, "application/json"
            case 3:
                return "PUT", one + query, body, "application/json"
            case 4:
                return "PATCH", one + query, body, "application/merge-patch+json"
        return "PATCH", one + query, body, "application/strategic-merge-patch+json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: Any) -> AsyncIterator[wires.Site]:
    async with wires.serving(tmp_path_factory.mktemp("site")) as opened:
        yield opened


@pytest.mark.parametrize("junk", [0.0, 0.01], ids=["by the schema", "with junk"])
@pytest.mark.parametrize("group", sorted({row.group for row in served.RESOURCES}), ids=lambda group: group or "core")
async def test_no_object_makes_the_server_stumble(site: wires.Site, group: str, junk: float) -> None:
    schemas = schema.Schemas.load()
    rows = [row for row in served.RESOURCES if row.group == group and "create" in row.verbs]
    taken = 0
    async with site.line() as line:
        for row in rows:
            kind = schemas.type_of((row.group, row.version, row.kind))
            assert kind is not None
            maker = Maker(sum(row.plural.encode()), junk)
            for _ in range(ROUNDS):
                method, path, body, media = maker.request(row, kind)
                answer = await line.ask(method, path, json.dumps(body).encode(), Content_Type=media)
                said = (method, path, json.dumps(body), answer.body)
                if not any(text in answer.body for text in UPSTREAMS):
                    assert answer.status in ALLOWED, said
                assert answer.json["kind"] in ("Status", row.kind, "Scale"), said
                taken += 1
    assert taken == ROUNDS * len(rows)


PARAMETERS = (
    "",
    "0",
    "1",
    "-1",
    "x",
    "true",
    "null",
    "All",
    "99999999999999999999",
    "a=b",
    "a in (b",
    "\0",
    "%zz",
    "ü",
)
BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"1",
    b"{",
    b"\xff",
    b'{"kind":"Pod"}',
    b'{"metadata":[]}',
    b'{"spec":{"x":null}}',
)
KINDS = ("application/json", "application/yaml", "text/plain", "", *negotiation.PATCH_TYPES, negotiation.PROTOBUF)
ACCEPTED = (
    "application/json",
    "application/yaml",
    "application/json;as=Table;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "text/html",
    "*/*;q=0",
)
METHODS = ("get", "put", "post", "delete", "patch")


def asked(pick: random.Random, path: str, method: str, operation: dict[str, Any]) -> tuple[str, bytes | None, Any]:
    """Path with its query, body and headers of one request. Watches, which do not end, are left to others."""
    for name in ("namespace", "name", "path"):
        path = path.replace(
            "{" + name + "}", pick.choice(("default", "a", "f1", "..", "A%20b", "kubernetes", "kube-system"))
        )
    names = [parameter["name"] for parameter in operation["parameters"] if parameter["name"] != "watch"]
    chosen = [
        (name, pick.choice(PARAMETERS)) for name in pick.sample(names, min(len(names), pick.choice((0, 1, 2, 4))))
    ]
    body = pick.choice(BODIES) if method != "get" else None
    headers = {"Accept": pick.choice(ACCEPTED), "Content_Type": pick.choice(KINDS)}
    return f"{path}?{urllib.parse.urlencode(chosen)}", body, headers


@pytest.mark.parametrize("seed", range(8))
async def test_no_request_makes_the_server_stumble(site: wires.Site, seed: int) -> None:
    pick, taken = random.Random(seed), 0
    index = (await site.ask("GET", "/openapi/v3")).json["paths"]
    async with site.line() as line:
        for where in index.values():
            document = (await line.ask("GET", where["serverRelativeURL"])).json
            operations = [
                (path, method, found)
                for path, item in document["paths"].items()
                for method, found in item.items()
                if method in METHODS
            ]
            for path, method, operation in pick.sample(operations, min(len(operations), 150)):
                target, body, headers = asked(pick, path, method, operation)
                answer = await line.ask(method.upper(), target, body, **headers)
                said = (method, target, body, headers, answer.status, answer.body)
                if not any(text in answer.body for text in UPSTREAMS):
                    assert answer.status in (*ALLOWED, 301, 406, 410, *((503,) if "/proxy" in path else ())), said
                taken += 1
    assert taken > 300
