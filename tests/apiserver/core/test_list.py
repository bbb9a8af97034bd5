import base64
import json
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
ALL = "/api/v1/configmaps"


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer.json["items"]]


async def fill(api: Any, objects: Any, *letters: str) -> None:
    for letter in letters:
        await api.made(MAPS, objects.config_map(letter, labels={"letter": letter, "vowel": str(letter in "aeiou")}))


async def test_a_list_is_in_order_and_says_its_revision(api: Any, objects: Any) -> None:
    await fill(api, objects, "c", "a", "b")
    answer = await api.get(MAPS)
    assert names(answer) == ["a", "b", "c"]
    assert answer.json["kind"] == "ConfigMapList"
    assert answer.json["metadata"] == {"resourceVersion": "3"}
    # As upstream's, an item of a typed list does not say its kind.
    assert "kind" not in answer.json["items"][0]
    assert answer.json["items"][0]["metadata"]["resourceVersion"] == "2"


async def test_an_empty_list_has_items(api: Any) -> None:
    assert (await api.get(MAPS)).json["items"] == []


async def test_namespaces_do_not_mix(api: Any, objects: Any) -> None:
    for namespace in ("ns", "ns-a", "n"):
        await api.made(f"/api/v1/namespaces/{namespace}/configmaps", objects.config_map("x"))
    assert len((await api.get("/api/v1/namespaces/ns/configmaps")).json["items"]) == 1
    found = [item["metadata"]["namespace"] for item in (await api.get(ALL)).json["items"]]
    assert found == ["n", "ns-a", "ns"]


SELECTED = {
    "equal": ("labelSelector=letter%3Da", ["a"]),
    "set": ("labelSelector=letter+in+(a,c)", ["a", "c"]),
    "not": ("labelSelector=vowel!%3DTrue", ["b", "c"]),
    "exists": ("labelSelector=letter", ["a", "b", "c"]),
    "name": ("fieldSelector=metadata.name%3Db", ["b"]),
    "not the name": ("fieldSelector=metadata.name!%3Db", ["a", "c"]),
    "both": ("labelSelector=vowel%3DFalse&fieldSelector=metadata.name%3Dc", ["c"]),
}


@pytest.mark.parametrize(("query", "expected"), SELECTED.values(), ids=SELECTED)
async def test_selectors(api: Any, objects: Any, query: str, expected: list[str]) -> None:
    await fill(api, objects, "a", "b", "c")
    assert names(await api.get(f"{MAPS}?{query}")) == expected


async def test_fields_of_a_kind_can_be_selected(api: Any, objects: Any) -> None:
    await api.made("/api/v1/namespaces/default/pods", objects.pod("p", "n1"))
    await api.made("/api/v1/namespaces/default/pods", objects.pod("q", "n2"))
    assert names(await api.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2")) == ["q"]


async def test_pages_are_one_snapshot(api: Any, objects: Any) -> None:
    await fill(api, objects, "a", "b", "c", "d", "e")
    first = await api.get(f"{MAPS}?limit=2")
    assert names(first) == ["a", "b"]
    meta = first.json["metadata"]
    assert (meta["resourceVersion"], meta["remainingItemCount"]) == ("5", 3)
    await api.delete(f"{MAPS}/d")
    await fill(api, objects, "bb")
    second = await api.get(f"{MAPS}?limit=2&continue={meta['continue']}")
    assert (names(second), second.json["metadata"]["resourceVersion"]) == (["c", "d"], "5")
    third = await api.get(f"{MAPS}?limit=2&continue={second.json['metadata']['continue']}")
    assert names(third) == ["e"]
    assert "continue" not in third.json["metadata"]
    assert names(await api.get(MAPS)) == ["a", "b", "bb", "c", "e"]


async def test_pages_of_a_selection_do_not_count_the_rest(api: Any, objects: Any) -> None:
    await fill(api, objects, "a", "b", "c", "d")
    first = await api.get(f"{MAPS}?limit=1&labelSelector=vowel%3DFalse")
    assert names(first) == ["b"]
    assert "remainingItemCount" not in first.json["metadata"]
    token = first.json["metadata"]["continue"]
    assert names(await api.get(f"{MAPS}?labelSelector=vowel%3DFalse&continue={token}")) == ["c", "d"]


async def test_a_token_of_a_forgotten_snapshot_is_410_with_a_new_token(api: Any, objects: Any) -> None:
    await fill(api, objects, "a", "b", "c")
    token = (await api.get(f"{MAPS}?limit=1")).json["metadata"]["continue"]
    await fill(api, objects, "d")
    await api.reg.store.compact(4)
    answer = await api.get(f"{MAPS}?limit=1&continue={token}")
    assert (answer.status, answer.json["reason"]) == (410, "Expired")
    assert answer.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    rest = await api.get(f"{MAPS}?continue={answer.json['metadata']['continue']}")
    assert names(rest) == ["b", "c", "d"]


def token(**parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


TOKENS = {
    "garbage": ("%25%25", "illegal base64 data at input byte 0"),
    "not JSON": (base64.urlsafe_b64encode(b"nope").rstrip(b"=").decode(), "continue key is not valid"),
    "version": (token(v="v9", rv=1, start="a"), "server does not recognize this encoded version v9"),
    "no revision": (token(v="meta.k8s.io/v1", start="a"), "incorrect encoded start resourceVersion"),
    "no key": (token(v="meta.k8s.io/v1", rv=1), "encoded start key empty"),
    "out of bounds": (token(v="meta.k8s.io/v1", rv=1, start="../secrets/a"), "continue key is not valid"),
}


@pytest.mark.parametrize(("text", "message"), TOKENS.values(), ids=TOKENS)
async def test_bad_tokens_are_400(api: Any, text: str, message: str) -> None:
    answer = await api.get(f"{MAPS}?continue={text}")
    assert answer.status == 400
    assert answer.message.startswith("invalid continue token: ")
    assert message in answer.message


async def test_an_exact_revision_is_read_from_the_past(api: Any, objects: Any) -> None:
    await fill(api, objects, "a", "b")
    await api.delete(f"{MAPS}/a")
    exact = await api.get(f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact")
    assert (names(exact), exact.json["metadata"]["resourceVersion"]) == (["a"], "1")
    newer = await api.get(f"{MAPS}?resourceVersion=1&resourceVersionMatch=NotOlderThan")
    assert (names(newer), newer.json["metadata"]["resourceVersion"]) == (["b"], "3")
    assert names(await api.get(f"{MAPS}?resourceVersion=0")) == ["b"]
    await api.reg.store.compact(3)
    expired = await api.get(f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact")
    assert (expired.status, expired.message) == (
        410,
        "The resourceVersion for the provided list is too old.",
    )


async def test_a_revision_to_come_is_504(api: Any, objects: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kijabi.apiserver.watchcache.listing.PATIENCE", 0.01)
    await fill(api, objects, "a")
    for path in (f"{MAPS}?resourceVersion=99", f"{MAPS}/a?resourceVersion=99"):
        answer = await api.get(path)
        assert answer.status == 504
        assert answer.message == "Timeout: Too large resource version: 99, current: 1"
        assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert answer.headers["Retry-After"] == "1"


async def test_who_takes_any_revision_gets_all_at_once(api: Any, objects: Any) -> None:
    await fill(api, objects, "a", "b", "c")
    for query in ("resourceVersion=0&limit=2", "resourceVersion=0&resourceVersionMatch=NotOlderThan&limit=1"):
        answer = await api.get(f"{MAPS}?{query}")
        assert names(answer) == ["a", "b", "c"]
        assert "continue" not in answer.json["metadata"]


BAD = {
    "revision": ("resourceVersion=x", 400, "invalid resource version"),
    "limit": ("limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    "label": ("labelSelector=a%3D%3D%3D", 400, ""),
    "field": ("fieldSelector=spec.color%3Dred", 400, "field label not supported: spec.color"),
    "field text": ("fieldSelector=x", 400, "invalid selector: 'x'; can't understand 'x'"),
    "match": (
        "resourceVersionMatch=Exact",
        422,
        "resourceVersionMatch is forbidden unless resourceVersion is provided",
    ),
    "unknown match": ("resourceVersion=1&resourceVersionMatch=Best", 422, 'Unsupported value: "Best"'),
    "exactly nothing": ("resourceVersion=0&resourceVersionMatch=Exact", 422, 'is forbidden for resourceVersion "0"'),
    "initial events": ("sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"),
}


@pytest.mark.parametrize(("query", "status", "message"), BAD.values(), ids=BAD)
async def test_bad_options(api: Any, query: str, status: int, message: str) -> None:
    answer = await api.get(f"/api/v1/pods?{query}")
    assert answer.status == status
    assert message in answer.message
