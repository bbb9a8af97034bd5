"""Versions that a webhook converts between."""

import asyncio
import copy
from typing import Any

import pytest

from kijabi.apiserver.crds import conversion
from kijabi.apiserver.outbound import webhooks

Object = dict[str, Any]
ROOT = "/apis/example.com"
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
OBJECTS = [
    {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name, "uid": name}} for name in ("a", "b")
]


def answer(review: Object, **more: Any) -> Object:
    request = review["request"]
    converted = copy.deepcopy(request["objects"])
    for obj in converted:
        obj["apiVersion"] = request["desiredAPIVersion"]
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted, **more}
    return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}


def test_a_review_is_in_the_first_version_known_here() -> None:
    made = conversion.review(["v9", "v1beta1", "v1"], OBJECTS, "example.com/v2", "u")
    assert made["apiVersion"] == "apiextensions.k8s.io/v1beta1"
    assert made["request"] == {"uid": "u", "desiredAPIVersion": "example.com/v2", "objects": OBJECTS}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"uid": "other"}, 'failed: expected response.uid="u", got "other"'),
        ({"result": {"status": "Failure", "message": "no way"}}, "failed: no way"),
        ({"result": {}}, "failed: response.result.status was '', not 'Success'"),
        ({"convertedObjects": []}, "returned 0 objects, expected 2"),
        (
            {"convertedObjects": OBJECTS},
            "returned invalid converted object at index 0: invalid groupVersion "
            "(expected example.com/v2, received example.com/v1)",
        ),
    ],
    ids=["uid", "failure", "no-status", "too-few", "version"],
)
def test_answers_that_cannot_be_used(more: Object, why: str) -> None:
    asked = conversion.review(["v1"], OBJECTS, "example.com/v2", "u")
    with pytest.raises(conversion.Refused) as refused:
        conversion.answered(answer(asked, **more), "u", OBJECTS, "example.com/v2")
    assert str(refused.value) == why


def test_only_labels_and_annotations_of_metadata_are_the_webhooks() -> None:
    asked = conversion.review(["v1"], OBJECTS[:1], "example.com/v2", "u")
    given = answer(asked)
    given["response"]["convertedObjects"][0]["metadata"] |= {"labels": {"x": "y"}, "generation": 9}
    [made] = conversion.answered(given, "u", OBJECTS[:1], "example.com/v2")
    assert made["metadata"] == {"name": "a", "uid": "a", "labels": {"x": "y"}}


class Hook:
    """v1 has ``hostPort``, v2 has ``host`` and ``port``."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.fails = False

    async def __call__(self, config: Object, review: Object) -> Object:
        if self.fails:
            raise webhooks.Failed("Post: refused")
        made = answer(review)
        self.sizes.append(len(review["request"]["objects"]))
        for obj in made["response"]["convertedObjects"]:
            spec = obj["spec"]
            if obj["apiVersion"].endswith("v2") and "hostPort" in spec:
                spec["host"], spec["port"] = spec.pop("hostPort").split(":")
            elif obj["apiVersion"].endswith("v1") and "host" in spec:
                spec["hostPort"] = f"{spec.pop('host')}:{spec.pop('port')}"
        return made


@pytest.fixture
async def hook(client: Any) -> Hook:
    made = Hook()
    custom = client.assembly.custom
    object.__setattr__(custom._means, "call", made)
    listed = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": SCHEMA},
            "selectableFields": [{"jsonPath": f".spec.{field}"} for field in fields],
        }
        for name, fields in (("v1", ("hostPort",)), ("v2", ("host", "port")))
    ]
    webhook = {"clientConfig": {"url": "https://127.0.0.1/convert"}, "conversionReviewVersions": ["v1"]}
    await client.define(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Cluster",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": listed,
                "conversion": {"strategy": "Webhook", "webhook": webhook},
                "preserveUnknownFields": False,
            },
        }
    )
    return made


def widget(name: str, version: str, **spec: Any) -> Object:
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


async def test_objects_are_read_written_listed_and_watched_in_both_versions(client: Any, hook: Hook) -> None:
    for name in ("one", "two"):
        made = await client.ask("POST", f"{ROOT}/v1/widgets", widget(name, "v1", hostPort=f"{name}:80"))
        assert made.status == 201, made.message
    assert (await client.get(f"{ROOT}/v2/widgets/one")).json["spec"] == {"host": "one", "port": "80"}
    hook.sizes.clear()
    await client.ask("POST", f"{ROOT}/v1/widgets", widget("three", "v1", hostPort="three:80"))
    listed = (await client.get(f"{ROOT}/v2/widgets")).json
    assert [one["spec"]["host"] for one in listed["items"]] == ["one", "three", "two"]
    assert hook.sizes == [2]
    events = client.watch(f"{ROOT}/v2/widgets?watch=1&resourceVersion={listed['metadata']['resourceVersion']}")
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    made = await client.ask("POST", f"{ROOT}/v2/widgets", widget("four", "v2", host="four", port="1"))
    assert (made.status, made.json["spec"]) == (201, {"host": "four", "port": "1"})
    async with asyncio.timeout(5):
        event = await waiting
    assert (event["type"], event["object"]["spec"]) == ("ADDED", {"host": "four", "port": "1"})
    assert event["object"]["apiVersion"] == "example.com/v2"
    await events.aclose()
    assert (await client.get(f"{ROOT}/v1/widgets/four")).json["spec"] == {"hostPort": "four:1"}


async def test_a_version_is_selected_by_its_own_fields(client: Any, hook: Hook) -> None:
    for name, where in (("a", "x:80"), ("b", "x:81"), ("c", "y:80")):
        await client.ask("POST", f"{ROOT}/v1/widgets", widget(name, "v1", hostPort=where))

    async def names(version: str, selector: str) -> list[str]:
        listed = (await client.get(f"{ROOT}/{version}/widgets?fieldSelector={selector}")).json
        return [one["metadata"]["name"] for one in listed["items"]]

    assert await names("v2", "spec.host%3Dx") == ["a", "b"]
    assert await names("v2", "spec.host%3Dx,spec.port!%3D80") == ["b"]
    assert await names("v2", "spec.host%3Dx,metadata.name%3Da&limit=1") == ["a"]
    assert await names("v1", "spec.hostPort%3Dy:80") == ["c"]
    assert (await client.get(f"{ROOT}/v1/widgets?fieldSelector=spec.host%3Dx")).status == 400


@pytest.mark.parametrize("initial", [True, False], ids=["from the state", "from a revision"])
async def test_a_watch_follows_what_matches_in_its_version(client: Any, hook: Hook, initial: bool) -> None:
    await client.ask("POST", f"{ROOT}/v1/widgets", widget("a", "v1", hostPort="x:80"))
    listed = (await client.get(f"{ROOT}/v2/widgets")).json
    # What is changed before the watch begins is told by it all the same.
    path = f"{ROOT}/v2/widgets?watch=1&fieldSelector=spec.host%3Dx"
    version = f"&resourceVersion={listed['metadata']['resourceVersion']}"
    expected = [("ADDED", "a")] if initial else []
    if not initial:
        path += version
        await client.ask("POST", f"{ROOT}/v1/widgets", widget("b", "v1", hostPort="x:1"))
        expected.append(("ADDED", "b"))
    events = client.watch(path)
    seen: list[tuple[str, str]] = []

    async def follow(wanted: list[tuple[str, str]]) -> None:
        while len(seen) < len(wanted):
            event = await anext(events)
            seen.append((event["type"], event["object"]["metadata"]["name"]))
        assert seen == wanted

    async with asyncio.timeout(5):
        await follow(expected)
        for where, more in (
            ("x:81", [("MODIFIED", "a")]),
            ("y:81", [("DELETED", "a")]),
            ("y:82", []),
            ("x:82", [("ADDED", "a")]),
        ):
            there = (await client.get(f"{ROOT}/v1/widgets/a")).json
            there["spec"]["hostPort"] = where
            assert (await client.ask("PUT", f"{ROOT}/v1/widgets/a", there)).status == 200
            expected += more
            await follow(expected)
        await client.ask("DELETE", f"{ROOT}/v1/widgets/a")
        await follow([*expected, ("DELETED", "a")])
    await events.aclose()


async def test_a_webhook_that_fails_is_an_internal_error(client: Any, hook: Hook) -> None:
    await client.ask("POST", f"{ROOT}/v1/widgets", widget("one", "v1", hostPort="a:1"))
    hook.fails = True
    answered = await client.get(f"{ROOT}/v2/widgets/one")
    assert answered.status == 500
    assert "conversion webhook for example.com/v1, Kind=Widget failed: Post: refused" in answered.message
    assert (await client.get(f"{ROOT}/v1/widgets/one")).status == 200
