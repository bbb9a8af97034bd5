from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


async def test_a_merge_patch_changes_what_it_names(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.patch(f"{MAPS}/a", {"data": {"a": None, "b": "2"}, "metadata": {"labels": {"x": "y"}}})
    assert answer.status == 200
    assert answer.json["data"] == {"b": "2"}
    assert answer.json["metadata"]["labels"] == {"x": "y"}


async def test_a_json_patch_works_step_by_step(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    steps = [{"op": "test", "path": "/data/a", "value": "b"}, {"op": "add", "path": "/data/c", "value": "d"}]
    answer = await api.patch(f"{MAPS}/a", steps, "json-patch")
    assert answer.json["data"] == {"a": "b", "c": "d"}


async def test_a_strategic_patch_merges_lists_by_key(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p"))
    change = {"spec": {"containers": [{"name": "d", "image": "busybox"}]}}
    answer = await api.patch(f"{PODS}/p", change, "strategic-merge-patch")
    assert {container["name"] for container in answer.json["spec"]["containers"]} == {"c", "d"}


REFUSED = {
    "not there": ("b", {}, "merge-patch", 404, 'configmaps "b" not found'),
    "apply as JSON": ("a", {}, "apply-patch", 415, "415: Unsupported Media Type"),
    "not JSON": ("a", b"{", "merge-patch", 400, "error decoding patch"),
    "a list for a map": ("a", [], "merge-patch", 400, "error decoding patch"),
    "a map for a list": ("a", {}, "json-patch", 400, "error decoding patch"),
    "a failed test": (
        "a",
        [{"op": "test", "path": "/data/a", "value": "x"}],
        "json-patch",
        422,
        "the server rejected our request due to an error in our request",
    ),
    "another name": (
        "a",
        {"metadata": {"name": "b"}},
        "merge-patch",
        400,
        "the name of the object (b) does not match the name on the URL (a)",
    ),
    "another version": (
        "a",
        {"metadata": {"resourceVersion": "999"}},
        "merge-patch",
        409,
        "the object has been modified",
    ),
    "another uid": ("a", {"metadata": {"uid": "x"}}, "merge-patch", 422, "metadata.uid: Invalid value"),
    "a wrong type in a strategic patch": (
        "a",
        {"data": 5},
        "strategic-merge-patch",
        422,
        'patch: Invalid value: "map[data:5]": json: cannot unmarshal',
    ),
    "a wrong type": ("a", {"data": 5}, "merge-patch", 422, "patch: Invalid value"),
}


@pytest.mark.parametrize(("name", "body", "kind", "status", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_patched(
    api: Any, objects: Any, name: str, body: Any, kind: str, status: int, message: str
) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.patch(f"{MAPS}/{name}", body, kind)
    assert answer.status == status, answer.body
    assert message in answer.message


async def test_force_is_only_for_apply(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.patch(f"{MAPS}/a?force=true", {})
    assert (answer.status, answer.message) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    )


async def test_unknown_fields_in_a_patch(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    warned = await api.patch(f"{MAPS}/a", {"color": "red"})
    assert warned.headers["Warning"] == '299 - "unknown field \\"color\\""'
    assert "color" not in warned.json
    refused = await api.patch(f"{MAPS}/a?fieldValidation=Strict", {"color": "red"})
    assert refused.status == 422
    assert 'strict decoding error: unknown field "color"' in refused.message


async def test_a_patch_of_the_status_leaves_the_rest(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p"))
    change = {"status": {"phase": "Running"}, "spec": {"nodeName": "n"}}
    patched = (await api.patch(f"{PODS}/p/status", change, "strategic-merge-patch")).json
    assert patched["status"] == {"phase": "Running"}
    assert "nodeName" not in patched["spec"]


async def test_a_patch_that_meets_another_writer_is_tried_again(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    stale = api.reg.caches["/registry/configmaps/"].get("default", "a")
    await api.patch(f"{MAPS}/a", {"data": {"other": "1"}})
    # The cache is set back, as if the other write had not come round yet.
    api.reg.caches["/registry/configmaps/"].entries[stale.key] = stale
    answer = await api.patch(f"{MAPS}/a", {"data": {"mine": "2"}})
    assert answer.json["data"] == {"a": "b", "other": "1", "mine": "2"}
