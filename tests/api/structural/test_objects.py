"""What schemas do with objects: pruning, nulls, defaults, values, lists."""

from typing import Any

import pytest

from kijabi.api.structural import defaulting, formats, lists, patterns, pruning, schema, structure, values

STRING: dict[str, Any] = {"type": "string"}


def properties(**known: Any) -> dict[str, Any]:
    return {"type": "object", "properties": known}


@pytest.mark.parametrize(
    ("raw", "obj", "kept", "unknown"),
    [
        (properties(a=STRING), {"a": "x", "b": 1}, {"a": "x"}, ["b"]),
        (properties(a=properties(b=STRING)), {"a": {"c": [1]}}, {"a": {}}, ["a.c"]),
        (properties(a={"type": "array", "items": properties()}), {"a": [{"b": 1}]}, {"a": [{}]}, ["a[0].b"]),
        ({"type": "object", "additionalProperties": properties()}, {"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        ({**properties(a=properties()), "x-kubernetes-preserve-unknown-fields": True}, {"a": {"b": 1}, "c": 1},
         {"a": {}, "c": 1}, ["a.b"]),
        (properties(), {"apiVersion": "v1", "kind": "A", "metadata": {"name": "x"}},
         {"apiVersion": "v1", "kind": "A", "metadata": {"name": "x"}}, []),
        (properties(a={**properties(), "x-kubernetes-embedded-resource": True}),
         {"a": {"kind": "B", "spec": 1, "metadata": {"x": 1}}}, {"a": {"kind": "B", "metadata": {"x": 1}}}, ["a.spec"]),
    ],
    ids=["top", "nested", "list", "map", "preserving", "root", "embedded"],
)  # fmt: skip
def test_unknown_fields_are_dropped_and_named(raw: Any, obj: Any, kept: Any, unknown: list[str]) -> None:
    assert pruning.prune(obj, schema.as_resource(schema.parse(raw))) == unknown
    assert obj == kept


@pytest.mark.parametrize(
    ("raw", "obj", "wanted"),
    [
        (properties(a={**STRING, "default": "x"}), {}, {"a": "x"}),
        (properties(a={**STRING, "default": "x"}), {"a": None}, {"a": "x"}),
        (properties(a={**STRING, "default": "x", "nullable": True}), {"a": None}, {"a": None}),
        (properties(a={**properties(b={**STRING, "default": "x"}), "default": {}}), {}, {"a": {"b": "x"}}),
        (properties(a={"type": "array", "items": properties(b={**STRING, "default": "x"})}), {"a": [{}]},
         {"a": [{"b": "x"}]}),
        (properties(a=STRING), {"a": None}, {}),
    ],
    ids=["missing", "null", "nullable", "nested", "items", "null-without-default"],
)  # fmt: skip
def test_defaults_fill_what_is_missing(raw: Any, obj: Any, wanted: Any) -> None:
    known = schema.parse(raw)
    pruning.drop_nulls(obj, known)
    defaulting.default(obj, known)
    assert obj == wanted


@pytest.mark.parametrize(
    ("raw", "value", "texts"),
    [
        ({"type": "integer"}, 1.0, []),
        ({"type": "integer"}, 1.5, ['a: Invalid value: "number": a in body must be of type integer: "number"']),
        ({"type": "number"}, 1, []),
        ({"type": "string"}, None, ['a: Invalid value: "null": a in body must be of type string: "null"']),
        ({"type": "string", "nullable": True}, None, []),
        ({"x-kubernetes-int-or-string": True}, "5%", []),
        ({"x-kubernetes-int-or-string": True}, True,
         ['a: Invalid value: "boolean": a in body must be of type integer,string: "boolean"']),
        ({"type": "string", "maxLength": 2}, "abc", ["a: Too long: may not be more than 2 bytes"]),
        ({"type": "string", "minLength": 2}, "a", ['a: Invalid value: "a": a in body should be at least 2 chars long']),
        ({"type": "string", "pattern": "^a$"}, "b", ["a: Invalid value: \"b\": a in body should match '^a$'"]),
        ({"type": "string", "format": "ipv4"}, "x",
         ['a: Invalid value: "x": a in body must be of type ipv4: "x"']),
        ({"type": "integer", "minimum": 2, "exclusiveMinimum": True}, 2,
         ["a: Invalid value: 2: a in body should be greater than 2"]),
        ({"type": "number", "multipleOf": 0.1}, 0.3, []),
        ({"type": "array", "maxItems": 1}, [1, 2], ["a: Too many: 2: must have at most 1 items"]),
        ({"type": "object", "maxProperties": 1}, {"b": 1, "c": 2}, ["a: Too many: 2: must have at most 1 items"]),
        ({"type": "object", "required": ["b"]}, {}, ["a.b: Required value"]),
        ({"type": "string", "enum": ["x", "y"]}, "z", ['a: Unsupported value: "z": supported values: "x", "y"']),
        ({"not": {"type": "string"}}, "z", ['<nil>: Invalid value: "": "a" must not validate the schema (not)']),
        ({"oneOf": [{"type": "string"}, {"type": "string"}]}, "z",
         ['<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives']),
    ],
)  # fmt: skip
def test_values_are_refused_in_upstreams_words(raw: Any, value: Any, texts: list[str]) -> None:
    assert [str(error) for error in values.Validator(raw).validate(value, "a")] == texts


def test_an_update_forgives_what_was_wrong_before() -> None:
    item = properties(name=STRING, size={"type": "integer", "maximum": 5})
    raw = properties(
        list={"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item},
        plain={"type": "array", "items": {"type": "integer", "maximum": 5}},
    )
    old = {"list": [{"name": "a", "size": 9}], "plain": [9]}
    check = values.Validator(raw)
    assert check.validate({"list": [{"name": "b", "size": 1}, {"name": "a", "size": 9}], "plain": [9]}, "", old) == []
    assert len(check.validate({"list": [{"name": "a", "size": 8}], "plain": [9, 1]}, "", old)) == 2


@pytest.mark.parametrize(
    ("kind", "value", "paths"),
    [
        ({"x-kubernetes-list-type": "set"}, [1, 2, 1, 1], ["[2]"]),
        ({"x-kubernetes-list-type": "set"}, [1, True], []),
        ({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"]}, [{"a": 1}, {"a": 1, "b": 2}], []),
        ({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}, [{"a": 1}, {"a": 1, "b": 2}], ["[1]"]),
    ],
    ids=["set", "true-is-not-1", "two-keys", "one-key"],
)
def test_duplicates(kind: Any, value: Any, paths: list[str]) -> None:
    known = schema.parse({"type": "array", "items": {"type": "object"}, **kind})
    assert [error.path for error in lists.validate(value, known)] == paths


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        (r"^\d+$", "12\n", False),
        (r"^\pL+$", "äb", True),
        (r"^[[:alpha:]_]+$", "a_", True),
        (r"\Qa.b\E", "a.b", True),
        (r"(?i)ABC", "abc", True),
        (r"^[^[:space:]]+$", "a b", False),
        (r"\x{41}", "A", True),
    ],
)
def test_patterns_mean_what_they_mean_to_go(pattern: str, text: str, wanted: bool) -> None:
    assert patterns.matches(pattern, text) is wanted


@pytest.mark.parametrize("pattern", ["(?=a)", r"\1", "a**", "(", "[a", r"\y"])
def test_patterns_that_go_refuses(pattern: str) -> None:
    with pytest.raises(patterns.Malformed, match="error parsing regexp"):
        patterns.compile(pattern)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ipv6", "::1", "1.2.3.4"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "AE0B1D44-2F5B-4f0c-9a52-3b6f1f3a2d11", "x"),
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T10:00:00.5Z", "2024-02-29"),
        ("duration", "1h30m", "x"),
        ("byte", "YWJj", "*"),
        ("mac", "00:00:5e:00:53:01", "00:00"),
        ("email", "a@b.c", "a"),
        ("k8s-short-name", "a-b", "A"),
        ("hostname", "a.b", "-a"),
        ("isbn", "978-0321751041", "978-0321751042"),
    ],
)
def test_formats(name: str, good: str, bad: str) -> None:
    assert formats.fits(name, good)
    assert not formats.fits(name, bad)


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (properties(a={}), ["s.properties[a].type: Required value: must not be empty for specified object fields"]),
        ({"type": "array", "items": STRING}, ['s.type: Invalid value: "array": must be object at the root']),
        (properties(a={"type": "array"}), ["s.properties[a].items: Required value: must be specified"]),
        ({**properties(), "anyOf": [{"type": "object"}]},
         ["s.anyOf[0].type: Forbidden: must be empty to be structural"]),
        ({**properties(), "allOf": [{"properties": {"b": {}}}]},
         ["s.properties[b]: Required value: because it is defined in s.allOf[0].properties[b]"]),
        (properties(metadata=properties(labels=STRING)),
         ["s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata "
          "is implicitly specified"]),
        (properties(a={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}), []),
    ],
    ids=["untyped", "root", "items", "alternative", "incomplete", "metadata", "int-or-string"],
)  # fmt: skip
def test_what_is_not_structural(raw: Any, texts: list[str]) -> None:
    assert [str(error) for error in structure.validate(raw, "s")] == texts
