"""Requests that another server answers, from one real API server to another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kijabi.apiserver import contract
from kijabi.apiserver.aggregation import catalog

CONTAINER = {"name": "c", "image": "i"}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}}
DEPLOYMENT = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}
PATH = "/apis/apps/v1/namespaces/default/deployments"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def is_available(condition: dict[str, Any]) -> bool:
    return bool(condition["status"] == "True" and condition["reason"] == "Passed")


async def available(two: Any, **more: Any) -> None:
    await two.serve()
    await two.register(**more)
    found = await two.wait_condition(is_available)
    assert found["message"] == "all checks passed"


async def test_a_request_is_answered_by_the_server_behind_in_the_callers_name(two: Any) -> None:
    await available(two)
    status, made = await two.send("POST", PATH, DEPLOYMENT)
    assert (status, made["kind"]) == (201, "Deployment")
    stored = two.behind.access.get_nowait(_deployments(two), "d", "default")
    assert stored["metadata"]["uid"] == made["metadata"]["uid"]
    assert two.front.registry.endpoints["apps", "v1", "deployments"].cache.get("default", "d") is None
    [headers] = _asked_by(two, "ada")
    assert headers["X-Remote-Uid"] == "u1"
    assert headers.getall("X-Remote-Group") == ["system:masters", "system:authenticated"]
    assert headers.getall("X-Remote-Extra-example.com%2FTeam%20a") == ["x", "y"]
    assert "Authorization" not in headers


def _asked_by(two: Any, name: str) -> list[Any]:
    # The aggregator asks for itself in between.
    return [headers for headers in two.asked.headers if headers["X-Remote-User"] == name]


def _deployments(two: Any) -> Any:
    return two.behind.access.strategy("apps", "v1", "deployments").resource


async def test_the_server_behind_knows_the_caller_by_the_headers(two: Any) -> None:
    await two.serve()
    await two.register("v1.authentication.k8s.io")
    await two.wait_condition(is_available, "v1.authentication.k8s.io")
    status, review = await two.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert status == 201
    user = review["status"]["userInfo"]
    assert (user["username"], user["uid"]) == ("ada", "u1")
    assert user["extra"] == {"example.com/team a": ["x", "y"]}


async def test_who_may_not_here_does_not_get_there(two: Any) -> None:
    await available(two)
    jane = contract.UserInfo("jane", groups=("system:authenticated",))
    status, body = await two.send("GET", PATH, user=jane)
    assert (status, body["reason"]) == (403, "Forbidden")
    assert not _asked_by(two, "jane")


async def test_a_watch_streams(two: Any) -> None:
    await available(two)
    answer = await two.answer("GET", f"{PATH}?watch=true")
    assert answer.status == 200
    await two.send("POST", PATH, DEPLOYMENT)
    async with asyncio.timeout(10):
        event = json.loads((await anext(answer.body)).split(b"\n")[0])
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "d")
    await answer.body.aclose()


@pytest.mark.parametrize(
    ("before", "reason", "message"),
    [
        pytest.param([], "ServiceNotFound", 'service/behind in "default" is not present', id="no service"),
        pytest.param(
            ["port"], "ServicePortError", 'service/behind in "default" is not listening on port 8', id="no such port"
        ),
        pytest.param(
            ["service"],
            "EndpointsNotFound",
            'cannot find endpointslices for service/behind in "default"',
            id="no endpoints",
        ),
        pytest.param(
            ["service", "unready"],
            "MissingEndpoints",
            'endpointslices for service/behind in "default" have no addresses with port name "https"',
            id="none ready",
        ),
    ],
)
async def test_why_a_server_is_not_available(two: Any, before: list[str], reason: str, message: str) -> None:
    port = 443
    if "service" in before or "port" in before:
        await two.send("POST", "/api/v1/namespaces/default/services", _service())
        port = 8 if "port" in before else 443
    if "unready" in before:
        endpoints = [{"addresses": ["10.1.2.3"], "conditions": {"ready": False}}]
        path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        assert (await two.send("POST", path, {**_slice(), "endpoints": endpoints}))[0] == 201
    await two.register(service={"name": "behind", "namespace": "default", "port": port})
    found = await two.wait_condition(lambda one: one["status"] == "False")
    assert (found["reason"], found["message"]) == (reason, message)
    assert await two.send("GET", PATH) == (503, "service unavailable\n")
    _, text = await two.send("GET", "/metrics")
    assert 'aggregator_unavailable_apiservice{name="v1.apps"} 1.0' in text
    assert f'aggregator_unavailable_apiservice_total{{name="v1.apps",reason="{reason}"}} 1.0' in text


def _service() -> dict[str, Any]:
    ports = [{"name": "https", "port": 443, "targetPort": 8443}]
    return {"metadata": {"name": "behind"}, "spec": {"ports": ports}}


def _slice() -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "behind"}
    return {
        "metadata": {"name": "behind-1", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": 8443}],
    }


async def test_a_server_whose_certificate_is_anothers_is_not_available(two: Any) -> None:
    await two.serve()
    await two.register(caBundle=None)
    found = await two.wait_condition(lambda one: one["status"] == "False")
    assert found["reason"] == "FailedDiscoveryCheck"
    assert found["message"].startswith("failing or missing response from https://127.0.0.1:")
    assert found["message"].endswith("tls: failed to verify certificate: x509: certificate signed by unknown authority")


async def test_a_certificate_need_not_be_looked_at(two: Any) -> None:
    await available(two, caBundle=None, insecureSkipTLSVerify=True)
    assert (await two.send("GET", PATH))[0] == 200


async def test_a_server_that_goes_is_missed_and_found_again(two: Any) -> None:
    await available(two)
    port, two.resolver.port = two.resolver.port, 1
    await two.front.forwarding.relay.close()
    status, text = await two.send("GET", PATH)
    assert (status, text) == (
        503,
        "error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused\n",
    )
    two.resolver.port = port
    assert (await two.send("GET", PATH))[0] == 200


async def test_discovery_shows_what_is_behind_and_that_it_is_stale_when_nobody_answers(two: Any) -> None:
    """The group is the front's own name for it: the server behind has never heard of it."""
    await two.register("v1.example.com")
    assert await _group(two) == {"version": "v1", "resources": [], "freshness": "Stale"}
    await two.send("DELETE", "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com")
    _, found = await two.send("GET", "/apis")
    assert "example.com" not in [one["name"] for one in found["groups"]]


async def _group(two: Any, name: str = "example.com") -> dict[str, Any]:
    _, found = await two.send("GET", "/apis", Accept=AGGREGATED)
    [group] = [one for one in found["items"] if one["metadata"]["name"] == name]
    return dict(group["versions"][0])


@pytest.mark.parametrize(
    ("document", "sound"),
    [
        pytest.param({"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {}}, True, id="empty"),
        pytest.param({"paths": {"/a": {"parameters": [{"ParameterProps": {"name": "n"}}]}}}, False, id="no place"),
        pytest.param({"paths": {"/a": {"get": []}}}, False, id="a list"),
        pytest.param([], False, id="no document"),
    ],
)
def test_a_document_that_would_break_all_others_is_left_out(document: Any, sound: bool) -> None:
    assert (catalog.fault_of(document) == "") is sound


async def test_what_a_server_offers_is_fetched(two: Any) -> None:
    await available(two)
    found = two.front.aggregation._catalog
    assert await found.fetch("v1.apps")
    known = found._known["v1.apps"]
    assert not known.stale
    names = {one["name"] for one in known.resources}
    assert {"deployments", "deployments/scale", "deployments/status", "daemonsets"} <= names
    [whole] = [one for one in known.resources if one["name"] == "deployments"]
    assert (whole["kind"], whole["namespaced"], whole["shortNames"]) == ("Deployment", True, ["deploy"])
    assert known.document["openapi"].startswith("3.")
    two.resolver.port = 1
    await two.front.forwarding.relay.close()
    assert not await found.fetch("v1.apps")
    assert (known.stale, {one["name"] for one in known.resources}) == (True, names)
