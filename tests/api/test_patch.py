"""The three patches."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kijabi.api import errors, patch, schema

POD = schema.Schemas.load().merge_info(("", "v1", "Pod"))
DEPLOYMENT = schema.Schemas.load().merge_info(("apps", "v1", "Deployment"))
ACCOUNT = schema.Schemas.load().merge_info(("", "v1", "ServiceAccount"))

JSON: list[tuple[str, Any, list[dict[str, Any]], Any]] = [
    ("add a field", {"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
    ("add to the end", {"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
    ("insert", {"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ("escapes", {"a/b": 1, "c~d": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/c~0d"}], {}),
    ("replace adds to objects", {"a": {}}, [{"op": "replace", "path": "/a/b", "value": 1}], {"a": {"b": 1}}),
    ("replace", {"a": {"b": 1}}, [{"op": "replace", "path": "/a/b", "value": None}], {"a": {"b": None}}),
    ("move", {"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
    ("copy", {"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
    ("test then add", {"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
    ("test of nothing", {}, [{"op": "test", "path": "/a", "value": None}], {}),
    ("last but one", {"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1]}),
]


@pytest.mark.parametrize(("document", "operations", "expected"), [c[1:] for c in JSON], ids=[c[0] for c in JSON])
def test_json_patch(document: Any, operations: list[dict[str, Any]], expected: Any) -> None:
    before = copy.deepcopy(document)
    assert patch.json(document, operations) == expected
    assert document == before


@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        (
            {"op": "remove", "path": "/x"},
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            {"op": "add", "path": "/x/y", "value": 1},
            'add operation does not apply: doc is missing path: "/x/y": missing value',
        ),
        ({"op": "test", "path": "/a", "value": True}, "testing value /a failed: test failed"),
        (
            {"op": "remove", "path": "/l/5"},
            "error in remove for path: '/l/5': Unable to access invalid index: 5: invalid index referenced",
        ),
        ({"op": "jump", "path": "/a"}, "Unexpected kind: jump"),
    ],
    ids=lambda value: value["op"] if isinstance(value, dict) else "",
)
def test_json_patches_that_do_not_apply_are_422(operation: dict[str, Any], cause: str) -> None:
    with pytest.raises(errors.Invalid) as error:
        patch.json({"a": 1, "l": []}, [operation])
    assert error.value.code == 422
    assert str(error.value.__cause__) == cause


def test_json_patches_must_be_lists_of_bounded_length() -> None:
    with pytest.raises(errors.BadRequest):
        patch.json({}, {})
    with pytest.raises(errors.TooLarge):
        patch.json({}, [{"op": "test", "path": "/a"}] * 10_001)


def test_merge_patch_follows_rfc_7386() -> None:
    document = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert patch.merge(document, {"a": {"b": None, "c": [2]}, "d": {"e": None, "f": 1}}) == {
        "a": {"c": [2]},
        "d": {"f": 1},
    }


def pod(*names: str, **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name, "image": name} for name in names], **more}}


def named(result: dict[str, Any]) -> list[str]:
    return [container["name"] for container in result["spec"]["containers"]]


STRATEGIC: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
    (
        "merges by key",
        pod("a", "b"),
        {"spec": {"containers": [{"name": "b", "image": "new"}]}},
        {"spec": {"containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "new"}]}},
    ),
    (
        "adds what is new after what the patch orders",
        pod("a"),
        {"spec": {"containers": [{"name": "b", "image": "b"}]}},
        {"spec": {"containers": [{"name": "b", "image": "b"}, {"name": "a", "image": "a"}]}},
    ),
    (
        "keeps the given order",
        pod("a", "b"),
        {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
        pod("b", "a"),
    ),
    (
        "deletes an element",
        pod("a", "b"),
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
        pod("b"),
    ),
    (
        "puts a new element where a deleted one was, behind what only the server has",
        pod("a", "b", "z"),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}],
                "containers": [{"name": "c", "image": "c"}, {"name": "a", "$patch": "delete"}],
            }
        },
        pod("b", "z", "c"),
    ),
    (
        "replaces a list",
        pod("a", "b"),
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "c", "image": "c"}]}},
        pod("c"),
    ),
    ("replaces a map", pod("a"), {"spec": {"$patch": "replace", "nodeName": "n"}}, {"spec": {"nodeName": "n"}}),
    ("deletes a map's content", pod("a"), {"spec": {"$patch": "delete"}}, {"spec": {}}),
    ("null deletes", pod("a", nodeName="n"), {"spec": {"nodeName": None}}, pod("a")),
    ("null of nothing", pod("a"), {"spec": {"nodeName": None}}, pod("a")),
    (
        "atomic lists are replaced",
        pod("a", tolerations=[{"key": "x"}]),
        {"spec": {"tolerations": [{"key": "y"}]}},
        pod("a", tolerations=[{"key": "y"}]),
    ),
    (
        "nulls in new maps are dropped",
        pod("a"),
        {"spec": {"securityContext": {"runAsUser": None, "fsGroup": 1}}},
        pod("a", securityContext={"fsGroup": 1}),
    ),
]


@pytest.mark.parametrize(
    ("document", "change", "expected"), [case[1:] for case in STRATEGIC], ids=[case[0] for case in STRATEGIC]
)
def test_strategic_merge_of_a_pod(document: dict[str, Any], change: dict[str, Any], expected: Any) -> None:
    before = copy.deepcopy((document, change))
    assert patch.strategic(document, change, POD) == expected
    assert (document, change) == before


def test_primitive_lists_are_merged_and_deleted_from() -> None:
    document = {"metadata": {"finalizers": ["a/a", "b/b"]}}
    added = patch.strategic(document, {"metadata": {"finalizers": ["c/c"]}}, POD)
    assert sorted(added["metadata"]["finalizers"]) == ["a/a", "b/b", "c/c"]
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/a"]}}
    assert patch.strategic(document, change, POD) == {"metadata": {"finalizers": ["b/b"]}}


def test_retain_keys_clears_the_rest() -> None:
    document = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    change = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patch.strategic(document, change, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"spec": {"$patch": "smash"}}, errors.ApiError, "unknown patch type: smash in map"),
        ({"spec": {"containers": [{"image": "x"}]}}, errors.ApiError, "does not contain declared merge key: name"),
        ({"spec": {"strategy": {"$retainKeys": "type"}}}, errors.BadRequest, "invalid patch format of retainKeys"),
        ([], errors.BadRequest, "invalid JSON document"),
    ],
    ids=["directive", "merge key", "retain keys", "no map"],
)
def test_bad_strategic_patches(change: Any, kind: type[errors.ApiError], message: str) -> None:
    document = {"spec": {"containers": [{"name": "a"}], "strategy": {"type": "x"}}}
    info = DEPLOYMENT if "strategy" in str(change) else POD
    with pytest.raises(kind, match=message):
        patch.strategic(document, change, info)


def test_custom_resources_have_no_strategic_merge() -> None:
    with pytest.raises(errors.BadRequest, match="strategic merge patch format is not supported"):
        patch.strategic({}, {}, None)


keys = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(keys, keys)
def test_merging_keeps_every_name_once_and_the_patchs_order(live: list[str], wanted: list[str]) -> None:
    result = patch.strategic(pod(*live), pod(*wanted), POD)
    assert sorted(named(result)) == sorted({*live, *wanted})
    assert [name for name in named(result) if name in wanted] == wanted


@given(keys, keys)
def test_a_strategic_patch_applied_twice_changes_nothing_more(live: list[str], wanted: list[str]) -> None:
    once = patch.strategic(pod(*live), pod(*wanted), POD)
    assert patch.strategic(once, pod(*wanted), POD) == once


@given(keys, st.data())
def test_set_element_order_decides(live: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(live))
    change = {"spec": {"$setElementOrder/containers": [{"name": name} for name in order]}}
    assert named(patch.strategic(pod(*live), change, POD)) == list(order)
