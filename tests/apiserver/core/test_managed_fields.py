"""Managed fields of plain writes, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api import kinds

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
Object = dict[str, Any]


def managers(obj: Object) -> list[tuple[str, str]]:
    return [(one["manager"], one.get("subresource", "")) for one in obj["metadata"].get("managedFields", [])]


AGENTS: dict[str, tuple[str, dict[str, str], str]] = {
    "as the request says": ("?fieldManager=me", {"User-Agent": "kubectl/v1.36"}, "me"),
    "the program of the user agent": ("", {"User-Agent": "kubectl/v1.36 (linux/amd64)"}, "kubectl"),
    "no user agent": ("", {}, "unknown"),
    "what cannot be printed is left out": ("", {"User-Agent": "a\tb/1"}, "ab"),
    "not too long": ("", {"User-Agent": "x" * 200}, "x" * 128),
}


@pytest.mark.parametrize("case", AGENTS.values(), ids=AGENTS)
async def test_a_writer_is_known_by_name(api: Any, objects: Any, case: tuple[str, dict[str, str], str]) -> None:
    query, headers, name = case
    made = await api.post(f"{MAPS}{query}", objects.config_map("a"), headers=headers)
    assert managers(made.json) == [(name, "")]


async def test_every_kind_of_write_is_recorded(api: Any, objects: Any) -> None:
    made = await api.made(f"{MAPS}?fieldManager=create", objects.config_map("a"))
    made["data"] = {"a": "c"}
    await api.put(f"{MAPS}/a?fieldManager=put", made)
    await api.patch(f"{MAPS}/a?fieldManager=merge", {"data": {"m": "1"}})
    await api.patch(f"{MAPS}/a?fieldManager=json", [{"op": "add", "path": "/data/j", "value": "1"}], "json-patch")
    last = await api.patch(f"{MAPS}/a?fieldManager=strategic", {"data": {"s": "1"}}, "strategic-merge-patch")
    fields = {one["manager"]: one["fieldsV1"] for one in last.json["metadata"]["managedFields"]}
    assert fields == {
        "create": {"f:data": {}},
        "put": {"f:data": {"f:a": {}}},
        "merge": {"f:data": {"f:m": {}}},
        "json": {"f:data": {"f:j": {}}},
        "strategic": {"f:data": {"f:s": {}}},
    }


async def test_a_status_is_recorded_with_its_path(api: Any, objects: Any) -> None:
    await api.made(f"{PODS}?fieldManager=maker", objects.pod("p"))
    await api.patch(f"{PODS}/p/status?fieldManager=kubelet", {"status": {"phase": "Running"}})
    assert managers((await api.get(f"{PODS}/p")).json) == [("kubelet", "status"), ("maker", "")]


async def test_the_servers_own_writes_have_its_name(api: Any, objects: Any) -> None:
    made = await api.access.create(kinds.CONFIG_MAPS, objects.config_map("a", namespace="default"))
    assert managers(made) == [("kube-apiserver", "")]

    def change(obj: Object) -> None:
        obj["data"]["b"] = "c"

    changed = await api.access.mutate(kinds.CONFIG_MAPS, "a", "default", change)
    assert managers(changed) == [("kube-apiserver", "")]


async def test_a_binding_leaves_no_trace(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p"))
    before = (await api.get(f"{PODS}/p")).json["metadata"]["managedFields"]

    def change(obj: Object) -> None:
        obj["spec"]["nodeName"] = "n"

    bound = await api.access.mutate(kinds.PODS, "p", "default", change, subresource="binding")
    assert (bound["spec"]["nodeName"], bound["metadata"]["managedFields"]) == ("n", before)


async def test_a_client_may_forget_them(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    made["metadata"]["managedFields"] = []
    assert "managedFields" not in (await api.put(f"{MAPS}/a", made)).json["metadata"]
    patched = await api.patch(f"{MAPS}/a", {"data": {"x": "1"}})
    assert "managedFields" not in patched.json["metadata"], "an object that is not tracked stays so"


async def test_unreadable_ones_are_passed_over(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    kept = made["metadata"]["managedFields"]
    made["metadata"]["managedFields"] = [{"manager": "x", "operation": "Nothing"}]
    assert (await api.put(f"{MAPS}/a", made)).json["metadata"]["managedFields"] == kept


async def test_time_alone_makes_no_revision(api: Any, objects: Any) -> None:
    made = await api.made(MAPS, objects.config_map("a"))
    await api.clock.advance(100)
    assert (await api.put(f"{MAPS}/a", made)).json == made
    assert (await api.patch(f"{MAPS}/a", {"data": {"a": "b"}})).json == made


async def test_a_dry_run_shows_what_would_be(api: Any, objects: Any) -> None:
    await api.made(f"{MAPS}?fieldManager=maker", objects.config_map("a"))
    dry = await api.patch(f"{MAPS}/a?dryRun=All&fieldManager=other", {"data": {"x": "1"}})
    assert managers(dry.json) == [("maker", ""), ("other", "")]
    assert managers((await api.get(f"{MAPS}/a")).json) == [("maker", "")]


class Meddler:
    """A mutating plugin that breaks managed fields."""

    name = "Meddler"

    def handles(self, operation: str, resource: Any, subresource: str) -> bool:
        return True

    async def admit(self, attributes: Any) -> None:
        attributes.object["metadata"]["managedFields"] = [{"operation": "Nothing"}]

    async def validate(self, attributes: Any) -> None:
        return None


async def test_what_admission_breaks_is_put_back(api: Any, objects: Any) -> None:
    api.reg.parts.admission = (Meddler(),)
    answer = await api.post(MAPS, objects.config_map("a"))
    assert managers(answer.json) == [("unknown", "")]
    assert ".metadata.managedFields was in an invalid state after admission" in answer.headers["Warning"]
