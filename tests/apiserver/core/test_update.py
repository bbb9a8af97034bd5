from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
MODIFIED = (
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the '
    "latest version and try again"
)


def deployment(replicas: int = 1) -> Any:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


async def test_update_replaces_and_keeps_system_fields(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    answer = await api.put(f"{MAPS}/a", {"metadata": {"name": "a", "creationTimestamp": "2001-01-01T00:00:00Z"}})
    updated = answer.json
    assert answer.status == 200
    assert "data" not in updated
    for kept in ("uid", "creationTimestamp", "namespace"):
        assert updated["metadata"][kept] == made["metadata"][kept]
    assert updated["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_writing_the_same_again_makes_no_revision(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    assert (await api.put(f"{MAPS}/a", made)).json == made


async def test_an_old_version_is_409(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    await api.put(f"{MAPS}/a", {**made, "data": {"x": "1"}})
    answer = await api.put(f"{MAPS}/a", {**made, "data": {"x": "2"}})
    assert (answer.status, answer.message) == (409, MODIFIED)
    assert (await api.get(f"{MAPS}/a")).json["data"] == {"x": "1"}


async def test_another_uid_is_409(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    answer = await api.put(f"{MAPS}/a", {"metadata": {"name": "a", "uid": "other"}})
    assert answer.status == 409
    assert (
        f"Precondition failed: UID in precondition: other, UID in object meta: {made['metadata']['uid']}"
        in answer.message
    )


REFUSED = {
    "not there": ("b", {"metadata": {"name": "b"}}, 404, 'configmaps "b" not found'),
    "another name": (
        "a",
        {"metadata": {"name": "b"}},
        400,
        "the name of the object (b) does not match the name on the URL (a)",
    ),
    "no name": ("a", {}, 400, "the name of the object (a based on URL) was undeterminable: name must be provided"),
    "another namespace": (
        "a",
        {"metadata": {"name": "a", "namespace": "x"}},
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "a version that is no number": (
        "a",
        {"metadata": {"name": "a", "resourceVersion": "x"}},
        500,
        'strconv.ParseUint: parsing "x": invalid syntax',
    ),
}


@pytest.mark.parametrize(("name", "body", "status", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_updated(api: Any, objects: Any, name: str, body: Any, status: int, message: str) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.put(f"{MAPS}/{name}", body)
    assert answer.status == status
    assert message in answer.message


async def test_some_kinds_are_created_by_put_and_need_their_version_afterwards(api: Any) -> None:
    answer = await api.put(f"{LEASES}/l", {"metadata": {"name": "l"}})
    assert answer.status == 201
    assert "create" in [attributes.verb for attributes in api.judge.asked]
    answer = await api.put(f"{LEASES}/l", {"metadata": {"name": "l"}})
    assert answer.status == 422
    assert answer.message == (
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for '
        "an update"
    )


async def test_a_dry_run_changes_nothing(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    answer = await api.put(f"{MAPS}/a?dryRun=All", {**made, "data": {"x": "1"}})
    assert answer.json["data"] == {"x": "1"}
    assert (await api.get(f"{MAPS}/a")).json == made


async def test_generation_counts_changes_of_the_spec(api: Any) -> None:
    made = await api.made(DEPLOYMENTS, deployment())
    assert made["metadata"]["generation"] == 1
    made["metadata"]["labels"] = {"a": "b"}
    made["metadata"]["generation"] = 40
    labelled = (await api.put(f"{DEPLOYMENTS}/d", made)).json
    assert labelled["metadata"]["generation"] == 1
    scaled = (await api.put(f"{DEPLOYMENTS}/d", {**labelled, "spec": deployment(2)["spec"]})).json
    assert scaled["metadata"]["generation"] == 2


async def test_status_and_spec_are_written_apart(api: Any) -> None:
    made = await api.made(DEPLOYMENTS, deployment())
    changed = {**made, "spec": deployment(9)["spec"], "status": {"replicas": 4}}
    written = (await api.put(f"{DEPLOYMENTS}/d/status", changed)).json
    assert (written["spec"]["replicas"], written["status"], written["metadata"]["generation"]) == (
        1,
        {"replicas": 4},
        1,
    )
    whole = (await api.put(f"{DEPLOYMENTS}/d", {**written, "status": {"replicas": 7}})).json
    assert whole["status"] == {"replicas": 4}
    assert (await api.get(f"{DEPLOYMENTS}/d/status")).json["status"] == {"replicas": 4}


async def test_scale_reads_and_writes_replicas(api: Any) -> None:
    made = await api.made(DEPLOYMENTS, deployment(3))
    scale = (await api.get(f"{DEPLOYMENTS}/d/scale")).json
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 0, "selector": "app=x"}
    assert scale["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    scale["spec"]["replicas"] = 5
    assert (await api.put(f"{DEPLOYMENTS}/d/scale", scale)).json["spec"] == {"replicas": 5}
    stale = await api.put(f"{DEPLOYMENTS}/d/scale", scale)
    assert stale.status == 409
    patched = await api.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 6}})
    assert patched.json["spec"] == {"replicas": 6}
    assert (await api.get(f"{DEPLOYMENTS}/d")).json["spec"]["replicas"] == 6
    negative = await api.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": -1}})
    assert negative.status == 422


async def test_a_namespace_is_finalized_through_its_subresource(api: Any) -> None:
    await api.made("/api/v1/namespaces", {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}})
    deleted = (await api.delete("/api/v1/namespaces/n")).json
    assert deleted["status"]["phase"] == "Terminating"
    assert deleted["metadata"]["deletionTimestamp"]
    assert (await api.delete("/api/v1/namespaces/n")).json["metadata"]["name"] == "n"
    deleted["spec"] = {}
    assert (await api.put("/api/v1/namespaces/n/finalize", deleted)).status == 200
    assert (await api.get("/api/v1/namespaces/n")).status == 404
