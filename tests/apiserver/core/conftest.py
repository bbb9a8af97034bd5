"""An API server on a memory store with a handful of kinds, asked directly through its handler."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from multidict import CIMultiDict

from kijabi.api import field, metadata, resource, schema, served
from kijabi.apiserver import chain, contract, flow, health, metrics
from kijabi.apiserver.discovery import Discovery
from kijabi.apiserver.pages import StandardPages
from kijabi.apiserver.registry import registry, watching
from kijabi.apiserver.registry.access import RegistryAccess
from kijabi.apiserver.registry.verbs import Verbs
from kijabi.kit import clock, http, tasks
from kijabi.store import memory

Object = dict[str, Any]
ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))


def _validate_create(row: resource.Resource) -> Any:
    def validate(obj: Object) -> list[field.Error]:
        return metadata.validate(obj["metadata"], row.namespaced, metadata.subdomain)

    return validate


def _validate_update(new: Object, old: Object) -> list[field.Error]:
    return metadata.validate_update(new["metadata"], old["metadata"])


def _grace(pod: Object, asked: int | None) -> int:
    if not pod["spec"].get("nodeName"):
        return 0
    return asked if asked is not None else pod["spec"].get("terminationGracePeriodSeconds", 30)


def _keep_status(new: Object, old: Object) -> None:
    new.pop("status", None)
    if "status" in old:
        new["status"] = old["status"]
    if new.get("spec") != old.get("spec"):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _pod_fields(pod: Object) -> dict[str, str]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return {"spec.nodeName": spec.get("nodeName", ""), "status.phase": status.get("phase", "")}


def _pod_columns(pod: Object, now: float) -> list[Any]:
    return [pod["metadata"]["name"], (pod.get("status") or {}).get("phase", "")]


def _strategy(row: resource.Resource) -> resource.Strategy:
    plain = resource.Strategy(row, validate_create=_validate_create(row), validate_update=_validate_update)
    plain = replace(plain, validate_status=_validate_update)
    if row.plural == "pods":
        return replace(
            plain,
            grace_period=_grace,
            fields=_pod_fields,
            columns=_pod_columns,
            column_names=(resource.Column("Name", format="name"), resource.Column("Status")),
            prepare_update=_keep_status,
        )
    if row.plural == "deployments":
        return replace(plain, generation=True, prepare_update=_keep_status)
    return plain


_SERVED = (
    "pods",
    "configmaps",
    "namespaces",
    "nodes",
    "leases",
    "deployments",
    "bindings",
    "tokenreviews",
    "services",
    "jobs",
)


class SmallCatalog:
    def __init__(self) -> None:
        rows = [row for row in served.RESOURCES if row.plural in _SERVED]
        self._strategies = {(row.group, row.version, row.plural): _strategy(row) for row in rows}

    def by_path(self, group: str, version: str, plural: str) -> resource.Strategy | None:
        return self._strategies.get((group, version, plural))

    def strategies(self) -> list[resource.Strategy]:
        return list(self._strategies.values())


class Identified:
    """Knows nobody but whom an in-process transport vouches for, and refuses the token ``bad``."""

    async def authenticate(self, request: http.Request) -> contract.UserInfo | None:
        return contract.ANONYMOUS if "Authorization" not in request.headers else None


class Judge:
    """Allows masters everything, others only to read."""

    def __init__(self) -> None:
        self.asked: list[contract.Attributes] = []

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        self.asked.append(attributes)
        if "system:masters" in attributes.user.groups or attributes.verb in ("get", "list", "watch"):
            return contract.ALLOW
        return contract.Decision(contract.Verdict.NO_OPINION, "read only")


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Watching:
    """The events of an open watch, one by one."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._lines: list[bytes] = []

    async def next(self) -> Object | None:
        """None when the watch has ended."""
        while not self._lines:
            try:
                chunk = await anext(self._body)
            except StopAsyncIteration:
                return None
            self._lines += [line for line in chunk.split(b"\n") if line]
        return json.loads(self._lines.pop(0))  # type: ignore[no-any-return]

    async def short(self) -> tuple[str, str] | None:
        """(type, name)."""
        event = await self.next()
        return (event["type"], event["object"]["metadata"].get("name", "")) if event else None

    async def close(self) -> None:
        await self._body.aclose()  # type: ignore[attr-defined]


class Api:
    def __init__(self, server: chain.ApiServer, reg: registry.Registry) -> None:
        self.server = server
        self.reg = reg
        self.access = server.access
        self.clock: clock.FakeClock
        self.judge: Judge
        self.specials: dict[contract.SpecialKey, contract.Special] = {}
        self.deadlines: watching.Deadlines
        self.limits: flow.Limits

    def request(self, method: str, path: str, body: Any = b"", **more: Any) -> http.Request:
        path, _, query = path.partition("?")
        headers = CIMultiDict({"Accept": "application/json", **more.pop("headers", {})})
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        more.setdefault("identity", ADMIN)
        return http.Request(method, path, raw_path=path, query_string=query, headers=headers, body=body, **more)

    async def __call__(self, method: str, path: str, body: Any = b"", **more: Any) -> Answer:
        response = await self.server.handle(self.request(method, path, body, **more))
        return Answer(response.status, response.headers, await http.read_all(response.body))

    async def get(self, path: str, **more: Any) -> Answer:
        return await self("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Answer:
        return await self("POST", path, body, **more)

    async def put(self, path: str, body: Any, **more: Any) -> Answer:
        return await self("PUT", path, body, **more)

    async def delete(self, path: str, body: Any = b"") -> Answer:
        return await self("DELETE", path, body)

    async def patch(self, path: str, body: Any, kind: str = "merge-patch") -> Answer:
        return await self("PATCH", path, body, headers={"Content-Type": f"application/{kind}+json"})

    async def watch(self, path: str) -> Watching:
        response = await self.server.handle(self.request("GET", path))
        assert response.status == 200, response.body
        if isinstance(response.body, bytes):
            return Watching(_once(response.body))
        return Watching(response.body)

    async def made(self, path: str, body: Any) -> Object:
        answer = await self.post(path, body)
        assert answer.status == 201, answer.body
        return answer.json  # type: ignore[no-any-return]


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def config_map(name: str, **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more}, "data": {"a": "b"}}


def pod(name: str, node: str = "", **meta: Any) -> Object:
    spec: Object = {"containers": [{"name": "c", "image": "nginx"}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **meta}, "spec": spec}


@pytest.fixture
def objects() -> Any:
    """Makers of small objects: ``objects.config_map(name)``, ``objects.pod(name, node)``."""

    class Makers:
        pass

    makers = Makers()
    makers.config_map, makers.pod = config_map, pod  # type: ignore[attr-defined]
    return makers


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    timepiece = clock.FakeClock()
    catalog = SmallCatalog()
    reg = registry.Registry(memory.MemoryStore(), registry.Parts(catalog, schema.Schemas.load(), clock=timepiece))
    access = RegistryAccess(reg)
    deadlines = watching.Deadlines(timepiece)
    limits = flow.Limits(3, 2)
    measure = metrics.Metrics(lambda: limits.inflight, lambda: [("pods", 1)])
    pages = StandardPages(Discovery(catalog.strategies()), health.Health({}, {}), measure)
    judge = Judge()
    specials: dict[contract.SpecialKey, contract.Special] = {}

    async def review(context: contract.RequestContext) -> http.Response:
        obj = context.access.decode(context)
        return context.access.respond(context, {**obj, "status": {"authenticated": True}}, 201)

    specials[contract.SpecialKey("authentication.k8s.io", "tokenreviews", "", "POST")] = review
    steps = chain.Steps(access, Identified(), judge, pages, limits, specials, measure)
    server = chain.ApiServer(reg, Verbs(reg, deadlines), steps)
    await reg.feed.start()
    async with tasks.nursery("test", timepiece) as owner:
        owner.keep(reg.feed.run, "feed")
        found = Api(server, reg)
        found.clock, found.judge, found.deadlines, found.limits = timepiece, judge, deadlines, limits
        found.specials = specials
        yield found
        reg.feed.close()
