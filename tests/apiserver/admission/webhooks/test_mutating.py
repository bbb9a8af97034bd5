"""Hooks that change what is written."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from kijabi.api import conditions, served


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


async def test_the_patch_is_what_is_stored(both: Any) -> None:
    both.outside.answers["/ask"] = lambda _: both.patch(add("/data/more", "yes"), add("/unknown", 1))
    await both.configure("mutating", both.outside.hook())
    status, made = await both.make()
    assert (status, made["data"]) == (201, {"a": "b", "more": "yes"})
    assert "unknown" not in made
    _, stored, _ = await both.send("GET", "/api/v1/namespaces/default/configmaps/m")
    assert stored["data"] == {"a": "b", "more": "yes"}


async def test_defaults_are_filled_in_after_a_patch_and_the_result_is_validated(both: Any) -> None:
    rule = {"resources": ["services"]}
    ports = [{"port": 80}, {"port": 81, "name": "x"}]
    both.outside.answers["/ask"] = lambda _: both.patch(add("/spec/ports", ports[:1]))
    await both.configure("mutating", both.outside.hook(rule=rule))
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 9}]}}
    status, made, _ = await both.send("POST", "/api/v1/namespaces/default/services", body)
    assert (status, made["spec"]["ports"]) == (201, [{"port": 80, "protocol": "TCP", "targetPort": 80}])
    both.outside.answers["/ask"] = lambda _: both.patch(add("/spec/ports", ports))
    body["metadata"]["name"] = "t"  # type: ignore[index]
    status, refused, _ = await both.send("POST", "/api/v1/namespaces/default/services", body)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.ports[0].name")


async def test_each_sees_what_those_before_it_made_in_the_order_of_names(both: Any) -> None:
    for key in ("1", "2", "3"):
        both.outside.answers[f"/{key}"] = lambda request, key=key: both.patch(
            add(f"/data/{key}", str(len(request["object"]["data"])))
        )
    await both.configure("mutating", both.outside.hook("/2"), both.outside.hook("/3"), name="b")
    await both.configure("mutating", both.outside.hook("/1"), name="a")
    _, made = await both.make()
    assert made["data"] == {"a": "b", "1": "1", "2": "2", "3": "3"}
    assert both.outside.paths() == ["/1", "/2", "/3"]


async def test_who_wishes_it_is_asked_again_when_a_later_one_changed_the_object(both: Any) -> None:
    both.outside.answers["/last"] = lambda _: both.patch(add("/data/last", "1"))
    await both.configure(
        "mutating",
        both.outside.hook("/again", reinvocationPolicy="IfNeeded"),
        both.outside.hook("/once"),
        both.outside.hook("/last", reinvocationPolicy="IfNeeded"),
    )
    _, made = await both.make()
    assert both.outside.paths() == ["/again", "/once", "/last", "/again"]
    assert both.outside.asked[-1][1]["request"]["object"]["data"] == made["data"] == {"a": "b", "last": "1"}


async def test_nobody_is_asked_again_when_nothing_changed(both: Any) -> None:
    both.outside.answers["/b"] = lambda _: both.patch(add("/data/a", "b"))
    await both.configure("mutating", *(both.outside.hook(path, reinvocationPolicy="IfNeeded") for path in ("/a", "/b")))
    await both.make()
    assert both.outside.paths() == ["/a", "/b"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(
            {"allowed": True, "patch": base64.b64encode(b"[]").decode()},
            'failed calling webhook "ask.example.com": received invalid webhook response: '
            "webhook returned response.patch but not response.patchType",
            id="no type",
        ),
        pytest.param(
            {"allowed": True, "patch": base64.b64encode(b'[{"op": "x"}]').decode(), "patchType": "Merge"},
            'failed calling webhook "ask.example.com": unsupported patch type "Merge"',
            id="another type",
        ),
    ],
)
async def test_a_patch_that_cannot_be_applied_fails_the_request(both: Any, answer: Any, why: str) -> None:
    both.outside.answers["/ask"] = lambda _: answer
    await both.configure("mutating", both.outside.hook())
    code, body = await both.make()
    assert (code, body["message"]) == (500, f"Internal error occurred: {why}")


async def test_a_deletion_cannot_be_changed(both: Any) -> None:
    await both.make()
    both.outside.answers["/ask"] = lambda _: both.patch(add("/data/a", "c"))
    await both.configure("mutating", both.outside.hook())
    code, body, _ = await both.send("DELETE", "/api/v1/namespaces/default/configmaps/m")
    why = "attempted to modify the object, which is not supported for this operation"
    assert code == 500
    assert body["message"] == f'Internal error occurred: admission webhook "ask.example.com" {why}'


async def test_a_scale_is_a_scale(both: Any) -> None:
    container = {"name": "c", "image": "i"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert (await both.send("POST", path, {"metadata": {"name": "d"}, "spec": spec}))[0] == 201
    both.outside.answers["/ask"] = lambda _: both.patch(add("/spec/replicas", 7))
    rule = {"apiGroups": ["apps"], "resources": ["deployments/scale"]}
    await both.configure("mutating", both.outside.hook(rule=rule))
    code, scale, _ = await both.send(
        "PATCH", f"{path}/d/scale", {"spec": {"replicas": 3}}, Content_Type="application/merge-patch+json"
    )
    assert (code, scale["spec"]["replicas"]) == (200, 7)
    request = both.outside.asked[0][1]["request"]
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (request["subResource"], request["object"]["spec"], request["oldObject"]["spec"]) == (
        "scale",
        {"replicas": 3},
        {"replicas": 1},
    )


async def test_a_change_to_another_version_comes_back_as_the_one_asked_for(both: Any) -> None:
    rule = {"apiGroups": ["events.k8s.io"], "resources": ["events"]}
    both.outside.answers["/ask"] = lambda _: both.patch(add("/note", "changed"))
    await both.configure("mutating", both.outside.hook(rule=rule))
    event = {"reason": "R", "message": "hi", "type": "Normal"}
    body = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "namespace": "default"},
        **event,
    }
    code, made, _ = await both.send("POST", "/api/v1/namespaces/default/events", body)
    assert (code, made["message"], made["apiVersion"]) == (201, "changed", "v1")


async def test_the_older_review_is_spoken_to_who_knows_no_other(both: Any) -> None:
    both.outside.answers["/ask"] = lambda _: {**both.patch(add("/data/x", "y")), "patchType": None}
    await both.configure("mutating", both.outside.hook(admissionReviewVersions=["v2", "v1beta1"]))
    status, made = await both.make()
    assert (status, made["data"]) == (201, {"a": "b", "x": "y"})
    assert both.outside.asked[0][1]["apiVersion"] == "admission.k8s.io/v1beta1"


DEFINITIONS = served.find("apiextensions.k8s.io/v1", "customresourcedefinitions")
DEFINITION = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": name,
                "served": True,
                "storage": name == "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"size": {"type": "integer"}, "color": {"type": "string"}},
                            }
                        },
                    }
                },
            }
            for name in ("v1", "v2")
        ],
    },
}


async def test_a_custom_resource_is_seen_in_the_version_of_the_rule_and_pruned(both: Any) -> None:
    established = asyncio.Event()

    def told(old: Any, new: Any) -> None:
        if conditions.is_true(new or {}, "Established"):
            established.set()

    both.assembly.access.subscribe(DEFINITIONS, told)
    await both.send("POST", DEFINITIONS.path(), DEFINITION)
    async with asyncio.timeout(10):
        await established.wait()
    path = "/apis/example.com/v1/namespaces/default/widgets"
    both.outside.answers["/ask"] = lambda _: both.patch(add("/spec/color", "red"), add("/spec/unknown", "x"))
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v2"], "resources": ["widgets"]}
    await both.configure("mutating", both.outside.hook(rule=rule))
    code, made, _ = await both.send("POST", path, {"apiVersion": "example.com/v1", "kind": "Widget", **WIDGET})
    assert (code, made["apiVersion"], made["spec"]) == (201, "example.com/v1", {"size": 1, "color": "red"})
    request = both.outside.asked[0][1]["request"]
    assert request["object"]["apiVersion"] == "example.com/v2"
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v2", "v1")


WIDGET = {"metadata": {"name": "w"}, "spec": {"size": 1}}
