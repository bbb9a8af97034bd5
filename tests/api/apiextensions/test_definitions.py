"""What is wrong with definitions, in upstream's words and paths."""

import copy
from typing import Any

import pytest

from kijabi.api.apiextensions import customresourcedefinition as definitions

Object = dict[str, Any]
SCHEMA: Object = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}


def crd(**spec: Any) -> Object:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": copy.deepcopy(SCHEMA)}}
    made: Object = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [version],
            **spec,
        },
    }
    definitions.default(made)
    definitions.prepare_create(made)
    return made


def version(**more: Any) -> Object:
    return {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": copy.deepcopy(SCHEMA)}, **more}


def schema(**below: Any) -> list[Object]:
    return [version(schema={"openAPIV3Schema": {"type": "object", **below}})]


def test_defaults() -> None:
    made = crd()
    assert made["spec"]["names"] == {
        "plural": "widgets",
        "kind": "Widget",
        "singular": "widget",
        "listKind": "WidgetList",
    }
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert definitions.validate_create(made) == []


WRONG = [
    ("no-dot", {"group": "example"}, "spec.group: Invalid value: \"example\": should be a domain with"),
    ("scope", {"scope": "Global"}, 'spec.scope: Unsupported value: "Global": supported values'),
    ("two-storages", {"versions": [version(), version(name="v2")]},
     "must have exactly one version marked as storage version"),
    ("same-names", {"versions": [version(), version(storage=False)]}, "must contain unique version names"),
    ("no-schema", {"versions": [{"name": "v1", "served": True, "storage": True}]},
     "spec.versions[0].schema.openAPIV3Schema: Required value"),
    ("untyped", {"versions": schema(properties={"a": {}})},
     "spec.validation.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object "
     "fields"),
    ("one-version-of-two", {"versions": [version(), *[{**one, "name": "v2", "storage": False} for one in schema(
        properties={"a": {}})]]}, "spec.versions[1].schema.openAPIV3Schema.properties[a].type: Required value"),
    ("unpruned-default", {"versions": schema(properties={"a": {"type": "object", "default": {"b": 1}}})},
     'spec.validation.openAPIV3Schema.properties[a].default: Invalid value: {"b":1}: must not have unknown fields'),
    ("invalid-default", {"versions": schema(properties={"a": {"type": "string", "default": 1}})},
     'spec.validation.openAPIV3Schema.properties[a].default: Invalid value: "integer"'),
    ("unique-items", {"versions": schema(properties={"a": {"type": "array", "uniqueItems": True,
                                                             "items": {"type": "string"}}})},
     "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
    ("map-key-optional", {"versions": schema(properties={"a": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": {"type": "string"}}}}})},
     "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"),
    ("pattern", {"versions": schema(properties={"a": {"type": "string", "pattern": "(?=a)"}})},
     "must be a valid regular expression, but isn't: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"),
    ("column-path", {"versions": [version(additionalPrinterColumns=[
        {"name": "A", "type": "string", "jsonPath": "spec.a"}])]},
     'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.a": must be a simple json path'),
    ("selectable", {"versions": [version(selectableFields=[{"jsonPath": ".spec.b"}])]},
     'spec.selectableFields[0].jsonPath: Invalid value: ".spec.b": is an invalid path'),
    ("scale", {"versions": [version(subresources={"scale": {"specReplicasPath": ".a.b",
                                                             "statusReplicasPath": ".status.r"}})]},
     "spec.subresources.scale.specReplicasPath: Invalid value: \".a.b\": should be a json path under .spec"),
    ("webhook", {"conversion": {"strategy": "Webhook"}},
     "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"),
    ("rule", {"versions": schema(**{"x-kubernetes-validations": [{"rule": "self.nothing > 1"}]})},
     "spec.validation.openAPIV3Schema.x-kubernetes-validations[0].rule: Invalid value"),
    ("deprecation", {"versions": [version(deprecationWarning="x")]}, "can only be set for deprecated versions"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "text"), [pytest.param(spec, text, id=name) for name, spec, text in WRONG])
def test_what_is_refused(spec: Object, text: str) -> None:
    found = [str(error) for error in definitions.validate_create(crd(**spec))]
    assert any(text in one for one in found), found


def test_protected_groups_need_an_approval() -> None:
    made = crd(group="x.k8s.io")
    made["metadata"]["name"] = "widgets.x.k8s.io"
    [error] = definitions.validate_create(made)
    assert str(error).startswith("metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups")
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, experimental"}
    assert definitions.validate_create(made) == []


def test_an_update_keeps_names_and_stored_versions() -> None:
    old = crd()
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    new = copy.deepcopy(old)
    new["spec"]["names"]["kind"] = "Gadget"
    new["spec"]["versions"][0]["name"] = "v2"
    definitions.prepare_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]
    texts = [str(error) for error in definitions.validate_update(new, old)]
    assert 'spec.names.kind: Invalid value: "Gadget": field is immutable' in texts
    assert any(
        text.startswith('status.storedVersions[0]: Invalid value: "v1": missing from spec.versions') for text in texts
    )


def test_what_keeps_unknown_fields_may_stay_without_a_structural_schema() -> None:
    old = crd(versions=schema(properties={"a": {}}), preserveUnknownFields=True)
    new = copy.deepcopy(old)
    new["spec"]["names"]["shortNames"] = ["w"]
    texts = [str(error) for error in definitions.validate_update(new, old)]
    assert not any("must not be empty" in text for text in texts)
    new["spec"]["preserveUnknownFields"] = False
    texts = [str(error) for error in definitions.validate_update(new, old)]
    assert any("must not be empty for specified object fields" in text for text in texts)
