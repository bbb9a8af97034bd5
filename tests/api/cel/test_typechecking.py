"""Types of a policy's objects: what a schema says of expressions that compile without one."""

from __future__ import annotations

from kijabi.api.cel import typechecking

DOCUMENT = {
    "Thing": {
        "type": "object",
        "properties": {
            "spec": {"allOf": [{"$ref": "#/components/schemas/Spec"}], "default": {}},
            "self": {"$ref": "#/components/schemas/Thing"},
        },
    },
    "Spec": {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "format": "int32"},
            "port": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        },
    },
}


def test_a_misspelt_field_is_told_with_the_kind() -> None:
    schema = typechecking.resolved(DOCUMENT, "Thing")
    validations = [
        {"expression": "object.spec.count > 1 && object.spec.port == 'x'"},
        {"expression": "object.spec.cuont > 1", "messageExpression": "string(variables.double)"},
        {"expression": "object.self.anything.at.all"},
    ]
    policy = {
        "spec": {
            "variables": [{"name": "double", "expression": "object.spec.count * 2"}],
            "validations": validations,
        }
    }
    assert typechecking.check(policy, {("x.io", "v1", "Thing"): schema}, None) == [
        {
            "fieldRef": "spec.validations[1].expression",
            "warning": "x.io/v1, Kind=Thing: ERROR: <input>:1:12: undefined field 'cuont'\n"
            " | object.spec.cuont > 1\n | ...........^\n",
        }
    ]


def test_only_resources_named_without_wildcards_are_checked() -> None:
    rules = [
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments", "pods/status", "*"]},
        {"apiGroups": ["*"], "apiVersions": ["v1"], "resources": ["pods"]},
    ]
    assert typechecking.named(rules) == [("apps", "v1", "deployments")]
