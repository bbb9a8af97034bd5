from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"


async def test_create_fills_in_what_the_server_knows(api: Any, objects: Any) -> None:
    answer = await api.post(MAPS, {"metadata": {"name": "a", "uid": "mine", "selfLink": "/x"}})
    made = answer.json
    assert answer.status == 201
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert made["metadata"]["uid"] != "mine"
    assert "selfLink" not in made["metadata"]
    assert (await api.get(f"{MAPS}/a")).json == made
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Audit-Id"]


async def test_the_resource_version_is_the_stores_revision(api: Any, objects: Any) -> None:
    first = await api.made(MAPS, objects.config_map("a"))
    second = await api.made(MAPS, objects.config_map("b"))
    assert int(second["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1


async def test_a_second_of_the_same_name_is_409(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a"))
    answer = await api.post(MAPS, objects.config_map("a"))
    assert answer.status == 409
    assert answer.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "a" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "a", "kind": "configmaps"},
        "code": 409,
    }


async def test_a_second_while_the_first_is_being_deleted_says_so(api: Any, objects: Any) -> None:
    await api.made(MAPS, objects.config_map("a", finalizers=["x.io/y"]))
    await api.delete(f"{MAPS}/a")
    answer = await api.post(MAPS, objects.config_map("a"))
    assert (answer.status, answer.message) == (409, 'object is being deleted: configmaps "a" already exists')


async def test_generated_names_begin_as_asked(api: Any) -> None:
    made = await api.made(MAPS, {"metadata": {"generateName": "web-"}})
    assert made["metadata"]["name"].startswith("web-")
    assert len(made["metadata"]["name"]) == len("web-") + 5


async def test_generated_names_that_always_exist_give_up(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kijabi.api.metadata.random_text", lambda *args: "bbbbb")
    await api.made(MAPS, {"metadata": {"generateName": "web-"}})
    answer = await api.post(MAPS, {"metadata": {"generateName": "web-"}})
    assert answer.status == 409
    assert answer.message == (
        'configmaps "web-bbbbb" already exists, the server was not able to generate a unique name for the object'
    )
    assert answer.json["details"]["retryAfterSeconds"] == 1


REFUSED = {
    "another namespace": (
        {"metadata": {"name": "a", "namespace": "other"}},
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "another kind": (
        {"kind": "Secret", "metadata": {"name": "a"}},
        400,
        'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown',
    ),
    "another version": (
        {"apiVersion": "v2", "metadata": {"name": "a"}},
        400,
        'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered',
    ),
    "no name": ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
    "bad name": ({"metadata": {"name": "A B"}}, 422, 'metadata.name: Invalid value: "A B"'),
    "a version": (
        {"metadata": {"name": "a", "resourceVersion": "7"}},
        500,
        "resourceVersion should not be set on objects to be created",
    ),
    "not an object": ([], 400, "the object provided is unrecognized (must be of type ConfigMap)"),
    "wrong type": ({"metadata": {"name": 5}}, 400, "json: cannot unmarshal number into Go struct field"),
    "malformed": (b'{"metadata":', 400, "the object provided is unrecognized (must be of type ConfigMap): "),
    "binary": (b"\x00\x01", 400, "(0001)"),
    "empty": (b"", 400, "(<empty>)"),
    "too deep": (b'{"data":' + b"[" * 300 + b"]" * 300 + b"}", 400, "exceeded max depth"),
}


@pytest.mark.parametrize(("body", "status", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_created(api: Any, body: Any, status: int, message: str) -> None:
    answer = await api.post(MAPS, body)
    assert answer.status == status
    assert message in answer.message


async def test_a_dry_run_stores_nothing(api: Any, objects: Any) -> None:
    answer = await api.post(f"{MAPS}?dryRun=All", objects.config_map("a"))
    assert answer.status == 201
    assert "resourceVersion" not in answer.json["metadata"]
    assert (await api.get(f"{MAPS}/a")).status == 404


UNKNOWN = b'{"metadata":{"name":"a"},"color":"red","data":{"x":"1","x":"2"}}'


@pytest.mark.parametrize("directive", ["Warn", ""])
async def test_unknown_fields_are_warned_of_and_dropped(api: Any, directive: str) -> None:
    answer = await api.post(f"{MAPS}?fieldValidation={directive}", UNKNOWN)
    assert answer.status == 201
    assert "color" not in answer.json
    assert sorted(answer.headers.getall("Warning")) == [
        '299 - "duplicate field \\"data.x\\""',
        '299 - "unknown field \\"color\\""',
    ]


async def test_ignored_unknown_fields_are_dropped_silently(api: Any) -> None:
    answer = await api.post(f"{MAPS}?fieldValidation=Ignore", UNKNOWN)
    assert answer.status == 201
    assert "Warning" not in answer.headers


async def test_strict_refuses_unknown_and_duplicate_fields(api: Any) -> None:
    answer = await api.post(f"{MAPS}?fieldValidation=Strict", UNKNOWN)
    assert answer.status == 400
    assert 'strict decoding error: unknown field "color", duplicate field "data.x"' in answer.message


async def test_yaml_is_read_and_written(api: Any) -> None:
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    answer = await api.post(MAPS, b"metadata:\n  name: a\ndata:\n  port: '0644'\n", headers=headers)
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/yaml"
    assert b"port: '0644'" in answer.body


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dryRun=Some", 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ("fieldValidation=Loose", 'fieldValidation: Unsupported value: "Loose"'),
        ("fieldManager=" + "x" * 200, "fieldManager: Too long: may not be more than 128 bytes"),
    ],
)
async def test_bad_options_are_422(api: Any, objects: Any, query: str, message: str) -> None:
    answer = await api.post(f"{MAPS}?{query}", objects.config_map("a"))
    assert answer.status == 422
    assert message in answer.message


async def test_duplicate_owners_are_dropped_with_a_warning(api: Any, objects: Any) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    answer = await api.post(MAPS, objects.config_map("a", ownerReferences=[owner, dict(owner)]))
    assert answer.json["metadata"]["ownerReferences"] == [owner]
    assert "duplicate UID(s) observed: u" in answer.headers["Warning"]


async def test_creation_needs_a_namespace_and_no_name_in_the_path(api: Any, objects: Any) -> None:
    assert (await api.post("/api/v1/configmaps", objects.config_map("a"))).status == 405
    assert (await api.post(f"{MAPS}/a", objects.config_map("a"))).status == 405


async def test_what_is_empty_is_stored_as_upstream_stores_it(api: Any, objects: Any) -> None:
    pod = objects.pod("p", labels={}, finalizers=[])
    pod["spec"].update(
        volumes=[], nodeSelector={}, containers=[{"name": "c", "image": "i", "env": [], "resources": {}}]
    )
    made = await api.made("/api/v1/namespaces/default/pods", pod)
    assert made["spec"] == {"containers": [{"name": "c", "image": "i", "resources": {}}]}
    assert not {"labels", "finalizers"} & made["metadata"].keys()
