"""Mutating policies: merges, patches, their order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest


def apply(expression: str) -> dict[str, Any]:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def json_patch(expression: str) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


LABEL = "Object{metadata: Object.metadata{labels: {'team': request.userInfo.username}}}"


@pytest.mark.parametrize(
    ("mutations", "labels", "data"),
    [
        ([apply(LABEL)], {"own": "1", "team": "admin"}, {"a": "b"}),
        (
            [json_patch("[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('x/y'), value: 'z'}]")],
            {"own": "1", "x/y": "z"},
            {"a": "b"},
        ),
        (
            [json_patch("[JSONPatch{op: 'test', path: '/data/a', value: 'no'}, "
                        "JSONPatch{op: 'remove', path: '/data'}]")],
            {"own": "1"},
            {"a": "b"},
        ),
        (
            [apply(LABEL), apply("Object{data: {'copied': object.metadata.labels.team}}")],
            {"own": "1", "team": "admin"},
            {"a": "b", "copied": "admin"},
        ),
    ],
)  # fmt: skip
async def test_a_policy_changes_what_is_created(
    server: Any, mutations: list[Any], labels: dict[str, str], data: dict[str, str]
) -> None:
    await server.bind("mutating", {"mutations": mutations})
    status, body, _ = await server.config_map(labels={"own": "1"})
    assert status == 201, body
    assert (body["metadata"]["labels"], body["data"]) == (labels, data)


async def test_lists_merge_by_their_keys_and_defaults_follow(server: Any) -> None:
    expression = (
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: ["
        "Object.spec.template.spec.containers{name: 'side', image: 'side:1'}]}}}}"
    )
    await server.bind("mutating", {"mutations": [apply(expression)]})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "main:1"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    made = await server.made(path, {"metadata": {"name": "d"}, "spec": spec})
    containers = made["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["image"] for one in containers} == {"main": "main:1", "side": "side:1"}
    assert all(one["terminationMessagePolicy"] == "File" for one in containers)


@pytest.mark.parametrize(
    ("mutation", "text"),
    [
        (
            apply("Object{metadata: Object.wrong{labels: {'a': 'b'}}}"),
            'type mismatch: unexpected type name "Object.wrong", expected "Object.metadata", which matches field name '
            "path from root Object type",
        ),
        (
            apply("Object{data: {'x': object.none}}"),
            "expression 'Object{data: {'x': object.none}}' resulted in error: no such key: none",
        ),
    ],
)
async def test_a_mutation_that_fails_refuses(server: Any, mutation: dict[str, Any], text: str) -> None:
    await server.bind("mutating", {"mutations": [mutation]})
    status, body, _ = await server.config_map()
    assert (status, body["reason"]) == (403, "Invalid")
    assert body["message"] == f"policy 'p' with binding 'p-b' denied request: {text}"


async def test_an_atomic_part_may_not_be_merged(server: Any) -> None:
    expression = "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'x': 'y'}}}}"
    await server.bind("mutating", {"mutations": [apply(expression)]})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "main:1"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    status, body, _ = await server.send("POST", path, {"metadata": {"name": "d"}, "spec": spec})
    assert status == 403
    assert body["message"].endswith("may not mutate atomic arrays, maps or structs: .spec.selector")


async def test_a_policy_that_wishes_is_asked_again_when_a_later_one_changes(server: Any) -> None:
    count = apply("Object{data: {'keys': string(size(object.data))}}")
    await server.bind("mutating", {"mutations": [count], "reinvocationPolicy": "IfNeeded"}, name="a")
    more = apply("Object{data: {'more': '1'}}")
    await server.bind("mutating", {"mutations": [more]}, name="b")
    _, body, _ = await server.config_map()
    assert body["data"] == {"a": "b", "more": "1", "keys": "3"}


async def test_conditions_and_parameters(server: Any) -> None:
    await server.config_map("team", {"name": "blue"})
    spec = {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConditions": [{"name": "named", "expression": "object.metadata.name != 'plain'"}],
        "variables": [{"name": "team", "expression": "params.data.name"}],
        "mutations": [apply("Object{metadata: Object.metadata{labels: {'team': variables.team}}}")],
    }
    await server.bind("mutating", spec, paramRef={"name": "team", "parameterNotFoundAction": "Deny"})
    assert (await server.config_map())[1]["metadata"]["labels"] == {"team": "blue"}
    assert "labels" not in (await server.config_map("plain"))[1]["metadata"]
