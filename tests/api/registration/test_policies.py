"""What admission policies and their bindings may say."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kijabi.api.admissionregistration import mutatingadmissionpolicy as mutating
from kijabi.api.admissionregistration import validatingadmissionpolicy as validating
from kijabi.api.admissionregistration import validatingadmissionpolicybinding as binding

RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
POLICY = {
    "metadata": {"name": "p"},
    "spec": {
        "matchConstraints": {"resourceRules": [RULE]},
        "validations": [{"expression": "object.spec.replicas > 1"}],
    },
}
MUTATION = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/x'}]"}}


def problems(module: Any, obj: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    made = copy.deepcopy(obj)
    made["spec"].update(spec)
    module.default(made)
    return [str(problem) for problem in module.validate_create(made)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        (
            {"validations": [{"expression": "object.x +"}]},
            [
                'spec.validations[0].expression: Invalid value: "object.x +": compilation failed: ERROR: <input>:1:11: '
                "Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', "
                "'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.x +\n | ..........^"
            ],
        ),
        (
            {"validations": [{"expression": "object.x"}]},
            ['spec.validations[0].expression: Invalid value: "object.x": must evaluate to bool but got dyn'],
        ),
        (
            {"validations": [{"expression": "true", "reason": "Nope", "message": "a\nb"}]},
            [
                'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
                'spec.validations[0].reason: Unsupported value: "Nope": supported values: "Forbidden", "Invalid", '
                '"RequestEntityTooLarge"',
            ],
        ),
        (
            {"validations": []},
            [
                f"spec.{key}: Required value: validations or auditAnnotations must contain at least one item"
                for key in ("validations", "auditAnnotations")
            ],
        ),
        (
            {"variables": [{"name": "for", "expression": "1"}, {"name": "ok", "expression": "variables.later"}]},
            [
                'spec.variables[0].name: Invalid value: "for": must be a valid CEL identifier',
                'spec.variables[1].expression: Invalid value: "variables.later": compilation failed: ERROR: '
                "<input>:1:10: undefined field 'later'\n | variables.later\n | .........^",
            ],
        ),
        (
            {"auditAnnotations": [{"key": "a", "valueExpression": "1"}]},
            [
                'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of '
                "[string null_type] but got int"
            ],
        ),
        (
            {"paramKind": {"apiVersion": "v1"}, "validations": [{"expression": "params.x == 1"}]},
            ["spec.paramKind.kind: Required value"],
        ),
        (
            {"validations": [{"expression": "params == null"}]},
            [
                'spec.validations[0].expression: Invalid value: "params == null": compilation failed: ERROR: '
                "<input>:1:1: undeclared reference to 'params' (in container '')\n | params == null\n | ^"
            ],
        ),
    ],
)  # fmt: skip
def test_a_validating_policy(spec: dict[str, Any], expected: list[str]) -> None:
    assert problems(validating, POLICY, spec) == expected


@pytest.mark.parametrize(
    ("mutation", "expected"),
    [
        (MUTATION, []),
        ({}, ["spec.mutations[0].patchType: Required value"]),
        (
            {"patchType": "ApplyConfiguration", "jsonPatch": MUTATION["jsonPatch"]},
            [
                "spec.mutations[0].applyConfiguration: Required value: must be specified when patchType is "
                "ApplyConfiguration",
                'spec.mutations[0].jsonPatch: Invalid value: "{jsonPatch}": must not be specified when patchType is '
                "ApplyConfiguration",
            ],
        ),
        (
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "{'a': 1}"}},
            [
                "spec.mutations[0].applyConfiguration.expression: Invalid value: \"{'a': 1}\": must evaluate to Object "
                "but got map(string, int)"
            ],
        ),
    ],
)  # fmt: skip
def test_a_mutating_policy(mutation: dict[str, Any], expected: list[str]) -> None:
    base = copy.deepcopy(POLICY)
    del base["spec"]["validations"]
    assert problems(mutating, base, {"mutations": [mutation], "reinvocationPolicy": "Never"}) == expected


def test_a_mutating_policy_is_about_creating_and_updating_only() -> None:
    rule = {**RULE, "operations": ["DELETE"]}
    spec = {"mutations": [MUTATION], "reinvocationPolicy": "Never", "matchConstraints": {"resourceRules": [rule]}}
    base = copy.deepcopy(POLICY)
    assert problems(mutating, base, spec) == [
        'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "CREATE", '
        '"UPDATE"'
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"validationActions": []},
         ["spec.validationActions: Required value: at least one validation action is required"]),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}},
         ["spec.paramRef: Required value: one of name or selector must be specified"]),
        ({"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}},
         ["spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
          "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive"]),
        ({"paramRef": {"name": "a"}}, ["spec.paramRef.parameterNotFoundAction: Required value"]),
        ({"policyName": "A_"}, 1),
    ],
)  # fmt: skip
def test_a_binding(spec: dict[str, Any], expected: Any) -> None:
    base = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
    found = problems(binding, base, spec)
    assert found == expected if isinstance(expected, list) else len(found) == expected
