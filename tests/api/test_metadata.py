"""ObjectMeta: names, labels, annotations, owners, finalizers, and what an update may change."""

import random
from typing import Any

import pytest

from kijabi.api import metadata, names

GOOD: dict[str, Any] = {"name": "web", "namespace": "default"}
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "1", "controller": True}

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("no name", {"name": ""}, "metadata.name: Required value: name or generateName is required"),
    ("capitals", {"name": "Web"}, 'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain'),
    ("no namespace", {"namespace": ""}, "metadata.namespace: Required value"),
    ("label key", {"labels": {"a b": "c"}}, 'metadata.labels: Invalid value: "a b": name part must consist of'),
    ("label value", {"labels": {"a": "-"}}, 'metadata.labels: Invalid value: "-": a valid label must be'),
    ("long value", {"labels": {"a": "x" * 64}}, "must be no more than 63 bytes"),
    (
        "large annotations",
        {"annotations": {"a": "x" * (256 * 1024)}},
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    ),
    (
        "owner without uid",
        {"ownerReferences": [{**OWNER, "uid": ""}]},
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ),
    (
        "two controllers",
        {"ownerReferences": [OWNER, {**OWNER, "name": "b"}]},
        'Only one reference can have Controller set to true. Found "true" in references for ReplicaSet/a and '
        "ReplicaSet/b",
    ),
    ("finalizer", {"finalizers": ["a b"]}, 'metadata.finalizers: Invalid value: "a b": name part'),
    (
        "both finalizers",
        {"finalizers": ["orphan", "foregroundDeletion"]},
        "finalizer orphan and foregroundDeletion cannot be both set",
    ),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_bad_metadata_is_refused(change: dict[str, Any], message: str) -> None:
    found = metadata.validate({**GOOD, **change}, True, metadata.subdomain)
    assert any(message in str(problem) for problem in found)


def test_good_metadata_passes() -> None:
    meta = {**GOOD, "labels": {"app.kubernetes.io/name": "x"}, "annotations": {"A.example/B": ""}}
    assert metadata.validate(meta, True, metadata.subdomain) == []


def test_cluster_scoped_kinds_have_no_namespace() -> None:
    (problem,) = metadata.validate(GOOD, False, metadata.subdomain)
    assert str(problem) == "metadata.namespace: Forbidden: not allowed on this type"


def test_generated_names_keep_58_characters_of_the_base() -> None:
    name = metadata.generate_name("x" * 70, random.Random(1))
    assert len(name) == 63
    assert set(name[58:]) <= set("bcdfghjklmnpqrstvwxz2456789")


OLD = {**GOOD, "uid": "1", "resourceVersion": "5", "creationTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("key", ["name", "uid", "creationTimestamp"])
def test_what_the_server_said_is_immutable(key: str) -> None:
    (problem,) = metadata.validate_update({**OLD, key: "other"}, OLD)
    assert str(problem) == f'metadata.{key}: Invalid value: "other": field is immutable'


def test_no_finalizer_is_added_to_what_is_being_deleted() -> None:
    old = {**OLD, "deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["a/b"]}
    (problem,) = metadata.validate_update({**old, "finalizers": ["a/b", "c/d"]}, old)
    assert 'found new finalizers []string{"c/d"}' in str(problem)
    assert metadata.validate_update({**old, "finalizers": []}, old) == []


@pytest.mark.parametrize(
    ("name", "fine"), [("http", True), ("a" * 16, False), ("80", False), ("-a", False), ("a--b", False), ("A", False)]
)
def test_port_names(name: str, fine: bool) -> None:
    assert (names.port_name(name) == []) is fine


@pytest.mark.parametrize(
    ("name", "fine"), [("A_B", True), ("1A", True), ("a b", True), ("a=b", False), ("", False), ("ä", False)]
)
def test_environment_names_follow_the_relaxed_rule(name: str, fine: bool) -> None:
    assert (names.env_name(name) == []) is fine


@pytest.mark.parametrize("name", [".", "..", "..a", "a/b", "a b", ""])
def test_bad_config_keys(name: str) -> None:
    assert names.config_key(name)
