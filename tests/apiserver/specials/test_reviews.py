"""What questions about access must say."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.apiserver.specials import reviews

ASKED = {"verb": "get", "resource": "pods", "namespace": "a"}
SELECTOR = "spec.resourceAttributes.labelSelector"
FIELDS = "spec.resourceAttributes.fieldSelector"


def requirement(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"requirements": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        ({"labelSelector": requirement("a", "In", "b")}, []),
        ({"labelSelector": requirement("a", "Near", "b")}, []),
        (
            {"labelSelector": {}},
            [
                f"{SELECTOR}.requirements: Required value: when {SELECTOR} is specified, requirements or rawSelector "
                "is required"
            ],
        ),
        (
            {"labelSelector": {"rawSelector": "a=b", **requirement("a", "Exists")}},
            [f'{SELECTOR}.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements'],
        ),
        (
            {"labelSelector": requirement("a", "Exists", "b")},
            [
                f"{SELECTOR}.requirements[0].values: Forbidden: may not be specified when `operator` is 'Exists' or "
                "'DoesNotExist'"
            ],
        ),
        (
            {"fieldSelector": requirement("", "Exists")},
            [f"{FIELDS}.requirements[0].key: Required value: must be specified"],
        ),
        (
            {"fieldSelector": requirement("a", "NotIn")},
            [f"{FIELDS}.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"],
        ),
    ],
)
def test_selectors(more: dict[str, Any], expected: list[str]) -> None:
    review = {"spec": {"user": "u", "resourceAttributes": {**ASKED, **more}}}
    assert [str(error) for error in reviews.problems(review, about_others=True)] == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"user": "u", "resourceAttributes": ASKED}, []),
        (
            {"user": "u", "resourceAttributes": {**ASKED, "namespace": "b"}},
            ['spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace'],
        ),
        (
            {"user": "u", "nonResourceAttributes": {"path": "/x"}},
            ['spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":""}: disallowed on this kind of request'],
        ),
        (
            {"resourceAttributes": ASKED},
            ['spec.user: Invalid value: "": at least one of user or group must be specified'],
        ),
    ],
)
def test_questions_about_one_namespace(spec: dict[str, Any], expected: list[str]) -> None:
    review = {"metadata": {"namespace": "a"}, "spec": spec}
    assert [str(error) for error in reviews.problems(review, about_others=True, local=True)] == expected


def test_metadata_is_empty() -> None:
    review = {"metadata": {"name": "x"}, "spec": {"resourceAttributes": ASKED}}
    [found] = reviews.problems(review, about_others=False)
    assert str(found) == 'metadata: Invalid value: {"name":"x"}: must be empty'
