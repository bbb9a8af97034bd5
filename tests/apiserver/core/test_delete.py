from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


async def test_delete_answers_a_status_with_the_uid(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    answer = await api.delete(f"{MAPS}/a")
    assert answer.status == 200
    assert answer.json["status"] == "Success"
    assert answer.json["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await api.get(f"{MAPS}/a")).status == 404
    assert (await api.delete(f"{MAPS}/a")).status == 404


async def test_finalizers_keep_an_object_until_they_are_gone(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a", finalizers=["x.io/y"]))
    marked = (await api.delete(f"{MAPS}/a")).json
    assert marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert (await api.delete(f"{MAPS}/a")).json["metadata"]["resourceVersion"] == (
        marked["metadata"]["resourceVersion"]
    )
    more = await api.patch(f"{MAPS}/a", {"metadata": {"finalizers": ["x.io/y", "x.io/z"]}})
    assert "no new finalizers can be added if the object is being deleted" in more.message
    assert (await api.patch(f"{MAPS}/a", {"metadata": {"finalizers": None}})).status == 200
    assert (await api.get(f"{MAPS}/a")).status == 404


POLICIES = {
    "orphan": ({"propagationPolicy": "Orphan"}, ["orphan"]),
    "foreground": ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
    "old orphan": ({"orphanDependents": True}, ["orphan"]),
    "background": ({"propagationPolicy": "Background"}, None),
    "none": ({}, None),
}


@pytest.mark.parametrize(("options", "finalizers"), POLICIES.values(), ids=POLICIES)
async def test_the_propagation_policy_leaves_its_finalizer(
    api: Any, objects: Any, options: Any, finalizers: list[str] | None
) -> None:
    await api.made(MAPS, objects.config_map("a"))
    await api.delete(f"{MAPS}/a", options)
    left = await api.get(f"{MAPS}/a")
    assert (left.json["metadata"]["finalizers"] if left.status == 200 else None) == finalizers


async def test_options_may_stand_in_the_query(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    await api.delete(f"{MAPS}/a?propagationPolicy=Orphan")
    assert (await api.get(f"{MAPS}/a")).json["metadata"]["finalizers"] == ["orphan"]


async def test_a_pod_without_a_node_goes_at_once(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p"))
    answer = await api.delete(f"{PODS}/p")
    assert answer.json["kind"] == "Pod"
    assert (await api.get(f"{PODS}/p")).status == 404


async def test_a_pod_on_a_node_waits_for_its_kubelet(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p", "node1"))
    marked = (await api.delete(f"{PODS}/p")).json["metadata"]
    assert marked["deletionTimestamp"] == "2023-11-14T22:13:50Z"
    assert marked["deletionGracePeriodSeconds"] == 30
    again = (await api.delete(f"{PODS}/p", {"gracePeriodSeconds": 60})).json["metadata"]
    assert again == marked
    shorter = (await api.delete(f"{PODS}/p", {"gracePeriodSeconds": 10})).json["metadata"]
    assert (shorter["deletionTimestamp"], shorter["deletionGracePeriodSeconds"]) == ("2023-11-14T22:13:30Z", 10)
    assert (await api.delete(f"{PODS}/p", {"gracePeriodSeconds": 0})).status == 200
    assert (await api.get(f"{PODS}/p")).status == 404


async def test_a_negative_grace_period_is_one_second(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p", "node1"))
    answer = await api.delete(f"{PODS}/p", {"gracePeriodSeconds": -5})
    assert answer.json["metadata"]["deletionGracePeriodSeconds"] == 1


async def test_preconditions(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    uid = made["metadata"]["uid"]
    answer = await api.delete(f"{MAPS}/a", {"preconditions": {"uid": "other"}})
    assert (answer.status, answer.message) == (
        409,
        'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID in '
        f"record ({uid}). The object might have been deleted and then recreated",
    )
    answer = await api.delete(f"{MAPS}/a", {"preconditions": {"resourceVersion": "1000"}})
    assert answer.status == 409
    assert "the ResourceVersion in the precondition (1000) does not match" in answer.message
    assert (await api.delete(f"{MAPS}/a", {"preconditions": {"uid": uid}})).status == 200


async def test_a_dry_run_deletes_nothing(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    assert (await api.delete(f"{MAPS}/a?dryRun=All")).status == 200
    assert (await api.get(f"{MAPS}/a")).status == 200


BAD = {
    "policy": ({"propagationPolicy": "Sideways"}, 422, "propagationPolicy: Unsupported value"),
    "both ways": ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
    "type": ({"gracePeriodSeconds": "soon"}, 400, "json: cannot unmarshal string"),
    "kind": ({"kind": "Pod"}, 400, 'no kind "Pod" is registered for version "meta.k8s.io/v1"'),
    "shape": ([], 400, "json: cannot unmarshal array into Go value of type struct"),
    "number": ({"gracePeriodSeconds": 1.5}, 400, "json: cannot unmarshal number 1.5 into Go struct field"),
    "dry run": ({"dryRun": [1]}, 400, "DeleteOptions.dryRun of type string"),
    "uid": ({"preconditions": {"uid": 1}}, 400, "Preconditions.preconditions.uid of type types.UID"),
    "malformed": (b"{", 400, "json parse error"),
}


@pytest.mark.parametrize(("body", "status", "message"), BAD.values(), ids=BAD)
async def test_bad_options(api: Any, objects: Any, body: Any, status: int, message: str) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.delete(f"{MAPS}/a", body)
    assert answer.status == status
    assert message in answer.message
    assert (await api.get(f"{MAPS}/a")).status == 200


async def test_deletecollection_takes_what_is_selected(api: Any, objects: Any) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        await api.made(MAPS, objects.config_map(name, labels={"color": color}))
    answer = await api.delete(f"{MAPS}?labelSelector=color%3Dred")
    assert answer.json["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in answer.json["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in (await api.get(MAPS)).json["items"]] == ["b"]


async def test_kinds_without_deletecollection_say_405(api: Any) -> None:
    answer = await api.delete("/api/v1/namespaces")
    assert (answer.status, answer.message) == (
        405,
        "the server does not allow this method on the requested resource",
    )


JOBS = "/apis/batch/v1/namespaces/default/jobs"
CUSTOMS = {
    "nothing said": ("", ["orphan"], True),
    "left": ("?propagationPolicy=Orphan", ["orphan"], False),
    "taken along": ("?propagationPolicy=Background", None, False),
    "waited for": ("?propagationPolicy=Foreground", ["foregroundDeletion"], False),
}


@pytest.mark.parametrize(("query", "finalizers", "warns"), CUSTOMS.values(), ids=CUSTOMS)
async def test_a_job_leaves_its_pods_unless_told_otherwise(
    api: Any, query: str, finalizers: list[str] | None, warns: bool
) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    await api.made(JOBS, {"metadata": {"name": "a"}, "spec": {"template": template}})
    answer = await api.delete(f"{JOBS}/a{query}")
    assert ("child pods are preserved by default" in answer.headers.get("Warning", "")) == warns
    left = await api.get(f"{JOBS}/a")
    assert (left.json["metadata"]["finalizers"] if left.status == 200 else None) == finalizers
