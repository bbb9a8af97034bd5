"""Validation of webhook configurations, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api.admissionregistration import mutatingwebhookconfiguration as mutating
from kijabi.api.admissionregistration import validatingwebhookconfiguration as validating


def hook(**more: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    rule.update(more.pop("rule", {}))
    return {
        "name": "a.example.com",
        "clientConfig": {"url": "https://host/path"},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }


def configuration(*hooks: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "c", "generation": 1}, "webhooks": list(hooks)}


def service(**more: Any) -> dict[str, Any]:
    return {"clientConfig": {"service": {"name": "s", "namespace": "n", "port": 443, **more}}}


FORM = "; desired format: https://host[/path]"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        pytest.param({}, "", id="sound"),
        pytest.param({"name": ""}, "name: Required value", id="no name"),
        pytest.param(
            {"name": "a.b"},
            'name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
            id="a short name",
        ),
        pytest.param(
            {"admissionReviewVersions": []},
            "admissionReviewVersions: Required value: must specify one of v1, v1beta1",
            id="no versions",
        ),
        pytest.param(
            {"admissionReviewVersions": ["v3"]},
            'admissionReviewVersions: Invalid value: ["v3"]: must include at least one of v1, v1beta1',
            id="unknown versions",
        ),
        pytest.param(
            {"admissionReviewVersions": ["v1", "v1"]},
            'admissionReviewVersions[1]: Invalid value: "v1": duplicate version',
            id="a version twice",
        ),
        pytest.param(
            {"sideEffects": None},
            "sideEffects: Required value: must specify one of None, NoneOnDryRun",
            id="no word on side effects",
        ),
        pytest.param(
            {"sideEffects": "Some"},
            'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
            id="side effects",
        ),
        pytest.param(
            {"timeoutSeconds": 31},
            "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
            id="too patient",
        ),
        pytest.param({"failurePolicy": "x"}, "failurePolicy: Unsupported value", id="failure policy"),
        pytest.param({"matchPolicy": "x"}, "matchPolicy: Unsupported value", id="match policy"),
        pytest.param({"reinvocationPolicy": "x"}, "reinvocationPolicy: Unsupported value", id="reinvocation"),
        pytest.param(
            {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "x"}]}},
            "objectSelector.matchExpressions[0].operator: Invalid value",
            id="selector",
        ),
        pytest.param(
            {"rule": {"operations": ["*", "CREATE"]}},
            'rules[0].operations: Invalid value: ["*","CREATE"]: '
            "if '*' is present, must not specify other operations",
            id="a wildcard and more operations",
        ),
        pytest.param({"rule": {"operations": ["READ"]}}, "rules[0].operations[0]: Unsupported value", id="operation"),
        pytest.param({"rule": {"apiVersions": [""]}}, "rules[0].apiVersions[0]: Required value", id="empty version"),
        pytest.param(
            {"rule": {"apiGroups": ["*", "a"]}},
            'rules[0].apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other API groups',
            id="a wildcard and more groups",
        ),
        pytest.param(
            {"rule": {"resources": ["*", "pods"]}},
            'rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources '
            "without subresources",
            id="a wildcard and a resource",
        ),
        pytest.param(
            {"rule": {"resources": ["pods/*", "pods/exec"]}},
            "rules[0].resources[1]: Invalid value: \"pods/exec\": if 'pods/*' is present, must not specify pods/exec",
            id="all subresources and one",
        ),
        pytest.param(
            {"rule": {"resources": ["*/exec", "pods/exec"]}},
            "rules[0].resources[1]: Invalid value: \"pods/exec\": if '*/exec' is present, must not specify pods/exec",
            id="a subresource of all and of one",
        ),
        pytest.param({"rule": {"scope": "x"}}, "rules[0].scope: Unsupported value", id="scope"),
        pytest.param(
            {"clientConfig": {}}, "clientConfig: Required value: exactly one of url or service is required", id="nobody"
        ),
        pytest.param(
            {"clientConfig": {"url": "http://h"}},
            f"clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme{FORM}",
            id="no TLS",
        ),
        pytest.param(
            {"clientConfig": {"url": "https://u:p@h"}},
            'clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL',
            id="a user",
        ),
        pytest.param(
            {"clientConfig": {"url": "https://h?a=b"}},
            'clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL',
            id="a query",
        ),
        pytest.param(
            {"clientConfig": {"url": "https:///x"}},
            f'clientConfig.url: Invalid value: "": host must be specified{FORM}',
            id="no host",
        ),
        pytest.param(
            service(port=70000),
            "clientConfig.service.port: Invalid value: 70000: "
            "port is not valid: must be between 1 and 65535, inclusive",
            id="port",
        ),
        pytest.param(
            service(path="/a//b"),
            'clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
            id="empty segment",
        ),
        pytest.param(service(path="/a/b/"), "", id="a slash at the end"),
        pytest.param(
            {"matchConditions": [{"name": "a", "expression": "1"}]},
            'matchConditions[0].expression: Invalid value: "1": must evaluate to bool',
            id="a condition that is none",
        ),
        pytest.param(
            {"matchConditions": [{"name": "a", "expression": ""}]},
            "matchConditions[0].expression: Required value",
            id="an empty condition",
        ),
    ],
)
def test_one_thing_wrong_is_one_error(more: dict[str, Any], problem: str) -> None:
    found = [str(error) for error in mutating.validate_create(configuration(hook(**more)))]
    if problem:
        assert len(found) == 1
        assert found[0].startswith(f"webhooks[0].{problem}")
    else:
        assert not found


def test_names_are_unique() -> None:
    [error] = validating.validate_create(configuration(hook(), hook()))
    assert str(error) == 'webhooks[1].name: Duplicate value: "a.example.com"'


@pytest.mark.parametrize(
    "flaw",
    [
        pytest.param([hook(sideEffects="Some")], id="side effects"),
        pytest.param([hook(admissionReviewVersions=["v9"])], id="versions"),
        pytest.param([hook(), hook()], id="names"),
    ],
)
def test_what_was_stored_may_stay_but_not_come_new(flaw: list[dict[str, Any]]) -> None:
    old = configuration(*flaw)
    assert not validating.validate_update(configuration(*flaw), old)
    assert validating.validate_update(configuration(*flaw), configuration(hook()))


def test_defaults() -> None:
    obj = configuration({"name": "a.b.c", "clientConfig": {"service": {"name": "s"}}, "rules": [{}]})
    mutating.default(obj)
    [made] = obj["webhooks"]
    assert made.pop("clientConfig") == {"service": {"name": "s", "port": 443}}
    assert made == {
        "name": "a.b.c",
        "rules": [{"scope": "*"}],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "timeoutSeconds": 10,
        "reinvocationPolicy": "Never",
    }


def test_generation_counts_changes_of_webhooks() -> None:
    old, new = configuration(hook()), configuration(hook(timeoutSeconds=3))
    mutating.prepare_update(new, old)
    assert new["metadata"]["generation"] == 2
