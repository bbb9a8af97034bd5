"""Rules of schemas: what may be written, what an object must hold to, and what an update may keep."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api.cel import rules

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
KEY = "x-kubernetes-validations"


def schema(rule: str, more: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    listed = [{"rule": rule, **(more or {})}]
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": listed}
    return {"type": "object", "properties": {"spec": spec}}


def check(made: dict[str, Any], new: Any, old: Any = None) -> list[str]:
    compiled = rules.compile_schema(made)
    assert compiled.problems == []
    new_object, old_object = {"spec": new}, {"spec": old} if old is not None else None
    return [str(error) for error in compiled.validate("", new_object, old_object)]


@pytest.mark.parametrize(
    ("made", "value", "expected"),
    [
        (schema("self.min <= self.max", min=INTEGER, max=INTEGER), {"min": 1, "max": 2}, []),
        (
            schema("self.min <= self.max", min=INTEGER, max=INTEGER),
            {"min": 3, "max": 2},
            ["spec: Invalid value: failed rule: self.min <= self.max"],
        ),
        (
            schema("self.min <= self.max", {"message": "min above max"}, min=INTEGER, max=INTEGER),
            {"min": 3, "max": 2},
            ["spec: Invalid value: min above max"],
        ),
        (
            schema("self.n > 1", {"messageExpression": "'n is ' + string(self.n)"}, n=INTEGER),
            {"n": 1},
            ["spec: Invalid value: n is 1"],
        ),
        (
            schema("self.n > 1", {"reason": "FieldValueForbidden", "fieldPath": ".n", "message": "no"}, n=INTEGER),
            {"n": 1},
            ["spec.n: Forbidden: no"],
        ),
        (
            schema("self.n > 1", n=INTEGER),
            {},
            ['spec: Invalid value: "object": no such key: n evaluating rule: self.n > 1'],
        ),
        (schema("self.at < timestamp('2030-01-01T00:00:00Z')", at={**STRING, "format": "date-time"}),
         {"at": "2024-05-06T07:08:09Z"}, []),
        (schema("self.wait == duration('90s')", wait={**STRING, "format": "duration"}), {"wait": "1m30s"}, []),
        (schema("self.raw == b'hi'", raw={**STRING, "format": "byte"}), {"raw": "aGk="}, []),
        (schema("self.half == 1.0", half={"type": "number"}), {"half": 1}, []),
        (schema("type(self.p) == int ? self.p < 5 : self.p == '10%'", p={"x-kubernetes-int-or-string": True}),
         {"p": "10%"}, []),
        (schema("self.__namespace__ == 'a' && self.a__dash__b == 'b' && self.c__dot__d == 'c'",
                **{"namespace": STRING, "a-b": STRING, "c.d": STRING}), {"namespace": "a", "a-b": "b", "c.d": "c"}, []),
        (schema("self.s == ['b', 'a'] && self.s + ['a', 'c'] == ['a', 'b', 'c']",
                s={"type": "array", "items": STRING, "x-kubernetes-list-type": "set", "maxItems": 5}),
         {"s": ["a", "b"]}, []),
        (schema("quantity(self.q).isLessThan(quantity('1Gi'))", q={**STRING, "maxLength": 20}), {"q": "512Mi"}, []),
        (schema("!has(self.o) || self.o.all(k, self.o[k] > 0)",
                o={"type": "object", "additionalProperties": INTEGER, "maxProperties": 9}), {"o": {"a": 1}}, []),
        (
            schema("dyn(self.n) == 'x' || self.n.startsWith('y')", n={"x-kubernetes-int-or-string": True}),
            {"n": 4},
            ["spec: Invalid value: \"object\": 'no such overload': call arguments did not match a supported operator, "
             "function or macro signature for rule: dyn(self.n) == 'x' || self.n.startsWith('y')"],
        ),
    ],
)  # fmt: skip
def test_a_rule_on_an_object(made: dict[str, Any], value: dict[str, Any], expected: list[str]) -> None:
    assert check(made, value) == expected


TRANSITION = schema("self.n >= oldSelf.n", n=INTEGER)
ITEMS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "maxItems": 10,
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {**STRING, "maxLength": 9}, "n": INTEGER},
        "x-kubernetes-validations": [{"rule": "self.n >= oldSelf.n", "message": "shrinks"}],
    },
}


@pytest.mark.parametrize(
    ("made", "new", "old", "expected"),
    [
        (TRANSITION, {"n": 1}, None, []),
        (TRANSITION, {"n": 1}, {"n": 1}, []),
        (TRANSITION, {"n": 1}, {"n": 2}, ["spec: Invalid value: failed rule: self.n >= oldSelf.n"]),
        (
            schema("!oldSelf.hasValue() || self.n >= oldSelf.value().n", {"optionalOldSelf": True}, n=INTEGER),
            {"n": 1},
            {"n": 2},
            ["spec: Invalid value: failed rule: !oldSelf.hasValue() || self.n >= oldSelf.value().n"],
        ),
        (schema("oldSelf.optMap(o, o.n).orValue(0) <= self.n", {"optionalOldSelf": True}, n=INTEGER),
         {"n": 1}, None, []),
        (
            schema("true", items=ITEMS),
            {"items": [{"name": "b", "n": 5}, {"name": "a", "n": 1}, {"name": "new", "n": 0}]},
            {"items": [{"name": "a", "n": 2}, {"name": "b", "n": 4}]},
            ["spec.items[1]: Invalid value: shrinks"],
        ),
    ],
)  # fmt: skip
def test_a_rule_on_a_change(made: dict[str, Any], new: Any, old: Any, expected: list[str]) -> None:
    assert check(made, new, old) == expected


def test_what_did_not_change_is_not_held_against_an_update() -> None:
    made = schema("true", n={**INTEGER, "x-kubernetes-validations": [{"rule": "self > 5"}]}, other=INTEGER)
    assert check(made, {"n": 1, "other": 2}, {"n": 1, "other": 1}) == []
    assert check(made, {"n": 2, "other": 2}, {"n": 1}) == ["spec.n: Invalid value: 2: failed rule: self > 5"]
    warnings: list[str] = []
    compiled = rules.compile_schema(made)
    assert compiled.validate("", {"spec": {"n": 1}}, {"spec": {"n": 1}}, warnings) == []
    assert warnings == ["spec.n: Invalid value: 1: failed rule: self > 5"]


@pytest.mark.parametrize(
    ("made", "path", "message"),
    [
        (
            schema("self.none == 1", n=INTEGER),
            f"properties[spec].{KEY}[0].rule",
            "compilation failed: ERROR: <input>:1:5: undefined field 'none'\n | self.none == 1\n | ....^",
        ),
        (schema("self.n", n=INTEGER), f"properties[spec].{KEY}[0].rule",
         "cel expression must evaluate to a bool"),
        (schema("self.n > 1", {"messageExpression": "self.n"}, n=INTEGER),
         f"properties[spec].{KEY}[0].messageExpression", "messageExpression must evaluate to a string"),
        (schema("self.n > 1", {"optionalOldSelf": True}, n=INTEGER),
         f"properties[spec].{KEY}[0].optionalOldSelf", "may not be set if oldSelf is not used in rule"),
        (
            schema("true", l={"type": "array", "items": {**INTEGER, KEY: [{"rule": "self == oldSelf"}]}}),
            "properties[spec].properties[l].items.x-kubernetes-validations[0].rule",
            "oldSelf cannot be used on the uncorrelatable portion of the schema within properties[spec].properties[l]",
        ),
        (
            schema("self.l.all(x, self.l.all(y, x == y))", l={"type": "array", "items": STRING}),
            f"properties[spec].{KEY}[0].rule",
            "estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding "
            "maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)",
        ),
    ],
)  # fmt: skip
def test_what_may_not_be_written(made: dict[str, Any], path: str, message: str) -> None:
    assert rules.compile_schema(made).problems[0] == (path, message)


def test_a_rule_that_runs_too_long_is_stopped() -> None:
    made = schema("self.l.all(x, self.l.all(y, self.l.all(z, x + y + z > 0)))", l={"type": "array", "items": INTEGER})
    compiled = rules.compile_schema(made)
    (error,) = compiled.validate("", {"spec": {"l": [1] * 200}})
    assert "operation cancelled: actual cost limit exceeded" in error.detail


def test_the_root_knows_its_name_and_nothing_of_metadata_else() -> None:
    named = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('a')"}]}
    assert rules.compile_schema(named).validate("", {"metadata": {"name": "b"}})[0].path == ""
    labels = {"type": "object", "x-kubernetes-validations": [{"rule": "has(self.metadata.labels)"}]}
    assert "undefined field 'labels'" in rules.compile_schema(labels).problems[0][1]
