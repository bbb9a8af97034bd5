from typing import Any

import pytest

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
METADATA = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}


async def test_a_list_as_a_table(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p"))
    table = (await api.get(PODS, headers=TABLE)).json
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Status"]
    row = table["rows"][0]
    assert row["cells"] == ["p", ""]
    assert (row["object"]["kind"], row["object"]["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert row["object"]["metadata"]["name"] == "p"
    assert table["metadata"] == {"resourceVersion": "1"}


async def test_kinds_without_columns_show_name_and_creation(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    table = (await api.get(f"{MAPS}/a", headers=TABLE)).json
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Created At"]
    assert table["rows"][0]["cells"] == ["a", "2023-11-14T22:13:20Z"]


@pytest.mark.parametrize(
    ("include", "kind"), [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "Pod")]
)
async def test_rows_include_what_is_asked_for(api: Any, objects: Any, include: str, kind: str | None) -> None:
    await api.made(PODS, objects.pod("p"))
    table = (await api.get(f"{PODS}?includeObject={include}", headers=TABLE)).json
    shown = table["rows"][0]["object"]
    assert (shown["kind"] if shown else None) == kind


async def test_an_unknown_include_is_400(api: Any) -> None:
    answer = await api.get(f"{PODS}?includeObject=Half", headers=TABLE)
    assert answer.status == 400
    assert answer.message.startswith("Unable to convert to Table as requested: includeObject: Invalid value")


async def test_metadata_only(api: Any, objects: Any) -> None:
    await api.made(PODS, objects.pod("p"))
    one = (await api.get(f"{PODS}/p", headers=METADATA)).json
    assert (one["kind"], sorted(one)) == ("PartialObjectMetadata", ["apiVersion", "kind", "metadata"])
    many = (await api.get(PODS, headers=METADATA_LIST)).json
    assert (many["kind"], many["items"][0]["metadata"]["name"]) == ("PartialObjectMetadataList", "p")
    wrong = await api.get(PODS, headers=METADATA)
    assert wrong.status == 406
    assert "the requested object is a list" in wrong.message


async def test_only_tables_ask_what_to_include(api: Any, objects: Any) -> None:
    await api.made("/api/v1/namespaces/default/configmaps", objects.config_map("a"))
    path = "/api/v1/namespaces/default/configmaps?includeObject=bad"
    shapes = {"Table": 400, "PartialObjectMetadataList": 200, "PartialObjectMetadata": 406}
    for shape, status in shapes.items():
        answer = await api.get(path, headers={"Accept": f"application/json;as={shape};g=meta.k8s.io;v=v1"})
        assert answer.status == status
