"""Custom resources from their definition to their end, through the whole pipeline."""

import asyncio
import copy
from typing import Any

import pytest

Object = dict[str, Any]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ROOT = "/apis/example.com"
V1 = f"{ROOT}/v1/namespaces/default/widgets"
SCHEMA: Object = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                "color": {"type": "string", "default": "red", "enum": ["red", "green"]},
                "replicas": {"type": "integer"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
                    },
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {
            "type": "object",
            "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}},
        },
    },
}


def crd(plural: str = "widgets", kind: str = "Widget", **version: Any) -> Object:
    one = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": copy.deepcopy(SCHEMA)},
        **version,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [plural[:2]], "categories": ["all"]},
            "versions": [one],
        },
    }


def widget(name: str = "one", version: str = "v1", **spec: Any) -> Object:
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 3, **spec},
    }


async def test_a_definition_is_served_discovered_and_published_once_it_is_established(client: Any) -> None:
    found = await client.define(crd(subresources={"status": {}}))
    told = {one["type"]: one["reason"] for one in found["status"]["conditions"]}
    assert told == {"NamesAccepted": "NoConflicts", "Established": "InitialNamesAccepted"}
    assert found["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert found["status"]["storedVersions"] == ["v1"]
    entries = (await client.get(f"{ROOT}/v1")).json["resources"]
    assert [one["name"] for one in entries] == ["widgets", "widgets/status"]
    assert "example.com" in [one["name"] for one in (await client.get("/apis")).json["groups"]]
    aggregated = await client.get("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    [last] = [item for item in aggregated.json["items"] if item["metadata"].get("name") == "example.com"]
    assert last["metadata"]["name"] == "example.com"
    assert last["versions"][0]["resources"][0]["responseKind"] == {
        "group": "example.com",
        "version": "v1",
        "kind": "Widget",
    }
    v3 = (await client.get("/openapi/v3/apis/example.com/v1")).json
    assert v3["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"]["required"] == ["size"]
    v2 = (await client.get("/openapi/v2")).json
    assert v2["definitions"]["com.example.v1.WidgetList"]["properties"]["items"]["type"] == "array"
    assert f"{ROOT}/v1/namespaces/{{namespace}}/widgets/{{name}}/status" in v2["paths"]


async def test_objects_are_created_defaulted_pruned_and_validated(client: Any) -> None:
    await client.define(crd())
    answer = await client.ask("POST", V1, widget(unknown=1, free={"any": [1]}))
    assert answer.status == 201
    assert answer.json["spec"] == {"size": 3, "free": {"any": [1]}, "color": "red"}
    assert answer.json["metadata"]["generation"] == 1
    listed = (await client.get(V1)).json
    assert listed["kind"] == "WidgetList"
    assert [one["kind"] for one in listed["items"]] == ["Widget"]


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 11}, "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"),
        ({"color": "blue"}, 'spec.color: Unsupported value: "blue": supported values: "red", "green"'),
        ({"ports": [{"name": "a"}, {"name": "a"}]}, 'spec.ports[1]: Duplicate value: {"name":"a"}'),
        ({"ports": [{"port": 1}]}, "spec.ports[0].name: Required value"),
    ],
    ids=["type", "maximum", "enum", "map-list", "required"],
)
async def test_wrong_values_are_named_in_upstreams_words(client: Any, spec: Object, wrong: str) -> None:
    await client.define(crd())
    answer = await client.ask("POST", V1, widget(**spec))
    assert answer.status == 422
    assert answer.message == f'Widget.example.com "one" is invalid: {wrong}'


async def test_unknown_and_duplicate_fields_follow_field_validation(client: Any) -> None:
    await client.define(crd())
    body = widget(unknown=1, ports=[{"name": "a", "foo": 1}])
    body["metadata"]["unknownMeta"] = "x"
    strict = await client.ask("POST", f"{V1}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert strict.message == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field '
        '"metadata.unknownMeta", unknown field "spec.ports[0].foo", unknown field "spec.unknown"'
    )
    text = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"d"},"spec":{"size":1,"size":2}}'
    strict = await client.ask("POST", f"{V1}?fieldValidation=Strict", text)
    assert 'duplicate field "spec.size"' in strict.message
    warned = await client.ask("POST", f"{V1}?fieldValidation=Warn", body)
    assert warned.status == 201
    assert any("spec.unknown" in text for text in warned.headers.getall("Warning"))


async def test_patches(client: Any) -> None:
    await client.define(crd())
    await client.ask("POST", V1, widget())
    merged = await client.ask("PATCH", f"{V1}/one", {"spec": {"size": 4}}, type_="application/merge-patch+json")
    assert (merged.status, merged.json["spec"]["size"], merged.json["metadata"]["generation"]) == (200, 4, 2)
    labelled = {"metadata": {"labels": {"a": "b"}}}
    merged = await client.ask("PATCH", f"{V1}/one", labelled, type_="application/merge-patch+json")
    assert merged.json["metadata"]["generation"] == 2
    steps = [{"op": "replace", "path": "/spec/size", "value": 5}]
    assert (await client.ask("PATCH", f"{V1}/one", steps, type_="application/json-patch+json")).json["spec"][
        "size"
    ] == 5
    refused = await client.ask("PATCH", f"{V1}/one", {}, type_="application/strategic-merge-patch+json")
    assert refused.status == 415
    applied = widget(ports=[{"name": "a", "port": 1}])
    answer = await client.ask(
        "PATCH", f"{V1}/one?fieldManager=me&force=true", applied, type_="application/apply-patch+yaml"
    )
    assert answer.status == 200
    assert answer.json["spec"]["ports"] == [{"name": "a", "port": 1}]
    other = {**widget(), "spec": {"ports": [{"name": "b", "port": 2}]}}
    answer = await client.ask("PATCH", f"{V1}/one?fieldManager=you", other, type_="application/apply-patch+yaml")
    assert [one["name"] for one in answer.json["spec"]["ports"]] == ["a", "b"]


async def test_status_and_scale_are_subresources(client: Any) -> None:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    await client.define(crd(subresources={"status": {}, "scale": scale}))
    made = (await client.ask("POST", V1, {**widget(replicas=2), "status": {"replicas": 9}})).json
    assert "status" not in made
    status = {**made, "status": {"replicas": 1, "selector": "a=b"}, "spec": {"size": 9}}
    told = (await client.ask("PUT", f"{V1}/one/status", status)).json
    assert (told["spec"]["size"], told["status"]["replicas"], told["metadata"]["generation"]) == (3, 1, 1)
    found = (await client.get(f"{V1}/one/scale")).json
    assert found["spec"] == {"replicas": 2}
    assert found["status"] == {"replicas": 1, "selector": "a=b"}
    body = {"spec": {"replicas": 5}}
    scaled = await client.ask("PATCH", f"{V1}/one/scale", body, type_="application/merge-patch+json")
    assert scaled.json["spec"]["replicas"] == 5
    now = (await client.get(f"{V1}/one")).json
    assert (now["spec"]["replicas"], now["metadata"]["generation"]) == (5, 2)
    wrong = {**now, "status": {"replicas": "x"}}
    refused = await client.ask("PUT", f"{V1}/one/status", wrong)
    assert 'status.replicas: Invalid value: "string": replicas in body must be of type integer' in refused.message


async def test_several_versions_share_objects_and_are_listed_by_priority(client: Any) -> None:
    made = crd()
    first = made["spec"]["versions"][0]
    made["spec"]["versions"] += [
        {**copy.deepcopy(first), "name": name, "storage": False} for name in ("v1beta1", "v2", "v10")
    ]
    await client.define(made)
    group = (await client.get(ROOT)).json
    assert [one["version"] for one in group["versions"]] == ["v10", "v2", "v1", "v1beta1"]
    assert group["preferredVersion"]["version"] == "v10"
    created = await client.ask("POST", f"{ROOT}/v2/namespaces/default/widgets", widget(version="v2"))
    assert created.json["apiVersion"] == "example.com/v2"
    assert (await client.get(f"{V1}/one")).json["apiVersion"] == "example.com/v1"
    now = (await client.get(f"{CRDS}/widgets.example.com")).json
    for version in now["spec"]["versions"]:
        version["storage"] = version["name"] == "v2"
    now = (await client.ask("PUT", f"{CRDS}/widgets.example.com", now)).json
    assert now["status"]["storedVersions"] == ["v1", "v2"]
    versioned = (await client.get(f"{V1}/one")).json
    version = versioned["metadata"]["resourceVersion"]
    await client.eventually(
        "PUT", f"{V1}/one", lambda answer: answer.json["metadata"]["resourceVersion"] != version, versioned
    )


async def test_a_changed_schema_holds_for_what_is_stored(client: Any) -> None:
    await client.define(crd())
    await client.ask("POST", V1, widget(replicas=4))
    now = (await client.get(f"{CRDS}/widgets.example.com")).json
    spec = now["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del spec["replicas"]
    spec["added"] = {"type": "string", "default": "here"}
    await client.ask("PUT", f"{CRDS}/widgets.example.com", now)
    found = (await client.eventually("GET", f"{V1}/one", lambda answer: "added" in answer.json["spec"])).json
    assert found["spec"]["added"] == "here"
    assert "replicas" not in found["spec"]


async def test_what_was_wrong_before_is_forgiven_while_it_does_not_change(client: Any) -> None:
    await client.define(crd())
    await client.ask("POST", V1, widget(size=9))
    now = (await client.get(f"{CRDS}/widgets.example.com")).json
    spec = now["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["size"]["maximum"] = 5
    await client.ask("PUT", f"{CRDS}/widgets.example.com", now)
    tried = f"{V1}?dryRun=All"
    await client.eventually("POST", tried, lambda answer: answer.status == 422, widget("two", size=9))
    type_ = "application/merge-patch+json"
    assert (await client.ask("PATCH", f"{V1}/one", {"spec": {"color": "green"}}, type_=type_)).status == 200
    assert (await client.ask("PATCH", f"{V1}/one", {"spec": {"size": 8}}, type_=type_)).status == 422


async def test_selectable_fields_select_lists_and_watches(client: Any) -> None:
    fields = [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]
    await client.define(crd(selectableFields=fields))
    for name, color in (("one", "red"), ("two", "green")):
        await client.ask("POST", V1, widget(name, color=color))
    found = (await client.get(f"{V1}?fieldSelector=spec.color=green,spec.size=3")).json
    assert [one["metadata"]["name"] for one in found["items"]] == ["two"]
    assert (await client.get(f"{V1}?fieldSelector=spec.other=1")).status == 400
    version = found["metadata"]["resourceVersion"]
    events = client.watch(f"{V1}?watch=1&fieldSelector=spec.color=green&resourceVersion={version}")
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    body = {"spec": {"color": "red"}}
    await client.ask("PATCH", f"{V1}/two", body, type_="application/merge-patch+json")
    async with asyncio.timeout(5):
        assert (await waiting)["type"] == "DELETED"
    await events.aclose()


async def test_printer_columns_make_tables(client: Any) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How large"},
        {"name": "Ports", "type": "string", "jsonPath": ".spec.ports[*].name", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    await client.define(crd(additionalPrinterColumns=columns))
    await client.ask("POST", V1, widget(ports=[{"name": "a"}]))
    table = (await client.get(V1, "application/json;as=Table;g=meta.k8s.io;v=v1")).json
    assert [(one["name"], one["priority"]) for one in table["columnDefinitions"]] == [
        ("Name", 0),
        ("Size", 0),
        ("Ports", 1),
        ("Age", 0),
    ]
    cells = table["rows"][0]["cells"]
    assert cells[:3] == ["one", 3, "a"]
    assert cells[3].endswith("s")


async def test_names_that_are_taken_are_refused_until_they_are_free(client: Any) -> None:
    await client.define(crd())
    second = crd("gadgets", "Widget")
    await client.ask("POST", CRDS, second)

    def refused(obj: Object) -> bool:
        found = (obj.get("status") or {}).get("conditions") or []
        return any(one["type"] == "NamesAccepted" and one["status"] == "False" for one in found)

    told = await client.until("gadgets.example.com", refused)
    by_type = {one["type"]: one for one in told["status"]["conditions"]}
    assert by_type["NamesAccepted"]["reason"] in ("KindConflict", "ListKindConflict")
    assert by_type["NamesAccepted"]["message"].endswith("is already in use")
    assert by_type["Established"]["reason"] == "NotAccepted"
    assert (await client.get(f"{ROOT}/v1/namespaces/default/gadgets")).status == 404
    await client.ask("DELETE", f"{CRDS}/widgets.example.com")
    await client.until(
        "gadgets.example.com",
        lambda obj: any(
            one["type"] == "Established" and one["status"] == "True" for one in obj["status"]["conditions"]
        ),
    )
    assert (await client.get(f"{ROOT}/v1/namespaces/default/gadgets")).status == 200


async def test_a_deleted_definition_takes_its_objects_along(client: Any) -> None:
    await client.define(crd())
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await client.ask("POST", V1, held)
    await client.ask("POST", V1, widget("free"))
    answer = await client.ask("DELETE", f"{CRDS}/widgets.example.com")
    assert answer.json["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    await client.eventually("GET", f"{V1}/free", lambda answer: answer.status == 404)
    refused = await client.ask("POST", V1, widget("new"))
    assert refused.status == 403
    assert "create not allowed while custom resource definition is terminating" in refused.message
    verbs = (await client.get(f"{ROOT}/v1")).json["resources"][0]["verbs"]
    assert verbs == ["delete", "deletecollection", "get", "list", "watch"]
    gone = asyncio.ensure_future(client.until_gone("widgets.example.com"))
    await asyncio.sleep(0)
    body = {"metadata": {"finalizers": None}}
    await client.ask("PATCH", f"{V1}/held", body, type_="application/merge-patch+json")
    await gone
    await client.eventually("GET", f"{ROOT}/v1", lambda answer: answer.status == 404)
    assert (await client.get(V1)).status == 404


async def test_a_deprecated_version_warns(client: Any) -> None:
    await client.define(crd(deprecated=True))
    answer = await client.get(V1)
    assert answer.headers.getall("Warning") == ['299 - "example.com/v1 Widget is deprecated"']


async def test_what_has_no_schema_can_be_applied(client: Any) -> None:
    loose = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    await client.define(crd(schema=loose))
    body = {**widget(), "spec": {"anything": [1, {"a": "b"}]}}
    answer = await client.ask(
        "PATCH", f"{V1}/one?fieldManager=me&fieldValidation=Strict", body, type_="application/apply-patch+yaml"
    )
    assert (answer.status, answer.json["spec"]) == (201, body["spec"])
