"""Hooks that say yes or no: whom they are asked about, in which words, and what becomes of a request without them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from kijabi.apiserver import contract, program
from kijabi.kit import http

DENIED = 'admission webhook "ask.example.com" denied the request'


async def test_a_hook_sees_the_whole_question(both: Any) -> None:
    await both.configure("validating", both.outside.hook())
    status, _ = await both.make("m", query="?fieldManager=me&dryRun=All")
    assert status == 201
    [(_, review)] = both.outside.asked
    request = review.pop("request")
    assert review == {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
    assert request.pop("uid")
    made = request.pop("object")
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"a": "b"})
    assert made["metadata"]["uid"]
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    options = request.pop("options")
    assert (options["kind"], options["apiVersion"]) == ("CreateOptions", "meta.k8s.io/v1")
    assert (options["fieldManager"], options["dryRun"]) == ("me", ["All"])
    assert request == {
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "m",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {
            "username": "admin",
            "uid": "u1",
            "groups": ["system:masters", "system:authenticated"],
            "extra": {"k": ["v"]},
        },
        "oldObject": None,
        "dryRun": True,
    }


@pytest.mark.parametrize(
    ("given", "status", "message", "reason"),
    [
        pytest.param({}, 400, f"{DENIED} without explanation", None, id="without a word"),
        pytest.param({"status": {"message": "no"}}, 400, f"{DENIED}: no", None, id="with a message"),
        pytest.param(
            {"status": {"message": "no", "code": 403, "reason": "Forbidden"}},
            403,
            f"{DENIED}: no",
            "Forbidden",
            id="with a code and a reason",
        ),
        pytest.param({"status": {"reason": "Gone", "code": 200}}, 400, f"{DENIED}: Gone", "Gone", id="reason alone"),
    ],
)
async def test_a_refusal_is_passed_on(both: Any, given: Any, status: int, message: str, reason: str | None) -> None:
    both.outside.answers["/ask"] = lambda _: {"allowed": False, **given}
    await both.configure("validating", both.outside.hook())
    code, body = await both.make()
    assert (code, body["message"], body.get("reason"), body["code"]) == (status, message, reason, status)


async def test_warnings_are_headers(both: Any) -> None:
    both.outside.answers["/ask"] = lambda _: {"allowed": True, "warnings": ["mind the gap"]}
    await both.configure("validating", both.outside.hook())
    _, _, headers = await both.send("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "w"}})
    assert headers["Warning"] == '299 - "mind the gap"'


async def test_each_operation_is_asked_about_with_old_and_new(both: Any) -> None:
    await both.configure("validating", both.outside.hook())
    await both.make()
    path = "/api/v1/namespaces/default/configmaps/m"
    await both.send("PATCH", path, {"data": {"a": "c"}}, Content_Type="application/merge-patch+json")
    await both.send("DELETE", path)
    seen = []
    for _, review in both.outside.asked:
        request = review["request"]
        now, before = request["object"], request["oldObject"]
        seen.append((request["operation"], now and now["data"]["a"], before and before["data"]["a"]))
    assert seen == [("CREATE", "b", None), ("UPDATE", "c", "b"), ("DELETE", None, "c")]
    assert both.outside.asked[-1][1]["request"]["options"]["kind"] == "DeleteOptions"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(
            lambda _: web.Response(status=500, text="boom"),
            'failed to call webhook: an error on the server ("boom") has prevented the request from succeeding',
            id="an error",
        ),
        pytest.param(
            lambda _: web.Response(status=404),
            "failed to call webhook: the server could not find the requested resource",
            id="nothing there",
        ),
        pytest.param(
            lambda _: web.json_response({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}),
            "received invalid webhook response: webhook response was absent",
            id="no response",
        ),
        pytest.param(
            lambda _: {"allowed": True, "uid": "other"},
            'received invalid webhook response: expected response.uid="UID", got "other"',
            id="another's answer",
        ),
        pytest.param(
            lambda _: {"allowed": True, "review": {"apiVersion": "admission.k8s.io/v1beta1"}},
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
            "Kind=AdmissionReview, got admission.k8s.io/v1beta1, Kind=AdmissionReview",
            id="another version",
        ),
        pytest.param(
            lambda _: {"allowed": True, "patch": "W10=", "patchType": "JSONPatch"},
            "received invalid webhook response: validating webhook may not return response.patch",
            id="a patch",
        ),
    ],
)
async def test_an_answer_that_is_none_fails_the_request(both: Any, answer: Any, why: str) -> None:
    both.outside.answers["/ask"] = answer
    await both.configure("validating", both.outside.hook())
    code, body = await both.make()
    uid = both.outside.asked[0][1]["request"]["uid"]
    text = f'failed calling webhook "ask.example.com": {why.replace("UID", uid)}'
    assert (code, body["reason"], body["message"]) == (500, "InternalError", f"Internal error occurred: {text}")
    assert body["details"]["causes"] == [{"message": text}]


async def test_nobody_there_fails_the_request_or_is_ignored(both: Any) -> None:
    gone = both.outside.hook(clientConfig={"url": "https://127.0.0.1:1/x"})
    await both.configure("validating", gone)
    code, body = await both.make()
    why = 'Post "https://127.0.0.1:1/x?timeout=5s": dial tcp 127.0.0.1:1: connect: connection refused'
    text = f'failed calling webhook "ask.example.com": failed to call webhook: {why}'
    assert (code, body["message"]) == (500, f"Internal error occurred: {text}")
    await both.configure("validating", {**gone, "failurePolicy": "Ignore"})
    assert (await both.make())[0] == 201


async def test_a_slow_hook_runs_out_of_time(both: Any) -> None:
    never = asyncio.Event()

    async def wait(_: Any) -> Any:
        await never.wait()

    both.outside.answers["/ask"] = wait
    await both.configure("validating", both.outside.hook(timeoutSeconds=1))
    code, body = await both.make()
    url = f"https://127.0.0.1:{both.outside.port}/ask?timeout=1s"
    text = f'failed calling webhook "ask.example.com": failed to call webhook: Post "{url}": context deadline exceeded'
    assert (code, body["message"]) == (500, f"Internal error occurred: {text}")
    never.set()


async def test_a_certificate_that_nobody_vouches_for_is_refused(both: Any) -> None:
    await both.configure("validating", both.outside.hook(clientConfig={"url": both.outside.client("/ask")["url"]}))
    _, body = await both.make()
    assert body["message"].endswith("tls: failed to verify certificate: x509: certificate signed by unknown authority")


async def test_a_service_is_called_by_its_name_and_connections_are_kept(both: Any, resolver: Any) -> None:
    service = {"name": "hook", "namespace": "default", "path": "/ask"}
    config = {"service": service, "caBundle": both.outside.bundle}
    await both.configure("validating", both.outside.hook(clientConfig=config))
    for name in ("one", "two", "three"):
        assert (await both.make(name))[0] == 201
    assert resolver.asked == [("default", "hook", 443)]
    assert len(both.outside.connections) == 1


async def test_a_dry_run_is_not_asked_about_where_it_would_leave_traces(both: Any) -> None:
    await both.configure("validating", both.outside.hook(sideEffects="NoneOnDryRun"))
    assert (await both.make("one", "?dryRun=All"))[0] == 201
    hooks = both.assembly.registry.parts.admission
    [plugin] = [one for one in hooks if one.name == "ValidatingAdmissionWebhook"]
    # Only objects from before v1 can have other side effects.
    plugin._hooks.all = tuple(replace(one, effects="Some") for one in plugin._hooks.all)
    code, body = await both.make("two", "?dryRun=All")
    assert (code, body["reason"]) == (400, "BadRequest")
    assert body["message"] == 'admission webhook "ask.example.com" does not support dry run'


async def test_all_are_asked_at_once(both: Any) -> None:
    together = asyncio.Barrier(3)

    async def meet(_: Any) -> Any:
        await together.wait()
        return {"allowed": True}

    for path in ("/a", "/b", "/c"):
        both.outside.answers[path] = meet
    await both.configure("validating", *(both.outside.hook(path) for path in ("/a", "/b", "/c")))
    assert (await both.make())[0] == 201


async def test_configurations_are_never_asked_about(both: Any) -> None:
    both.outside.answers["/ask"] = lambda _: {"allowed": False}
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
    await both.configure("validating", both.outside.hook(rule=rule))
    assert (await both.make())[0] == 400
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/c"
    assert (await both.send("DELETE", path))[0] == 200
    assert (await both.make())[0] == 201


async def test_a_server_starts_again_though_nobody_answers_for_anything(both: Any) -> None:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
    gone = both.outside.hook(clientConfig={"url": "https://127.0.0.1:1/x"}, rule=rule)
    # What the server makes at start is missing, and cannot be made.
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps"
    await both.send("DELETE", path)
    await both.configure("validating", gone)
    store = both.assembly.registry.store
    await both.assembly.close()
    options = replace(both.options, endpoint_reconciler_type="lease", advertise_address="192.0.2.9")
    again = program.build(options, store)
    await again.start()
    both.assembly = again
    ready = await again.api.handle(http.Request("GET", "/readyz", "/readyz", identity=contract.SYSTEM))
    assert ready.status == 200
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/c"
    assert (await both.send("DELETE", path))[0] == 200


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        pytest.param({"objectSelector": {"matchLabels": {"ask": "me"}}}, True, id="the object's label"),
        pytest.param({"objectSelector": {"matchLabels": {"ask": "not"}}}, False, id="another label"),
        pytest.param(
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True, id="its namespace"
        ),
        pytest.param({"namespaceSelector": {"matchLabels": {"a": "b"}}}, False, id="another namespace"),
        pytest.param({"rule": {"scope": "Cluster"}}, False, id="only what belongs to the cluster"),
        pytest.param({"rule": {"scope": "Namespaced"}}, True, id="only what belongs to namespaces"),
        pytest.param({"rule": {"operations": ["UPDATE"]}}, False, id="another operation"),
        pytest.param({"rule": {"resources": ["*"]}}, True, id="any resource"),
        pytest.param({"rule": {"resources": ["*/*"]}}, True, id="anything"),
        pytest.param({"rule": {"resources": ["configmaps/status"]}}, False, id="a subresource"),
        pytest.param({"rule": {"apiGroups": ["apps"]}}, False, id="another group"),
        pytest.param({"rule": {"apiVersions": ["*"]}}, True, id="any version"),
    ],
)
async def test_a_hook_is_only_asked_about_what_it_names(both: Any, more: Any, asked: bool) -> None:
    await both.configure("validating", both.outside.hook(**more))
    await both.make(labels={"ask": "me"})
    assert bool(both.outside.asked) is asked


async def test_a_namespace_is_selected_by_its_own_labels(both: Any) -> None:
    rule = {"resources": ["namespaces"], "scope": "Cluster"}
    await both.configure("validating", both.outside.hook(rule=rule, namespaceSelector={"matchLabels": {"team": "a"}}))
    await both.send("POST", "/api/v1/namespaces", {"metadata": {"name": "one", "labels": {"team": "a"}}})
    await both.send("POST", "/api/v1/namespaces", {"metadata": {"name": "two"}})
    assert [review["request"]["name"] for _, review in both.outside.asked] == ["one"]
    assert both.outside.asked[0][1]["request"]["namespace"] == "one"


async def test_what_connects_to_a_pod_is_shown(both: Any) -> None:
    container = {"name": "c", "image": "i"}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container], "automountServiceAccountToken": False}}
    assert (await both.send("POST", "/api/v1/namespaces/default/pods", pod))[0] == 201
    both.outside.answers["/ask"] = lambda _: {"allowed": False, "status": {"message": "no shells"}}
    rule = {"resources": ["pods/exec"], "operations": ["CONNECT"]}
    await both.configure("validating", both.outside.hook(rule=rule))
    path = "/api/v1/namespaces/default/pods/p/exec?command=ls&command=-l&stdin=true&container=c"
    status, body, _ = await both.send("POST", path)
    assert (status, body["message"]) == (400, f"{DENIED}: no shells")
    request = both.outside.asked[0][1]["request"]
    assert request["object"] == {
        "kind": "PodExecOptions",
        "apiVersion": "v1",
        "stdin": True,
        "container": "c",
        "command": ["ls", "-l"],
    }
    assert request["kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
    assert (request["subResource"], request["name"], request["options"]) == ("exec", "p", None)


EVENT = {"reason": "R", "message": "hi", "type": "Normal", "involvedObject": {"kind": "Pod", "namespace": "default"}}


@pytest.mark.parametrize(("policy", "asked"), [("Equivalent", True), ("Exact", False)])
async def test_another_version_of_the_same_object_is_converted_for_the_hook(
    both: Any, policy: str, asked: bool
) -> None:
    rule = {"apiGroups": ["events.k8s.io"], "resources": ["events"]}
    await both.configure("validating", both.outside.hook(rule=rule, matchPolicy=policy))
    body = {"metadata": {"name": "e", "namespace": "default"}, **EVENT}
    assert (await both.send("POST", "/api/v1/namespaces/default/events", body))[0] == 201
    assert bool(both.outside.asked) is asked
    if asked:
        request = both.outside.asked[0][1]["request"]
        assert request["kind"] == {"group": "events.k8s.io", "version": "v1", "kind": "Event"}
        assert request["requestKind"] == {"group": "", "version": "v1", "kind": "Event"}
        assert (request["object"]["note"], request["object"]["apiVersion"]) == ("hi", "events.k8s.io/v1")


@pytest.mark.parametrize(
    ("expression", "policy", "asked", "status"),
    [
        pytest.param("object.data.a == 'b'", "Fail", True, 201, id="true"),
        pytest.param("request.userInfo.username != 'admin'", "Fail", False, 201, id="false"),
        pytest.param("object.data.missing == 'b'", "Fail", False, 403, id="fails"),
        pytest.param("object.data.missing == 'b'", "Ignore", False, 201, id="fails and is ignored"),
        pytest.param(
            "authorizer.group('').resource('pods').namespace('default').check('delete').allowed()",
            "Fail",
            True,
            201,
            id="asks who may what",
        ),
    ],
)
async def test_conditions_have_the_last_word(both: Any, expression: str, policy: str, asked: bool, status: int) -> None:
    conditions = [{"name": "c", "expression": expression}]
    await both.configure("validating", both.outside.hook(matchConditions=conditions, failurePolicy=policy))
    code, body = await both.make()
    assert (code, bool(both.outside.asked)) == (status, asked)
    if status == 403:
        assert body["message"].startswith('configmaps "m" is forbidden: ')
        assert "no such key: missing" in body["message"]


async def test_conditions_hold_for_what_earlier_hooks_made(both: Any) -> None:
    both.outside.answers["/1"] = lambda _: both.patch({"op": "add", "path": "/data/new", "value": "x"})
    conditions = [{"name": "c", "expression": "'new' in object.data"}]
    await both.configure("mutating", both.outside.hook("/1"), both.outside.hook("/2", matchConditions=conditions))
    await both.make()
    assert both.outside.paths() == ["/1", "/2"]


async def test_calls_are_counted(both: Any) -> None:
    both.outside.answers["/ask"] = lambda _: {"allowed": False}
    await both.configure("validating", both.outside.hook())
    await both.make()
    request = await both.assembly.api.handle(_metrics())
    text = request.body.decode()
    labels = 'name="ask.example.com",operation="CREATE",'
    assert 'apiserver_admission_webhook_rejection_count{error_type="no_error",' + labels in text
    assert 'apiserver_admission_webhook_request_total{code="400",' + labels in text
    assert "apiserver_admission_webhook_admission_duration_seconds_bucket{" in text


def _metrics() -> Any:
    return http.Request("GET", "/metrics", "/metrics", identity=contract.SYSTEM)
