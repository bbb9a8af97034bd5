"""Checking objects against the schema: Go's decode errors, unknown fields, canonical form; OpenAPI."""

import copy
import json
from typing import Any

import pytest

from kijabi.api import schema, served
from kijabi.api.schema import compile as compiling

SCHEMAS = schema.Schemas.load()
POD = ("", "v1", "Pod")


def pod(**change: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    made: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {"a": "b"}},
        "spec": {"containers": [container]},
    }
    for path, value in change.items():
        at: Any = made
        *steps, last = path.split("__")
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at[step]
        at[last] = value
    return made


GO = "json: cannot unmarshal"
WRONG = [
    (
        "spec__containers__0__image",
        3,
        f"{GO} number into Go struct field Container.spec.containers.image of type string",
    ),
    ("spec__hostNetwork", "yes", f"{GO} string into Go struct field PodSpec.spec.hostNetwork of type bool"),
    ("spec__containers", {}, f"{GO} object into Go struct field PodSpec.spec.containers of type []v1.Container"),
    ("spec__containers", ["x"], f"{GO} string into Go struct field PodSpec.spec.containers of type v1.Container"),
    ("spec__restartPolicy", 1, f"{GO} number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
    (
        "spec__containers__0__resources",
        {"limits": []},
        "field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList",
    ),
    (
        "spec__terminationGracePeriodSeconds",
        1.5,
        f"{GO} number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
    ),
    (
        "spec__containers__0__ports",
        [{"containerPort": 2**31}],
        f"{GO} number 2147483648 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ),
    ("metadata__labels", {"a": 1}, f"{GO} number into Go struct field ObjectMeta.metadata.labels of type string"),
    ("metadata__labels", [], f"{GO} array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    ("metadata__creationTimestamp", "x", 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
    ("spec__overhead", {"cpu": "many"}, "quantities must match the regular expression"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{p}={v}" for p, v, _ in WRONG])
def test_wrong_types_are_fatal_with_gos_words(path: str, value: Any, message: str) -> None:
    (problem,) = SCHEMAS.check(POD, pod(**{path: value}))
    assert problem.fatal
    assert message in str(problem)


def test_the_decoder_says_the_first_error_only() -> None:
    problems = SCHEMAS.check(POD, pod(spec__hostNetwork="x", spec__hostPID="y"))
    assert [str(problem) for problem in problems] == [
        f"{GO} string into Go struct field PodSpec.spec.hostNetwork of type bool"
    ]


def test_unknown_fields_are_reported_with_their_path_and_dropped() -> None:
    obj = pod(spec__foo=1, spec__containers__0__bar={"x": 1}, metadata__baz=None)
    problems = SCHEMAS.check(POD, obj)
    texts = ['unknown field "metadata.baz"', 'unknown field "spec.containers[0].bar"', 'unknown field "spec.foo"']
    assert sorted(map(str, problems)) == texts
    assert not any(problem.fatal for problem in problems)
    assert obj == pod()


def test_nulls_are_as_good_as_nothing() -> None:
    obj = pod(metadata__creationTimestamp=None, spec__nodeSelector=None)
    obj["metadata"]["labels"]["c"] = None
    assert SCHEMAS.check(POD, obj) == []
    assert "creationTimestamp" not in obj["metadata"]
    assert "nodeSelector" not in obj["spec"]
    assert obj["metadata"]["labels"] == {"a": "b", "c": ""}


def test_quantities_and_times_become_canonical() -> None:
    obj = pod(spec__overhead={"cpu": 0.5, "memory": "1024Mi"}, metadata__creationTimestamp="2026-01-01T01:00:00+01:00")
    assert SCHEMAS.check(POD, obj) == []
    assert obj["spec"]["overhead"] == {"cpu": "500m", "memory": "1Gi"}
    assert obj["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("aGk=", None),
        ("", None),
        ("a", "illegal base64 data at input byte 0"),
        ("a$==", "illegal base64 data at input byte 1"),
        (1, f"{GO} number into Go struct field Secret.data of type []uint8"),
    ],
)
def test_bytes_must_be_base64(value: Any, message: str | None) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": value}}
    assert [str(problem) for problem in SCHEMAS.check(("", "v1", "Secret"), secret)] == ([message] if message else [])


@pytest.mark.parametrize(("value", "fine"), [(80, True), ("http", True), ("25%", True), (1.5, False), (True, False)])
def test_int_or_string(value: Any, fine: bool) -> None:
    service = {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80, "targetPort": value}]}}
    assert (SCHEMAS.check(("", "v1", "Service"), service) == []) is fine


def test_types_that_contain_themselves_are_walked() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": inner}}
    crd = {"metadata": {"name": "a"}, "spec": {"group": "x.y", "names": {}, "scope": "Cluster", "versions": [version]}}
    gvk = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    assert SCHEMAS.check(gvk, copy.deepcopy(crd)) == []
    inner["properties"]["a"]["properties"]["b"]["typo"] = 1  # type: ignore[index]
    (problem,) = SCHEMAS.check(gvk, crd)
    assert str(problem).endswith('openAPIV3Schema.properties.a.properties.b.typo"')


def test_refusals_read_as_upstreams() -> None:
    error = schema.refuse(("apps", "v1", "Deployment"), ['unknown field "spec.foo"'], strict=True)
    assert error.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo"'
    )


def test_every_served_kind_has_a_schema() -> None:
    missing = [row.kind for row in served.RESOURCES if SCHEMAS.type_of((row.group, row.version, row.kind)) is None]
    assert missing == []


def test_other_minor_versions_load_and_unknown_ones_say_so() -> None:
    assert schema.Schemas.load("1.25").check(POD, pod()) == []
    with pytest.raises(schema.NotCompiled):
        schema.Schemas.load("1.5")


def test_the_source_data_covers_1_25_to_1_37() -> None:
    assert {"1.25", "1.36", "1.37"} <= set(compiling.minors())


def test_openapi_v2_has_paths_with_kinds_and_dry_run() -> None:
    document = json.loads(SCHEMAS.openapi_v2())
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {"dryRun", "fieldValidation"} <= {parameter["name"] for parameter in patch["parameters"]}
    pod_schema = document["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod_schema["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert pod_schema["properties"]["spec"]["$ref"] == "#/definitions/io.k8s.api.core.v1.PodSpec"


def test_openapi_v3_documents_are_closed_and_indexed() -> None:
    index = json.loads(SCHEMAS.openapi_v3_index())["paths"]
    assert index["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")
    for root in index:
        raw = SCHEMAS.openapi_v3(root)
        assert raw is not None
        document = json.loads(raw)
        schemas = document["components"]["schemas"]
        wanted = {part.partition('"')[0] for part in raw.decode().split('"$ref":"#/components/schemas/')[1:]}
        assert wanted <= schemas.keys()
    assert SCHEMAS.openapi_v3("nothing/v1") is None


def test_openapi_protobuf_is_read_back() -> None:
    message = _fields(SCHEMAS.openapi_v2_protobuf())
    assert message[1] == [b"2.0"]
    definitions = [_fields(named) for named in _fields(message[9][0])[1]]
    by_name = {named[1][0].decode(): _fields(named[2][0]) for named in definitions}
    deployment = by_name["io.k8s.api.apps.v1.Deployment"]
    (extension,) = [_fields(raw) for raw in deployment[31]]
    assert extension[1] == [b"x-kubernetes-group-version-kind"]
    assert json.loads(_fields(extension[2][0])[2][0]) == [{"group": "apps", "kind": "Deployment", "version": "v1"}]


def _fields(data: bytes) -> dict[int, list[bytes]]:
    """A protobuf message as field number → values, by the wire format alone."""
    found: dict[int, list[bytes]] = {}
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while position < len(data):
        key = varint()
        if key & 7 == 0:
            found.setdefault(key >> 3, []).append(bytes([varint()]))
        else:
            size = varint()
            found.setdefault(key >> 3, []).append(data[position : position + size])
            position += size
    return found


def test_openapi_describes_deletions_and_connections() -> None:
    paths = json.loads(SCHEMAS.openapi_v3("api/v1") or b"")["paths"]
    pods = paths["/api/v1/namespaces/{namespace}/pods"]
    assert pods["delete"]["operationId"] == "deleteCoreV1CollectionNamespacedPod"
    assert pods["delete"]["x-kubernetes-action"] == "deletecollection"
    one = paths["/api/v1/namespaces/{namespace}/pods/{name}"]["delete"]
    reference = one["requestBody"]["content"]["*/*"]["schema"]["$ref"]
    assert reference == "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    assert "required" not in one["requestBody"]
    connection = paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]["post"]
    assert (connection["x-kubernetes-action"], connection["operationId"]) == (
        "connect",
        "connectCoreV1PostNamespacedPodExec",
    )
    assert {parameter["name"] for parameter in connection["parameters"]} >= {"command", "container", "tty"}
    assert "requestBody" not in connection
    assert "/api/v1/nodes/{name}/proxy/{path}" in paths
