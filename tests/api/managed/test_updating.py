"""Managed fields of creations, updates and patches."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kijabi.api import managed
from kijabi.api.managed import resets, updating
from kijabi.api.resource import Resource

Object = dict[str, Any]
LEAF: Object = {}


def config_map(**data: str) -> Object:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "n"}, "data": data}


def created(view: Any, obj: Object, manager: str = "one", now: float = 1) -> Object:
    made = copy.deepcopy(obj)
    managed.update(view, {}, made, manager, now)
    made["metadata"]["uid"] = "u"
    return made


def changed(view: Any, old: Object, new: Object, manager: str = "two", now: float = 2) -> Object:
    made = copy.deepcopy(new)
    managed.update(view, old, made, manager, now)
    return made


def entries(obj: Object) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])}


def test_a_creator_owns_all_it_sent_but_what_is_the_servers(view: Any) -> None:
    made = created(view("v1", "ConfigMap"), config_map(x="1"))
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "one",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "1970-01-01T00:00:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {".": {}, "f:x": {}}},
        }
    ]


def test_a_pod_is_owned_by_its_keys_and_without_what_every_pod_has(view: Any) -> None:
    port = {"containerPort": 80, "protocol": "TCP"}
    container = {"name": "c", "image": "i", "ports": [port], "resources": {}, "env": [{"name": "E"}], "args": ["a"]}
    pod = {"metadata": {"name": "p", "finalizers": ["x/y"]}, "spec": {"containers": [container], "securityContext": {}}}
    assert entries(created(view("v1", "Pod"), pod))["one"] == {
        "f:metadata": {"f:finalizers": {".": {}, 'v:"x/y"': {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"c"}': {
                    ".": {},
                    "f:args": {},
                    "f:env": {".": {}, 'k:{"name":"E"}': {".": {}, "f:name": {}}},
                    "f:image": {},
                    "f:name": {},
                    "f:ports": {
                        ".": {},
                        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}},
                    },
                    "f:resources": {},
                }
            },
            "f:securityContext": {},
        },
    }


def test_a_changed_field_goes_to_who_changed_it(view: Any) -> None:
    one = view("v1", "ConfigMap")
    made = created(one, config_map(x="1", y="1"))
    after = changed(one, made, {**made, "data": {"x": "2", "y": "1"}})
    assert entries(after) == {"one": {"f:data": {".": {}, "f:y": {}}}, "two": {"f:data": {"f:x": {}}}}


def test_a_removed_field_is_nobodys(view: Any) -> None:
    one = view("v1", "ConfigMap")
    made = created(one, config_map(x="1", y="1"))
    assert entries(changed(one, made, {**made, "data": {"y": "1"}})) == {"one": {"f:data": {".": {}, "f:y": {}}}}
    assert "managedFields" not in changed(one, made, {key: made[key] for key in ("metadata",)})["metadata"]


def test_a_write_that_changes_nothing_leaves_the_entries_as_they_are(view: Any) -> None:
    one = view("v1", "ConfigMap")
    made = created(one, config_map(x="1"))
    assert changed(one, made, made, now=9) == made


def test_the_same_manager_again_has_one_entry_with_the_newer_time(view: Any) -> None:
    one = view("v1", "ConfigMap")
    made = created(one, config_map(x="1"))
    after = changed(one, made, {**made, "data": {"x": "1", "y": "2"}}, "one", 5)
    (entry,) = after["metadata"]["managedFields"]
    assert (entry["time"], entry["fieldsV1"]) == (
        "1970-01-01T00:00:05Z",
        {"f:data": {".": {}, "f:x": {}, "f:y": {}}},
    )


GIVEN: dict[str, tuple[Any, list[str]]] = {
    "left out": (None, ["one", "two"]),
    "an empty list forgets all": ([], []),
    "one empty entry forgets all": ([{}], []),
    "unreadable ones are passed over": ([{"operation": "Merge"}], ["one", "two"]),
    "without a version": ([{"operation": "Update", "fieldsType": "FieldsV1"}], ["one", "two"]),
    "without a type": ([{"operation": "Update", "apiVersion": "v1"}], ["one", "two"]),
    "a bad element": (
        [{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": {}}}],
        ["one", "two"],
    ),
    "another's": (
        [
            {
                "manager": "three",
                "operation": "Update",
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {"f:x": {}}},
            }
        ],
        ["three", "two"],
    ),
}


@pytest.mark.parametrize("case", GIVEN.values(), ids=GIVEN)
def test_managed_fields_in_a_request(view: Any, case: tuple[Any, list[str]]) -> None:
    one = view("v1", "ConfigMap")
    made = created(one, config_map(x="1"))
    new = {**made, "data": {"x": "1", "y": "2"}, "metadata": {**made["metadata"], "managedFields": case[0]}}
    if case[0] is None:
        del new["metadata"]["managedFields"]
    assert sorted(entries(changed(one, made, new))) == sorted(case[1])


def test_a_subresource_does_not_listen_to_managed_fields_in_the_request(view: Any) -> None:
    made = created(view("v1", "ConfigMap"), config_map(x="1"))
    new = {**made, "metadata": {**made["metadata"], "managedFields": []}}
    assert entries(changed(view("v1", "ConfigMap", "status"), made, new)) == entries(made)


def test_an_object_without_managed_fields_is_not_tracked(view: Any) -> None:
    old = config_map(x="1")
    old["metadata"]["uid"] = "u"
    assert "managedFields" not in changed(view("v1", "ConfigMap"), old, {**old, "data": {}})["metadata"]


PODS = Resource("", "v1", "pods", "Pod", subresources=("status", "resize", "ephemeralcontainers"))


def test_a_status_is_owned_through_its_own_path_only(view: Any) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {"phase": "Pending"}}
    made = created(view("v1", "Pod", "", resets.of(PODS, "", False)), pod)
    assert entries(made)["one"] == {"f:spec": {"f:nodeName": {}}}
    new = {**made, "spec": {"nodeName": "other"}, "status": {"phase": "Running", "podIP": "1.2.3.4"}}
    after = changed(view("v1", "Pod", "status", resets.of(PODS, "status", False)), made, new, "kubelet")
    assert entries(after) == {**entries(made), "kubelet": {"f:status": {"f:phase": {}, "f:podIP": {}}}}
    assert [entry.get("subresource") for entry in after["metadata"]["managedFields"]] == [None, "status"]


def test_a_resize_owns_the_resources_alone(view: Any) -> None:
    spec: Object = {"containers": [{"name": "c", "image": "i"}]}
    made = created(view("v1", "Pod"), {"metadata": {"name": "p"}, "spec": spec})
    wanted = {"containers": [{"name": "c", "image": "j", "resources": {"limits": {"cpu": "1"}}}]}
    after = changed(view("v1", "Pod", "resize", resets.of(PODS, "resize", False)), made, {**made, "spec": wanted})
    assert entries(after)["two"] == {
        "f:spec": {
            "f:containers": {'k:{"name":"c"}': {"f:resources": {"f:limits": {".": {}, "f:cpu": {}}}}},
        }
    }


def test_the_oldest_of_more_than_ten_updaters_are_merged(view: Any) -> None:
    one = view("v1", "ConfigMap")
    obj = created(one, config_map(k0="1"), "m0", 0)
    for number in range(1, 13):
        new = {**obj, "data": {**obj["data"], f"k{number}": "1"}}
        obj = changed(one, obj, new, f"m{number}", number)
    found = entries(obj)
    assert len(found) == updating.MOST_UPDATERS
    assert found["ancient-changes"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}}}
    assert {f"m{number}" for number in range(4, 13)} <= set(found)
