"""Server-side apply over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
Object = dict[str, Any]
YAML = {"Content-Type": "application/apply-patch+yaml"}


def applied(**more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, **more}


async def apply(api: Any, path: str, body: Any, query: str = "fieldManager=me") -> Any:
    return await api("PATCH", f"{path}?{query}", body, headers=dict(YAML))


def deployment(**spec: Any) -> Object:
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"}, "spec": spec}


def managers(obj: Object) -> list[tuple[str, str, str]]:
    entries = obj["metadata"].get("managedFields", [])
    return [(entry["manager"], entry["operation"], entry.get("subresource", "")) for entry in entries]


async def test_an_apply_creates_and_then_changes(api: Any) -> None:
    made = await apply(api, f"{MAPS}/a", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n")
    assert (made.status, made.json["data"], managers(made.json)) == (201, {"x": "1"}, [("me", "Apply", "")])
    assert api.judge.asked[-1].verb == "create"
    again = await apply(api, f"{MAPS}/a", applied(data={"y": "2"}))
    assert (again.status, again.json["data"]) == (200, {"y": "2"})


async def test_an_apply_that_changes_nothing_makes_no_revision(api: Any) -> None:
    made = await apply(api, f"{MAPS}/a", applied(data={"x": "1"}))
    await api.clock.advance(60)
    assert (await apply(api, f"{MAPS}/a", applied(data={"x": "1"}))).json == made.json


async def test_a_dry_run_applies_nothing(api: Any) -> None:
    dry = await apply(api, f"{MAPS}/a", applied(data={"x": "1"}), "fieldManager=me&dryRun=All")
    assert (dry.status, managers(dry.json)) == (201, [("me", "Apply", "")])
    assert (await api.get(f"{MAPS}/a")).status == 404
    await apply(api, f"{MAPS}/a", applied(data={"x": "1"}))
    dry = await apply(api, f"{MAPS}/a", applied(data={"x": "2"}), "fieldManager=me&dryRun=All")
    assert dry.json["data"] == {"x": "2"}
    assert (await api.get(f"{MAPS}/a")).json["data"] == {"x": "1"}


async def test_what_another_owns_is_taken_by_force_alone(api: Any, objects: Any) -> None:
    await api.made(f"{MAPS}?fieldManager=maker", objects.config_map("a"))
    refused = await apply(api, f"{MAPS}/a", applied(data={"a": "c"}))
    assert (refused.status, refused.json["reason"]) == (409, "Conflict")
    text = 'conflict with "maker" using v1'
    assert refused.message == f"Apply failed with 1 conflict: {text}: .data.a"
    assert refused.json["details"] == {
        "causes": [{"reason": "FieldManagerConflict", "message": text, "field": ".data.a"}]
    }
    forced = await apply(api, f"{MAPS}/a", applied(data={"a": "c"}), "fieldManager=me&force=true")
    assert (forced.status, managers(forced.json)) == (200, [("me", "Apply", ""), ("maker", "Update", "")])


REFUSED: dict[str, tuple[Any, str, int, str]] = {
    "no manager": (
        applied(),
        "",
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ),
    "a manager that cannot be printed": (
        applied(),
        "fieldManager=a%0Ab",
        422,
        'fieldManager: Invalid value: "a\\nb": invalid character U+000A',
    ),
    "too long a manager": (applied(), f"fieldManager={'a' * 129}", 422, "fieldManager: Too long: may not be more than"),
    "no YAML": (b"{{", "fieldManager=me", 400, "error decoding YAML: "),
    "a list": (b"- a", "fieldManager=me", 400, "error decoding YAML: error unmarshaling JSON: while decoding JSON"),
    "nothing": (b"", "fieldManager=me", 400, "invalid object type: /, Kind="),
    "another kind": (
        {**applied(), "kind": "Pod"},
        "fieldManager=me",
        400,
        "invalid object type: /v1, Kind=Pod",
    ),
    "managed fields": (
        applied(metadata={"name": "a", "managedFields": []}),
        "fieldManager=me",
        400,
        "metadata.managedFields must be nil",
    ),
    "another name": (
        applied(metadata={"name": "b"}),
        "fieldManager=me",
        400,
        "the name of the object (b) does not match the name on the URL (a)",
    ),
    "another namespace": (
        applied(metadata={"name": "a", "namespace": "other"}),
        "fieldManager=me",
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "an unknown field": (
        applied(nothing=1),
        "fieldManager=me",
        500,
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .nothing: field not declared in schema",
    ),
    "a key twice": (
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","x":"2"}}',
        "fieldManager=me&fieldValidation=Strict",
        400,
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
        '  line 1: key "x" already set in map',
    ),
    "a uid nobody has": (
        applied(metadata={"name": "a", "uid": "u"}),
        "fieldManager=me",
        409,
        'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid u, and no '
        "existing object was found",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_applied_is_refused(api: Any, case: tuple[Any, str, int, str]) -> None:
    body, query, status, text = case
    answer = await apply(api, f"{MAPS}/a", body, query)
    assert (answer.status, text in answer.message) == (status, True), answer.message
    assert (await api.get(f"{MAPS}/a")).status == 404


async def test_keys_that_stand_twice_are_warned_of(api: Any) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '1'\n  x: '2'\n"
    warned = await apply(api, f"{MAPS}/a", body)
    assert 'line 6: key \\"x\\" already set in map' in warned.headers["Warning"]
    assert warned.json["data"] == {"x": "2"}
    quiet = await apply(api, f"{MAPS}/a", body, "fieldManager=me&fieldValidation=Ignore")
    assert (quiet.status, "Warning" in quiet.headers) == (200, False)


async def test_an_old_version_in_what_is_applied_is_a_conflict(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    old = applied(metadata={"name": "a", "resourceVersion": "99"})
    assert (await apply(api, f"{MAPS}/a", old)).status == 409


async def test_force_is_for_apply_alone(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.patch(f"{MAPS}/a?force=true", {})
    assert (answer.status, "may not be specified for non-apply patch" in answer.message) == (422, True)


async def test_a_patch_of_an_unknown_type_is_415(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api("PATCH", f"{MAPS}/a", {}, headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    assert answer.message == "415: Unsupported Media Type"


async def test_a_status_is_applied_through_its_own_path(api: Any) -> None:
    await apply(api, f"{DEPLOYMENTS}/w", {**deployment(replicas=1), "status": {"replicas": 7}})
    status = {**deployment(replicas=9), "status": {"replicas": 1, "observedGeneration": 1}}
    del status["spec"]["template"], status["spec"]["selector"]
    answer = await apply(api, f"{DEPLOYMENTS}/w/status", status, "fieldManager=controller")
    assert (answer.status, answer.json["spec"]["replicas"], answer.json["status"]["replicas"]) == (200, 1, 1)
    assert managers(answer.json) == [("controller", "Apply", "status"), ("me", "Apply", "")]
    fields = {entry["manager"]: entry["fieldsV1"] for entry in answer.json["metadata"]["managedFields"]}
    assert fields["controller"] == {"f:status": {"f:observedGeneration": {}, "f:replicas": {}}}
    assert "f:status" not in fields["me"]
    missing = await apply(api, f"{DEPLOYMENTS}/x/status", {**status, "metadata": {"name": "x"}})
    assert missing.status == 404


async def test_a_scale_takes_the_replicas_from_who_had_them(api: Any) -> None:
    await apply(api, f"{DEPLOYMENTS}/w", deployment(replicas=1))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "w"}, "spec": {"replicas": 3}}
    refused = await apply(api, f"{DEPLOYMENTS}/w/scale", scale, "fieldManager=scaler")
    assert (refused.status, ".spec.replicas" in refused.message) == (409, True)
    forced = await apply(api, f"{DEPLOYMENTS}/w/scale", scale, "fieldManager=scaler&force=true")
    assert (forced.status, forced.json["spec"], "managedFields" in forced.json["metadata"]) == (
        200,
        {"replicas": 3},
        False,
    )
    obj = (await api.get(f"{DEPLOYMENTS}/w")).json
    assert managers(obj) == [("scaler", "Apply", "scale"), ("me", "Apply", "")]
    fields = {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"]["managedFields"]}
    assert fields["scaler"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in fields["me"]["f:spec"]
    again = await apply(api, f"{DEPLOYMENTS}/w", deployment(replicas=1))
    assert (again.status, 'conflict with "scaler" with subresource "scale"' in again.message) == (409, True)
    assert (await apply(api, f"{DEPLOYMENTS}/w", deployment())).json["spec"]["replicas"] == 3


@pytest.mark.parametrize("verb", ["put", "merge-patch", "strategic-merge-patch"])
async def test_scaling_is_recorded_at_the_object(api: Any, verb: str) -> None:
    await api.made(DEPLOYMENTS, deployment(replicas=1))
    scale = (await api.get(f"{DEPLOYMENTS}/w/scale")).json
    scale["spec"]["replicas"] = 2
    path = f"{DEPLOYMENTS}/w/scale?fieldManager=s"
    answer = await (api.put(path, scale) if verb == "put" else api.patch(path, scale, verb))
    assert answer.status == 200
    assert ("s", "Update", "scale") in managers((await api.get(f"{DEPLOYMENTS}/w")).json)


async def test_an_apply_that_meets_another_writer_starts_again(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    put = api.reg.store.put
    rivals = [json.dumps({**objects.config_map("a"), "data": {"a": "rival"}}).encode()]

    async def meddled(key: str, value: bytes, **more: Any) -> int:
        if rivals:
            await put(key, json.dumps(_with(value, rivals.pop())).encode(), **more)
        return int(await put(key, value, **more))

    api.reg.store.put = meddled
    answer = await apply(api, f"{MAPS}/a", applied(data={"x": "1"}))
    assert (answer.status, answer.json["data"]) == (200, {"a": "rival", "x": "1"})
    assert not rivals


def _with(value: bytes, rival: bytes) -> Object:
    obj: Object = json.loads(value)
    return {**obj, "data": json.loads(rival)["data"]}
