"""Requests that are HTTP but make no sense: upstream's status and message for each, over a real TLS socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wires

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
JSON, MERGE, STRATEGIC = "application/json", "application/merge-patch+json", "application/strategic-merge-patch+json"
PATCH = "application/json-patch+json"
_UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: Any) -> AsyncIterator[wires.Site]:
    async with wires.serving(tmp_path_factory.mktemp("site")) as opened:
        body = json.dumps({"metadata": {"name": "there", "labels": {"a": "b"}}, "data": {"x": "y"}}).encode()
        assert (await opened.ask("POST", MAPS, body)).status == 201
        yield opened


def is_status(answer: wires.Answer) -> bool:
    status = answer.json
    return bool(
        status["kind"] == "Status"
        and status["apiVersion"] == "v1"
        and status["status"] == "Failure"
        and status["code"] == answer.status
        and status["message"]
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", f"{_UNRECOGNIZED} error: unexpected end of JSON input (<empty>)"),
        (b"{", f"{_UNRECOGNIZED} error: unexpected end of JSON input ({{)"),
        (
            b"nonsense",
            f"{_UNRECOGNIZED} error: invalid character 'o' in literal null (expecting 'u') (6e6f6e73656e7365)",
        ),
        (b"xyz", f"{_UNRECOGNIZED} error: invalid character 'x' looking for beginning of value (78797a)"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b'{"a":[1 2]}', "invalid character '2' after array element"),
        (b'{"a":1} x', "invalid character 'x' after top-level value"),
        (b'{"a":01}', "invalid character '1' after object key:value pair"),
        (b'{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
        (b'{"a":NaN}', "invalid character 'N' looking for beginning of value"),
        (b'{"a":"\\x"}', "invalid character 'x' in string escape code"),
        (b'{"a":"\n"}', "invalid character '\\n' in string literal"),
        (b'{"a":tru}', "invalid character '}' in literal true (expecting 'e')"),
    ],
    ids=repr,
)
async def test_malformed_json_is_told_as_go_tells_it(site: wires.Site, body: bytes, message: str) -> None:
    answer = await site.ask("POST", MAPS, body, Content_Type=JSON)
    assert answer.status == 400
    assert is_status(answer)
    assert message in answer.message


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"[{}]",
        b"1",
        b'"x"',
        b"true",
        b"\xff\xfe{}",
        b'{"a":"\xff"}',
        b'{"metadata":null}',
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"data":' + b"[" * 250 + b"]" * 250 + b"}",
        b'{"metadata":{"name":1e999}}',
        b'{"metadata":{"name":"a","generation":99999999999999999999999999}}',
        b'{"metadata":{"name":"a"},"data":{"a":1}}',
        b'{"metadata":{"name":"a"},"data":[]}',
        b'{"metadata":[]}',
        b'{"metadata":{"name":{}}}',
        b'{"metadata":{"name":"a","labels":[]}}',
        b'{"kind":1}',
        b'{"kind":"Secret","apiVersion":"v1"}',
        b'{"kind":"ConfigMap","apiVersion":"v2"}',
        b'{"kind":"ConfigMap","apiVersion":"a/b/c"}',
        b'{"kind":"ConfigMap","apiVersion":[]}',
        b'{"metadata":{"name":"a","creationTimestamp":"yesterday"}}',
        b'{"metadata":{"name":"a","namespace":"elsewhere"}}',
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_no_such_object_is_400(site: wires.Site, body: bytes) -> None:
    for method, path in (("POST", MAPS), ("PUT", f"{MAPS}/there")):
        answer = await site.ask(method, path, body, Content_Type=JSON)
        assert answer.status in (400, 422)
        assert is_status(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"a: [",
        b"\t- x",
        b"a: b: c",
        b"- 1",
        b"!!python/object:os.system {}",
        b"&a [*a]",
        b"a: &x [*x]",
        b"%",
        b"{{}}: 1",
    ],
    ids=repr,
)
async def test_bad_yaml_is_400(site: wires.Site, body: bytes) -> None:
    answer = await site.ask("POST", MAPS, body, Content_Type="application/yaml")
    assert answer.status in (400, 422)
    assert is_status(answer)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\\ud800", "\ufffd"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        (b"\\\\ud800", "\\ud800"),
        (b"\xff", "\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\\u0000", "\0"),
    ],
    ids=repr,
)
async def test_letters_that_are_none_are_replaced(site: wires.Site, body: bytes, told: str) -> None:
    whole = b'{"metadata":{"generateName":"l-"},"data":{"a":"%b","a":"%b"}}' % (body, body)
    answer = await site.ask("POST", f"{MAPS}?dryRun=All", whole, Content_Type=JSON)
    assert (answer.status, answer.json["data"]["a"]) == (201, told)
    assert "duplicate field" in answer.headers["warning"]


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        (b"{2: a, true: b, 1.5: c, null: d}", {"2": "a", "true": "b", "1.5": "c", "null": "d"}),
        (b'!!map {a: !!other "b"}', {"a": "b"}),
        (b'{a: "y"}\n---\nanother: document', {"a": "y"}),
    ],
    ids=repr,
)
async def test_yaml_is_read_as_json(site: wires.Site, body: bytes, labels: dict[str, str]) -> None:
    whole = b"metadata:\n  generateName: y-\n  labels: " + body
    answer = await site.ask("POST", f"{MAPS}?dryRun=All", whole, Content_Type="application/yaml")
    assert (answer.status, answer.json["metadata"]["labels"]) == (201, labels)


async def test_a_single_y_is_no_text_in_yaml(site: wires.Site) -> None:
    answer = await site.ask("POST", MAPS, b"metadata: {name: y}", Content_Type="application/yaml")
    assert (answer.status, "cannot unmarshal bool" in answer.message) == (400, True)


@pytest.mark.parametrize(
    ("directive", "status", "warned"),
    [("Ignore", 201, False), ("Warn", 201, True), ("Strict", 400, False), ("Sometimes", 422, False)],
)
async def test_unknown_and_double_fields(site: wires.Site, directive: str, status: int, warned: bool) -> None:
    body = b'{"metadata":{"name":"d","name":"e"},"data":{},"bogus":1}'
    answer = await site.ask("POST", f"{MAPS}?dryRun=All&fieldValidation={directive}", body, Content_Type=JSON)
    assert answer.status == status
    assert ("warning" in answer.headers) is warned
    if directive == "Strict":
        assert answer.message == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
            'duplicate field "metadata.name", unknown field "bogus"'
        )


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("labelSelector=a+in+(b", 400, "unable to parse requirement"),
        ("labelSelector=%00", 400, ""),
        ("labelSelector=!", 400, ""),
        ("labelSelector=-a%3Db", 400, ""),
        ("fieldSelector=a", 400, "invalid selector: 'a'; can't understand 'a'"),
        (
            "fieldSelector=spec.bogus%3Da",
            400,
            '"spec.bogus" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("limit=99999999999999999999", 400, "value out of range"),
        ("timeoutSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("continue=x", 400, "continue key is not valid"),
        ("continue=%F0%9F%98%80", 400, "continue key is not valid"),
        ("continue=" + "A" * 20000, 400, "continue key is not valid"),
        ("resourceVersion=x", 400, 'invalid resource version: resourceVersion: Invalid value: "x"'),
        ("resourceVersion=-1", 400, "invalid resource version"),
        ("resourceVersion=99999999999999999999", 400, "value out of range"),
        ("resourceVersionMatch=Exact", 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Bogus&resourceVersion=1", 422, 'Unsupported value: "Bogus"'),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422, "is forbidden for resourceVersion"),
        ("sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"),
        ("watch=true&sendInitialEvents=true", 422, "requires setting resourceVersionMatch to NotOlderThan"),
        ("watch=true&resourceVersion=x", 500, "resourceVersion: Invalid value"),  # upstream's own
        ("watch=true&continue=x", 422, "resourceVersionMatch is forbidden when continue is provided"),
        ("watch=true&labelSelector=a+in+(b", 400, "unable to parse requirement"),
    ],
)
async def test_parameters_of_reads(site: wires.Site, query: str, status: int, message: str) -> None:
    answer = await site.ask("GET", f"{MAPS}?{query}")
    assert answer.status == status
    assert is_status(answer)
    assert message in answer.message


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", MAPS, {"Content_Type": "text/plain"}, 415),
        ("POST", MAPS, {"Content_Type": "application/json; charset=utf-8"}, 201),
        ("POST", MAPS, {"Content_Type": ";;;"}, 415),
        ("POST", MAPS, {"Content_Type": "application/xml"}, 415),
        ("PATCH", f"{MAPS}/there", {"Content_Type": JSON}, 415),
        ("PATCH", f"{MAPS}/there", {}, 415),
        ("GET", MAPS, {"Accept": "text/html"}, 406),
        ("GET", MAPS, {"Accept": "nonsense"}, 406),
        ("GET", MAPS, {"Accept": "application/json;as=Bogus;g=meta.k8s.io;v=v1"}, 406),
        ("GET", MAPS, {"Accept": "application/json;q=x, */*;q=0.1"}, 200),
        ("GET", MAPS, {"Accept": "text/html, application/yaml"}, 200),
        ("GET", f"{MAPS}?watch=true", {"Accept": "application/yaml"}, 406),
    ],
)
async def test_media_types(site: wires.Site, method: str, path: str, headers: dict[str, str], status: int) -> None:
    body = b'{"metadata":{"generateName":"m-"}}' if method != "GET" else None
    answer = await site.ask(method, path, body, **headers)
    assert answer.status == status
    if status > 400 and answer.headers["content-type"] == JSON:
        assert is_status(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/namespaces/default/bogus", 404),
        ("GET", "/apis/bogus/v1/things", 404),
        ("GET", "/apis/apps/v9/deployments", 404),
        ("GET", "/api/v1/pods/x", 404),
        ("GET", "/api/v1//namespaces//default//configmaps//there", 200),
        ("GET", "/api/v1/namespaces/default/configmaps/th%65re", 200),
        ("GET", "/api/v1/namespaces/default/configmaps/%2e%2e", 400),
        ("GET", "/api/v1/namespaces/default/configmaps/..", 400),
        ("GET", "/api/v1/namespaces/../../../etc/passwd", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a%2fb", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/%00", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/%ff", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/%zz", 400),
        ("GET", "/api/v1/namespaces/default/configmaps/" + "a" * 5000, 404),
        ("GET", "/api/v1/namespaces/default/configmaps/there/bogus", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/there/a/b/c/d/e", 404),
        ("GET", "/api/v1/watch", 500),  # upstream's own
        ("HEAD", MAPS, 405),
        ("HEAD", "/version", 405),
        ("POST", "/apis/apps", 200),
        ("POST", "/apis", 405),
        ("GET", "/api/v1/namespaces/default/namespaces", 404),
        ("GET", "/api/v1/namespaces/default/finalize", 405),
        ("GET", "/bogus", 404),
        ("POST", f"{MAPS}/there", 405),
        ("PUT", MAPS, 405),
        ("PATCH", MAPS, 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("POST", "/api/v1/configmaps", 405),
        ("POST", "/api/v1/namespaces/default/configmaps/there/status", 404),
        ("PUT", f"{PODS}/x/log", 405),
        ("GET", f"{PODS}/x/eviction", 405),
        ("POST", "/api/v1/nodes/x/status", 405),
    ],
)
async def test_paths_and_verbs(site: wires.Site, method: str, path: str, status: int) -> None:
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    answer = await site.ask(method, path, body, Content_Type=MERGE if method == "PATCH" else JSON)
    assert answer.status == status


@pytest.mark.parametrize(
    ("kind", "body", "status", "message"),
    [
        (PATCH, b"", 400, "error decoding patch"),
        (PATCH, b"{}", 400, "cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (PATCH, b'[{"op":"test","path":"/data/x","value":"z"}]', 422, ""),
        (PATCH, b'[{"op":"remove","path":"/data/none"}]', 422, ""),
        (PATCH, b'[{"op":"replace","path":"/none/x","value":1}]', 422, ""),
        (PATCH, b'[{"op":"bogus","path":"/data"}]', 422, ""),
        (PATCH, b'[{"path":"/data"}]', 422, ""),
        (PATCH, b'[{"op":"add"}]', 422, ""),
        (PATCH, b"[1]", 400, ""),
        (PATCH, b"[null]", 400, ""),
        (PATCH, b'[{"op":"add","path":"","value":[]}]', 422, ""),
        (PATCH, b'[{"op":"add","path":"/data/y","value":1}]', 422, ""),
        (PATCH, b'[{"op":"copy","from":"/none","path":"/data/y"}]', 422, ""),
        (PATCH, b'[{"op":"add","path":"/metadata/finalizers/7","value":"a/b"}]', 422, ""),
        (PATCH, b"[" + b",".join([b'{"op":"test","path":"/data/x","value":"y"}'] * 10_001) + b"]", 413, "10000"),
        (MERGE, b"", 400, "error decoding patch"),
        (MERGE, b"[]", 400, "cannot unmarshal array into Go value of type map[string]interface {}"),
        (MERGE, b"null", 400, ""),
        (MERGE, b'{"data":1}', 422, ""),
        (MERGE, b'{"data":{"x":1}}', 422, ""),
        (MERGE, b'{"kind":"Secret"}', 422, "converting (v1.Secret) to (core.ConfigMap): unknown conversion"),
        (MERGE, b"1", 400, "error decoding patch: json: cannot unmarshal number into Go value of type map"),
        (MERGE, b'{"metadata":{"name":"other"}}', 400, "does not match the name on the URL"),
        (MERGE, b'{"metadata":null}', 400, ""),
        (MERGE, b'{"metadata":{"resourceVersion":"1"}}', 409, "the object has been modified"),
        (MERGE, b'{"metadata":{"resourceVersion":"x"}}', 500, 'strconv.ParseUint: parsing "x": invalid syntax'),
        (STRATEGIC, b'{"data":1}', 422, 'patch: Invalid value: "map[data:1]"'),
        # Upstream's own, an error that is no Status.
        (STRATEGIC, b'{"$patch":"bogus"}', 500, "unknown patch type: bogus in map: map[$patch:bogus]"),
        (STRATEGIC, b'{"$retainKeys":1}', 400, ""),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
async def test_patches(site: wires.Site, kind: str, body: bytes, status: int, message: str) -> None:
    answer = await site.ask("PATCH", f"{MAPS}/there", body, Content_Type=kind)
    assert answer.status == status, answer.body
    assert is_status(answer)
    assert message in answer.message
    assert (await site.ask("GET", f"{MAPS}/there")).json["data"] == {"x": "y"}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b'{"kind":"Pod"}',
        b'{"gracePeriodSeconds":"x"}',
        b'{"gracePeriodSeconds":1.5}',
        b'{"propagationPolicy":"Bogus"}',
        b'{"propagationPolicy":"Orphan","orphanDependents":true}',
        b'{"preconditions":[]}',
        b'{"preconditions":{"uid":"other"}}',
        b'{"preconditions":{"uid":1}}',
        b'{"preconditions":{"resourceVersion":"1"}}',
        b'{"dryRun":["Some"]}',
        b'{"dryRun":"All"}',
        b"{",
    ],
    ids=repr,
)
async def test_options_of_a_deletion(site: wires.Site, body: bytes) -> None:
    answer = await site.ask("DELETE", f"{MAPS}/there", body, Content_Type=JSON)
    assert answer.status in (400, 409, 422)
    assert is_status(answer)
    assert (await site.ask("GET", f"{MAPS}/there")).status == 200


BOATS = "/apis/boats.example.com/v1/namespaces/default/boats"
BOAT = b'"apiVersion":"boats.example.com/v1","kind":"Boat","metadata":{"name":"a"}'


@pytest.fixture(scope="module")
def definition() -> bytes:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}
    spec = {"group": "boats.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return json.dumps({"metadata": {"name": "boats.boats.example.com"}, "spec": spec}).encode()


async def test_custom_resources_say_what_they_are(site: wires.Site, definition: bytes) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await site.ask("POST", path, definition)).status == 201
    async with asyncio.timeout(10):
        while (await site.ask("GET", BOATS)).status != 200:
            pass
    assert (await site.ask("POST", BOATS, b"{%b}" % BOAT)).status == 201
    refusals = [
        ("POST", JSON, b'{"metadata":{"name":"x"}}', 400, "(must be of type Boat): Object 'Kind' is missing in '{"),
        ("POST", JSON, b"null", 400, "Object 'Kind' is missing in 'null' (6e756c6c)"),
        ("POST", JSON, b'{"kind":"Boat"}', 400, "the API version in the data () does not match the expected"),
        (
            "POST",
            JSON,
            BOAT.replace(b'"Boat"', b'"Ship"').join((b"{", b"}")),
            422,
            'kind: Invalid value: "Ship": must be',
        ),
        ("PATCH", MERGE, b'{"kind":"Ship"}', 422, 'kind: Invalid value: "Ship": must be Boat'),
        ("PATCH", MERGE, b'{"apiVersion":"x/v1"}', 422, "must be boats.example.com/v1"),
        ("PATCH", STRATEGIC, b"[]", 415, "json-patch+json, application/merge-patch+json, application/apply-patch+yaml"),
    ]
    for method, media, body, status, message in refusals:
        at = f"{BOATS}/a" if method == "PATCH" else BOATS
        answer = await site.ask(method, at, body, Content_Type=media)
        assert (answer.status, message in answer.message) == (status, True), answer.body
    gone = await site.ask("DELETE", f"{BOATS}/a")
    assert (gone.status, gone.json["status"], gone.json["details"]["kind"]) == (200, "Success", "boats")
