"""Validating policies: whom they are about, what they answer, and where their parameters come from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

PREFIX = "ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: "


async def test_a_policy_refuses_in_upstreams_words(server: Any) -> None:
    await server.bind("validating", {"validations": [{"expression": "object.data.a == 'x'"}]})
    status, body, _ = await server.config_map()
    message = f"{PREFIX}failed expression: object.data.a == 'x'"
    assert (status, body["reason"]) == (422, "Invalid")
    assert body["message"] == f'configmaps "m" is forbidden: {message}'
    assert body["details"] == {"name": "m", "kind": "configmaps", "causes": [{"message": message}]}
    assert (await server.config_map(data={"a": "x"}))[0] == 201


@pytest.mark.parametrize(
    ("validation", "status", "text"),
    [
        ({"message": "use x"}, 422, "use x"),
        ({"messageExpression": "'not ' + object.data.a"}, 422, "not b"),
        ({"messageExpression": "object.none", "message": "plain"}, None, ""),
        ({"reason": "Forbidden"}, 403, "failed expression: object.data.a == 'x'"),
        ({"reason": "RequestEntityTooLarge"}, 413, "failed expression: object.data.a == 'x'"),
        (
            {"expression": "object.data.none == 'x'"},
            422,
            "expression 'object.data.none == 'x'' resulted in error: no such key: none",
        ),
    ],
)
async def test_message_and_reason(server: Any, validation: dict[str, str], status: int | None, text: str) -> None:
    spec = {"validations": [{"expression": "object.data.a == 'x'", **validation}]}
    if status is None:
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
        body = {"metadata": {"name": "p"}, "spec": {**spec, "matchConstraints": {"resourceRules": [rule]}}}
        path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
        code, answer, _ = await server.send("POST", path, body)
        assert (code, "must evaluate to string but got dyn" in answer["message"]) == (422, True)
        return
    await server.bind("validating", spec)
    code, answer, _ = await server.config_map()
    assert (code, answer["message"]) == (status, f'configmaps "m" is forbidden: {PREFIX}{text}')


async def test_a_failure_may_be_ignored(server: Any) -> None:
    await server.bind("validating", {"failurePolicy": "Ignore", "validations": [{"expression": "object.none == 1"}]})
    assert (await server.config_map())[0] == 201


async def test_warn_and_audit_let_the_request_pass(server: Any) -> None:
    spec = {"validations": [{"expression": "false", "message": "no"}]}
    await server.bind("validating", spec, validationActions=["Warn", "Audit"])
    status, _, warnings = await server.config_map()
    told = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-b': no"
    assert (status, warnings) == (201, [f'299 - "{told}"'])


async def test_variables_conditions_and_the_request(server: Any) -> None:
    spec = {
        "variables": [
            {"name": "size", "expression": "size(object.data)"},
            {"name": "double", "expression": "variables.size * 2"},
        ],
        "matchConditions": [{"name": "other", "expression": "request.name != 'free'"}],
        "validations": [
            {
                "expression": "variables.double > 2 && request.operation == 'CREATE' && "
                "namespaceObject.metadata.name == 'default' && "
                "authorizer.requestResource.check('create').allowed() && request.userInfo.username == 'admin'",
                "messageExpression": "'size ' + string(variables.size)",
            }
        ],
    }
    await server.bind("validating", spec)
    status, body, _ = await server.config_map()
    assert (status, body["message"].endswith("denied request: size 1")) == (422, True)
    assert (await server.config_map(data={"a": "1", "b": "2"}))[0] == 201
    assert (await server.config_map("free"))[0] == 201


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}, "failed expression"),
        ({"selector": {"matchLabels": {"is": "limit"}}, "parameterNotFoundAction": "Deny"}, "failed expression"),
        (
            {"name": "gone", "parameterNotFoundAction": "Deny"},
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
        ),
        ({"name": "gone", "parameterNotFoundAction": "Allow"}, None),
    ],
)
async def test_parameters(server: Any, reference: dict[str, Any], text: str | None) -> None:
    await server.config_map("limits", {"max": "3"}, labels={"is": "limit"})
    spec = {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "int(object.data.n) <= int(params.data.max)"}],
    }
    await server.bind("validating", spec, paramRef=reference)
    status, body, _ = await server.config_map(data={"n": "5"})
    if text is None:
        assert status == 201
    else:
        assert (status, body["message"].startswith(f'configmaps "m" is forbidden: {PREFIX}{text}')) == (422, True)
        assert (await server.config_map(data={"n": "2"}))[0] == (422 if "gone" in str(reference) else 201)


async def test_custom_parameters_and_rules_of_a_definition(server: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"max": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}},
    }
    names = {"plural": "limits", "singular": "limit", "kind": "Limit", "listKind": "LimitList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    crd = {"metadata": {"name": "limits.x.io"}}
    crd["spec"] = {"group": "x.io", "names": names, "scope": "Cluster", "versions": [version]}
    await server.made("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    while (await server.raw("GET", "/apis/x.io/v1"))[0] != 200:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    limit = {"apiVersion": "x.io/v1", "kind": "Limit", "metadata": {"name": "l"}, "max": 0}
    status, body, _ = await server.send("POST", "/apis/x.io/v1/limits", limit)
    assert (status, body["message"]) == (
        422,
        'Limit.x.io "l" is invalid: max: Invalid value: 0: failed rule: self > 0',
    )
    await server.made("/apis/x.io/v1/limits", {**limit, "max": 3})
    spec = {
        "paramKind": {"apiVersion": "x.io/v1", "kind": "Limit"},
        "validations": [{"expression": "int(object.data.n) <= params.max"}],
    }
    await server.bind("validating", spec, paramRef={"name": "l", "parameterNotFoundAction": "Deny"})
    assert (await server.config_map(data={"n": "5"}))[0] == 422
    assert (await server.config_map(data={"n": "3"}))[0] == 201


async def test_another_version_is_seen_as_the_rule_wishes(server: Any) -> None:
    rule = {"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["*"], "operations": ["CREATE"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "object.apiVersion == 'autoscaling/v1' && request.requestKind.version == 'v1'"}],
    }
    await server.bind("validating", spec)
    scaler = {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}},
    }
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    status, body, _ = await server.send("POST", path, scaler)
    assert (status, "failed expression" in body["message"]) == (422, True)


async def test_policies_do_not_rule_over_policies_and_end_with_their_binding(server: Any) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
    spec = {"matchConstraints": {"resourceRules": [everything]}, "validations": [{"expression": "false"}]}
    await server.bind("validating", spec)
    assert (await server.config_map())[0] == 422
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    await server.made("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/p-b"
    assert (await server.send("DELETE", path))[0] == 200
    assert (await server.config_map())[0] == 201


@pytest.mark.parametrize(
    ("match", "status"),
    [
        ({"objectSelector": {"matchLabels": {"env": "test"}}}, 201),
        ({"objectSelector": {"matchLabels": {"env": "prod"}}}, 422),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, 422),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, 201),
        (
            {
                "excludeResourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"],
                     "resourceNames": ["m"]}
                ]
            },
            201,
        ),
    ],
)  # fmt: skip
async def test_a_binding_narrows(server: Any, match: dict[str, Any], status: int) -> None:
    await server.bind("validating", {"validations": [{"expression": "false"}]}, matchResources=match)
    assert (await server.config_map(labels={"env": "prod"}))[0] == status
