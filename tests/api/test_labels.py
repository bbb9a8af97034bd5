"""Label selectors as text and as specs, and field selectors."""

from typing import Any

import pytest

from kijabi.api import labels, selectors

CASES = [
    ("", {"a": "b"}, True),
    ("a=b", {"a": "b"}, True),
    ("a==b", {"a": "c"}, False),
    ("a!=b", {}, True),
    ("a in (b,c)", {"a": "c"}, True),
    ("a notin (b,c)", {"a": "c"}, False),
    ("a notin (b,c)", {}, True),
    ("a", {"a": ""}, True),
    ("!a", {"a": ""}, False),
    ("a>5", {"a": "6"}, True),
    ("a>5", {"a": "x"}, False),
    ("a<5", {"a": "4"}, True),
    ("a=", {"a": ""}, True),
    ("a in ()", {"a": ""}, True),
    ("x in (foo,,baz),y,z notin ()", {"x": "", "y": "1", "z": "2"}, True),
    ("in in (in)", {"in": "in"}, True),
]


@pytest.mark.parametrize(("text", "having", "expected"), CASES, ids=[f"{t}|{h}" for t, h, _ in CASES])
def test_selector_text_matches(text: str, having: dict[str, str], expected: bool) -> None:
    assert labels.parse(text).matches(having) is expected


ERRORS = [
    ("=x", "found '=', expected: !, identifier, or 'end of string'"),
    ("a,", "found '', expected: identifier after ','"),
    ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("a in", "unable to parse requirement: found '' expected: '('"),
    ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("a=b c", "found 'c', expected: ',' or 'end of string'"),
    ("a>b", "values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS, ids=[text for text, _ in ERRORS])
def test_bad_selectors_are_explained_as_upstream_does(text: str, message: str) -> None:
    with pytest.raises(labels.Malformed) as error:
        labels.parse(text)
    assert message in str(error.value)


def test_text_is_sorted_by_key() -> None:
    assert str(labels.parse("z=1,a in (y,x),!m")) == "a in (x,y),!m,z=1"


SPECS: list[tuple[Any, dict[str, str], bool]] = [
    (None, {}, False),
    ({}, {}, True),
    ({"matchLabels": {"a": "b"}}, {"a": "b"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": "b"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["c"]}]}, {"a": "b"}, True),
]


@pytest.mark.parametrize(("spec", "having", "expected"), SPECS, ids=[str(spec) for spec, _, _ in SPECS])
def test_label_selectors_of_specs_match(spec: Any, having: dict[str, str], expected: bool) -> None:
    assert labels.from_label_selector(spec).matches(having) is expected


def test_unknown_operators_are_refused() -> None:
    with pytest.raises(labels.Malformed, match='"Near" is not a valid label selector operator'):
        labels.from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


FIELDS = [
    ("metadata.name=a", {"metadata.name": "a"}, True),
    ("metadata.name!=a", {"metadata.name": "a"}, False),
    ("a==b,c=d", {"a": "b", "c": "d"}, True),
    (r"a=b\,c", {"a": "b,c"}, True),
    ("spec.nodeName=", {}, True),
    ("", {}, True),
]


@pytest.mark.parametrize(("text", "having", "expected"), FIELDS, ids=[text for text, _, _ in FIELDS])
def test_field_selectors_match(text: str, having: dict[str, str], expected: bool) -> None:
    assert selectors.parse_fields(text).matches(having) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: ="),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
    ],
)
def test_bad_field_selectors_are_explained(text: str, message: str) -> None:
    with pytest.raises(selectors.Malformed) as error:
        selectors.parse_fields(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("offered", "kind", "message"),
    [
        ((), "ConfigMap", '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        (("status.phase",), "Pod", "field label not supported: x"),
        (("status.successful",), "Job", 'field label "x" not supported for Job'),
        (("x",), "Pod", None),
    ],
)
def test_unsupported_fields_are_named(offered: tuple[str, ...], kind: str, message: str | None) -> None:
    assert selectors.unsupported(selectors.parse_fields("x=1"), offered, kind) == message


def test_exact_gives_the_one_value() -> None:
    assert selectors.parse_fields("metadata.name=a,b!=c").exact("metadata.name") == "a"
    assert selectors.parse_fields("metadata.name!=a").exact("metadata.name") is None
