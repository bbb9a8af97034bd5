"""Protobuf in requests and, where a client takes nothing else, in answers."""

from __future__ import annotations

from typing import Any

import pytest

import protobufs
from kijabi.api import errors
from kijabi.api.protobuf import compiled, wire
from kijabi.apiserver import negotiation

MAPS = "/api/v1/namespaces/default/configmaps"
PROTOBUF, JSON = negotiation.PROTOBUF, negotiation.JSON
ONLY = {"Accept": PROTOBUF}
SENT = {"Content-Type": PROTOBUF, "Accept": f"{PROTOBUF},{JSON}"}
THINGS = "/apis/example.com/v1/things"


@pytest.fixture(autouse=True)
def small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "load", lambda: protobufs.CODEC)


def config_map(name: str) -> bytes:
    raw = protobufs.f(1, protobufs.f(1, name)) + protobufs.f(2, protobufs.f(1, "a") + protobufs.f(2, "b"))
    return protobufs.enveloped("v1", "ConfigMap", raw)


async def test_a_body_in_protobuf_and_an_answer_in_json(api: Any) -> None:
    answer = await api.post(MAPS, config_map("m"), headers=SENT)
    assert (answer.status, answer.headers["Content-Type"]) == (201, JSON)
    assert (answer.json["metadata"]["name"], answer.json["data"]) == ("m", {"a": "b"})


async def test_an_object_a_list_and_an_error_for_who_takes_nothing_else(api: Any) -> None:
    await api.post(MAPS, config_map("m"), headers=SENT)
    answers = [await api.get(path, headers=ONLY) for path in (f"{MAPS}/m", MAPS, f"{MAPS}/other")]
    assert [answer.status for answer in answers] == [200, 200, 404]
    assert {answer.headers["Content-Type"] for answer in answers} == {PROTOBUF}
    one, many, error = (protobufs.CODEC.decode(answer.body) for answer in answers)
    assert (one["kind"], one["metadata"]["name"], one["data"]) == ("ConfigMap", "m", {"a": "b"})
    assert (many["kind"], [item["metadata"]["name"] for item in many["items"]]) == ("ConfigMapList", ["m"])
    assert (error["kind"], error["reason"], error["code"]) == ("Status", "NotFound", 404)


async def test_a_collection_is_deleted_by_options_in_protobuf(api: Any) -> None:
    await api.post(MAPS, config_map("m"), headers=SENT)
    options = protobufs.enveloped("v1", "DeleteOptions", protobufs.f(1, 0))
    answer = await api("DELETE", MAPS, options, headers={"Content-Type": PROTOBUF, **ONLY})
    assert (answer.status, answer.headers["Content-Type"]) == (200, PROTOBUF)
    assert len(protobufs.CODEC.decode(answer.body)["items"]) == 1
    assert (await api.get(f"{MAPS}/m")).status == 404


async def test_a_watch_is_frames(api: Any) -> None:
    await api.post(MAPS, config_map("m"), headers=SENT)
    response = await api.server.handle(api.request("GET", f"{MAPS}?watch=true", headers=ONLY))
    assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
    data = await anext(response.body)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    (_, _, kind), (_, _, extension) = wire.fields(data[4:])
    ((_, _, enveloped),) = wire.fields(extension)
    assert kind == b"ADDED"
    assert protobufs.CODEC.decode(enveloped)["metadata"]["name"] == "m"
    await response.body.aclose()


REFUSED = {
    "garbage": (b"\x00", "expected prefix [107 56 115 0]"),
    "another kind": (protobufs.enveloped("apps/v1", "Deployment", b""), "cannot be handled as a ConfigMap"),
    "cut off": (config_map("m")[:-9], "unexpected EOF"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
async def test_bodies_that_are_refused(api: Any, body: bytes, message: str) -> None:
    answer = await api.post(MAPS, body, headers={"Content-Type": PROTOBUF})
    assert answer.status == 400
    assert message in answer.message


ACCEPTED = {
    "built-in": (MAPS, "application/json, application/yaml, " + PROTOBUF),
    "custom": (THINGS, f"{JSON}, {negotiation.YAML}, {PROTOBUF}"),
}


@pytest.mark.parametrize(("path", "types"), ACCEPTED.values(), ids=ACCEPTED)
async def test_which_types_are_named_when_none_fits(api: Any, path: str, types: str) -> None:
    request = api.request("POST", path, b"", headers={"Content-Type": "text/plain", "Accept": "text/plain"})
    with pytest.raises(errors.UnsupportedMediaType, match=f"accepted media types include: {types}$"):
        negotiation.body_type(request)
    with pytest.raises(errors.NotAcceptable, match=f"(media types are accepted|Available representations): {types}$"):
        negotiation.accept(request)


ASKED = {
    "a table has no protobuf form": (MAPS, f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io", None),
    "but metadata has": (MAPS, f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io", PROTOBUF),
    "also of custom resources": (THINGS, f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io", PROTOBUF),
    "which have none themselves": (THINGS, PROTOBUF, None),
    "JSON where it will do": (MAPS, f"{PROTOBUF},*/*;q=0.1", JSON),
}


@pytest.mark.parametrize(("path", "accept", "type_"), ASKED.values(), ids=ASKED)
async def test_when_protobuf_is_answered(api: Any, path: str, accept: str, type_: str | None) -> None:
    request = api.request("GET", path, headers={"Accept": accept})
    if type_ is None:
        with pytest.raises(errors.NotAcceptable):
            negotiation.accept(request)
    else:
        assert negotiation.accept(request).type == type_


async def test_without_a_table_protobuf_is_an_unknown_type(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "load", lambda: None)
    sent = await api.post(MAPS, config_map("m"), headers=SENT)
    assert (sent.status, sent.message.rpartition(": ")[2]) == (415, "application/json, application/yaml")
    asked = await api.get(MAPS, headers=ONLY)
    assert (asked.status, asked.headers["Content-Type"]) == (406, JSON)
