import asyncio
from typing import Any

import pytest

from kijabi.apiserver import contract
from kijabi.kit import http

MAPS = "/api/v1/namespaces/default/configmaps"
READER = contract.UserInfo("jane", groups=("system:authenticated",))


async def test_who_may_not_is_403_with_the_reason(api: Any, objects: Any) -> None:
    answer = await api.post(MAPS, objects.config_map("a"), identity=READER)
    assert answer.status == 403
    assert answer.message == (
        'configmaps is forbidden: User "jane" cannot create resource "configmaps" in API group "" in the namespace '
        '"default": read only'
    )
    assert answer.json["details"] == {"kind": "configmaps"}


async def test_bad_credentials_are_401(api: Any) -> None:
    answer = await api.get(MAPS, identity=None, headers={"Authorization": "Bearer bad"})
    assert (answer.status, answer.json["reason"], answer.message) == (401, "Unauthorized", "Unauthorized")


async def test_nobody_in_particular_is_anonymous(api: Any) -> None:
    await api.get(MAPS, identity=None)
    assert api.judge.asked[-1].user == contract.ANONYMOUS


async def test_a_connections_user_is_found_once(api: Any) -> None:
    class Peer:
        user: contract.UserInfo | None = READER

    await api.get(MAPS, identity=None, connection=Peer())
    assert api.judge.asked[-1].user == READER


async def test_impersonation_acts_as_the_other_where_allowed(api: Any, objects: Any) -> None:
    answer = await api.post(MAPS, objects.config_map("a"), headers={"Impersonate-User": "joe"})
    assert (answer.status, 'User "joe" cannot create' in answer.message) == (403, True)
    refused = await api.get(MAPS, identity=READER, headers={"Impersonate-User": "joe"})
    assert refused.status == 403
    assert 'User "jane" cannot impersonate-on:user-info:list resource "configmaps"' in refused.message


UNKNOWN = {
    "/nope": (404, b"404 page not found\n"),
    "/api/v1/widgets": (404, b"the server could not find the requested resource"),
    "/apis/x.io/v1/widgets": (404, b"404 page not found\n"),
    "/api/v1/namespaces/default/pods/p/color": (404, b"the server could not find the requested resource"),
    "/api/v1/namespaces/default/nodes": (404, b"the server could not find the requested resource"),
    "/api/v1/pods/p": (404, b"the server could not find the requested resource"),
    "/api/v1/namespaces/default/bindings": (405, b"the server does not allow this method on the requested resource"),
}


@pytest.mark.parametrize(("path", "expected"), UNKNOWN.items(), ids=UNKNOWN)
async def test_what_is_not_there(api: Any, path: str, expected: tuple[int, bytes]) -> None:
    answer = await api.get(path)
    assert answer.status == expected[0]
    assert expected[1] in answer.body


async def test_virtual_resources_are_answered_by_their_special(api: Any) -> None:
    answer = await api.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}, "color": 1})
    assert answer.status == 201
    assert answer.json["kind"] == "TokenReview"
    assert answer.json["status"] == {"authenticated": True}
    assert answer.headers["Warning"] == '299 - "unknown field \\"color\\""'


async def test_an_unexpected_error_is_500_and_logged(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(context: contract.RequestContext) -> http.Response:
        raise KeyError("surprise")

    api.server._specials["", "pods", "log", "GET"] = fail
    answer = await api.get("/api/v1/namespaces/default/pods/p/log")
    assert (answer.status, answer.json["reason"]) == (500, "InternalError")
    assert b"surprise" not in answer.body
    assert "GET /api/v1/namespaces/default/pods/p/log failed" in caplog.text


async def test_a_closed_store_is_503(api: Any, objects: Any) -> None:
    await api.reg.store.close()
    answer = await api.post(MAPS, objects.config_map("a"))
    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")


async def test_too_many_at_once_are_429_but_for_masters(api: Any, objects: Any) -> None:
    go = asyncio.Event()

    async def slow(context: contract.RequestContext) -> http.Response:
        await go.wait()
        return http.Response()

    api.server._specials["", "pods", "scale", "GET"] = slow
    path = "/api/v1/namespaces/default/pods/p/scale"
    waiting = [asyncio.ensure_future(api.get(path, identity=READER)) for _ in range(3)]
    await asyncio.sleep(0)
    refused = await api.get(MAPS, identity=READER)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert refused.body == b"Too many requests, please try again later.\n"
    assert (await api.get(MAPS)).status == 200
    go.set()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 3
    assert (await api.get(MAPS, identity=READER)).status == 200
    assert set(api.limits.inflight.values()) == {0}


async def test_a_request_id_of_the_client_is_kept(api: Any) -> None:
    assert (await api.get(MAPS, headers={"Audit-ID": "abc"})).headers["Audit-Id"] == "abc"


async def test_people_get_indented_json(api: Any) -> None:
    assert (await api.get(f"{MAPS}?pretty=true")).body.startswith(b'{\n  "kind"')


async def test_a_write_that_takes_too_long_is_504_and_the_next_is_not(api: Any, objects: Any) -> None:
    api.server._steps.timeout = 0.01
    never = asyncio.Event()

    async def slow(context: contract.RequestContext) -> http.Response:
        await never.wait()
        raise AssertionError("unreachable: it is cancelled")

    api.server._specials["authentication.k8s.io", "tokenreviews", "", "POST"] = slow
    answer = await api.post("/apis/authentication.k8s.io/v1/tokenreviews", {})
    assert (answer.status, answer.json["reason"]) == (504, "Timeout")
    assert (await api.post("/api/v1/namespaces/default/configmaps", objects.config_map("a"))).status == 201
