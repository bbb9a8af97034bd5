"""What holds of patches and selectors whatever they are made of."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kijabi.api import errors, labels, patch, schema, selectors

POD = schema.Schemas.load().merge_info(("", "v1", "Pod"))
KEYS = st.sampled_from(["a", "b", "c/d", "e~f", "", "0", "-", "ü"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "y"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
NAMES = st.sampled_from(["a", "b", "c", "$patch", ""])
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": NAMES,
            "image": SCALARS,
            "$patch": st.sampled_from(["delete", "replace", "merge", "bogus"]),
            "ports": st.lists(st.dictionaries(st.sampled_from(["containerPort", "name"]), SCALARS), max_size=2),
        },
    ),
    max_size=3,
)
POD_PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "spec": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "containers": CONTAINERS,
                "nodeName": SCALARS,
                "$retainKeys": st.lists(NAMES),
                "$setElementOrder/containers": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=3),
                "$deleteFromPrimitiveList/x": st.lists(SCALARS, max_size=2),
                "tolerations": VALUES,
                "volumes": VALUES,
            },
        ),
        "metadata": st.fixed_dictionaries({}, optional={"labels": VALUES, "finalizers": VALUES}),
        "$patch": st.sampled_from(["replace", "delete", "merge"]),
    },
)


def stripped(value: Any) -> Any:
    """Without the members that are null."""
    if isinstance(value, dict):
        return {key: stripped(inner) for key, inner in value.items() if inner is not None}
    return value


def steps(document: Any, at: str = "") -> list[str]:
    """Every pointer into a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    found = [at]
    for key, value in inner:
        found += steps(value, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


def refusal(call: Callable[[], Any]) -> int:
    """The status code of the error that a call ends with; 0 where it ends well."""
    try:
        call()
    except errors.ApiError as error:
        return error.code
    return 0


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_leads_from_anything_to_what_it_says(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    merged = patch.merge(document, wanted)
    assert document == before
    assert patch.merge(merged, wanted) == merged
    for key, value in wanted.items():
        if value is None:
            assert key not in merged
        elif not isinstance(value, dict):
            assert merged[key] == value
    assert patch.merge({}, wanted) == stripped(wanted)


@given(st.data())
def test_a_json_patch_puts_a_value_where_it_says(data: st.DataObject) -> None:
    document = data.draw(OBJECTS)
    value = data.draw(VALUES)
    pointer = data.draw(st.sampled_from(steps(document)))
    replaced = patch.json(document, [{"op": "replace", "path": pointer, "value": value}])
    assert patch.json(replaced, [{"op": "test", "path": pointer, "value": value}]) == replaced
    if pointer:
        there = patch.json(document, [{"op": "copy", "from": pointer, "path": "/new"}])["new"]
        back = [{"op": "replace", "path": pointer, "value": there}]
        assert patch.json(replaced, back) == document


@given(
    OBJECTS,
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "bogus", 1, None]),
                "path": st.sampled_from(
                    ["", "/", "/a", "/a/0", "/a/-", "/a/b/c", "a", "/a/99999999999999999999", "/~2"]
                ),
                "from": st.sampled_from(["", "/a", "/a/b", None, 1]),
                "value": VALUES,
            },
        ),
        max_size=4,
    ),
)
def test_a_json_patch_applies_or_is_refused(document: dict[str, Any], operations: list[Any]) -> None:
    before = copy.deepcopy(document)
    assert refusal(lambda: json.dumps(patch.json(document, operations))) in (0, 400, 413, 422)
    assert document == before


@settings(max_examples=300)
@given(POD_PATCHES, POD_PATCHES)
def test_a_strategic_patch_applies_or_is_refused(first: dict[str, Any], second: dict[str, Any]) -> None:
    document: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b"}]}}
    for wanted in (first, second):
        before = copy.deepcopy(document)
        # Upstream answers some directives that contradict themselves with a plain 500.
        code = refusal(lambda document=document, wanted=wanted: patch.strategic(document, wanted, POD))
        assert code in (0, 400, 422, 500)
        assert document == before
        if not code:
            document = patch.strategic(document, wanted, POD)
    json.dumps(document)


@given(st.dictionaries(st.sampled_from(["a", "b", "x.y/z"]), st.sampled_from(["", "1", "02", "v"])), st.data())
def test_a_label_selector_means_the_same_when_it_is_written_out(held: dict[str, str], data: st.DataObject) -> None:
    keys, values = st.sampled_from(["a", "b", "x.y/z"]), st.sampled_from(["1", "02", "v"])
    term = st.one_of(
        keys,
        keys.map(lambda key: f"!{key}"),
        st.builds(lambda key, op, value: f"{key}{op}{value}", keys, st.sampled_from(["=", "==", "!="]), values),
        st.builds(lambda key, op, value: f"{key} {op} {value}", keys, st.sampled_from([">", "<"]), st.just("1")),
        st.builds(
            lambda key, op, some: f"{key} {op} ({','.join(some)})",
            keys,
            st.sampled_from(["in", "notin"]),
            st.lists(values, min_size=1, max_size=3),
        ),
    )
    selector = labels.parse(",".join(data.draw(st.lists(term, max_size=4))))
    again = labels.parse(str(selector))
    assert str(again) == str(selector)
    assert again.matches(held) == selector.matches(held)


@given(st.text(alphabet="ab=!,()<> /.-inot\\\0ü1", max_size=20))
def test_selectors_are_read_or_refused(text: str) -> None:
    for parse, malformed in ((labels.parse, labels.Malformed), (selectors.parse_fields, selectors.Malformed)):
        with contextlib.suppress(malformed):
            selector = parse(text)
            assert str(parse(str(selector))) == str(selector)


@given(st.dictionaries(st.sampled_from(["metadata.name", "spec.x"]), st.text(max_size=6), min_size=1))
def test_values_of_field_selectors_survive_escaping(fields: dict[str, str]) -> None:
    text = ",".join(f"{key}={selectors.escape(value)}" for key, value in fields.items())
    assert selectors.parse_fields(text).matches(fields)
