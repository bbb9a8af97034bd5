"""The algebra of field sets, and the one spelling of path elements."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kijabi.api.managed import elements, sets

_ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "i:0"])


def _build(paths: list[tuple[str, ...]]) -> sets.Set:
    out: sets.Set = {}
    for path in paths:
        out = sets.union(out, sets.single(path))
    return out


_PATHS = st.lists(st.lists(_ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8)


@given(_PATHS)
def test_a_set_has_exactly_the_paths_it_was_made_of(paths: list[tuple[str, ...]]) -> None:
    made = _build(paths)
    assert set(sets.paths(made)) == set(paths)
    assert all(sets.has(made, path) for path in paths)


@given(_PATHS, _PATHS)
def test_operations_on_sets_are_those_on_their_paths(left: list[tuple[str, ...]], right: list[tuple[str, ...]]) -> None:
    one, other = _build(left), _build(right)
    assert set(sets.paths(sets.union(one, other))) == set(left) | set(right)
    assert set(sets.paths(sets.difference(one, other))) == set(left) - set(right)
    assert set(sets.paths(sets.intersection(one, other))) == set(left) & set(right)
    below = {path for path in left if not any(path[: len(gone)] == gone for gone in right)}
    assert set(sets.paths(sets.recursive_difference(one, other))) == below
    assert (one, other) == (_build(left), _build(right)), "arguments are left alone"


@given(_PATHS)
def test_what_is_written_is_read_back_in_any_spelling(paths: list[tuple[str, ...]]) -> None:
    made = sets.ordered(_build(paths))
    assert sets.read(made) == made


SPELLINGS = {
    "a field is itself": ("f:a b", "f:a b"),
    "keys are sorted": ('k:{"b": 1, "a": "x"}', 'k:{"a":"x","b":1}'),
    "values are compact": ('v: "x" ', 'v:"x"'),
    "markup is escaped": ('v:"a<b"', 'v:"a\\u003cb"'),
    "an index": ("i:07", "i:7"),
    "what later versions know": ("x:1", ""),
}


@pytest.mark.parametrize("case", SPELLINGS.values(), ids=SPELLINGS)
def test_an_element_has_one_spelling(case: tuple[str, str]) -> None:
    assert elements.canonical(case[0]) == case[1]


@pytest.mark.parametrize("bad", ["f", "fx:", "v:{", "k:[]", "i:x"])
def test_what_is_no_element_is_refused(bad: str) -> None:
    with pytest.raises(elements.Malformed):
        elements.canonical(bad)


def test_elements_are_written_by_kind_and_value() -> None:
    keys = ['v:"b"', "v:10", "v:9", 'k:{"p":80}', 'k:{"p":8080}', 'k:{"p":443}', "f:b", ".", "f:a"]
    written = list(sets.ordered(dict.fromkeys(keys, sets.LEAF)))
    assert written == [".", "f:a", "f:b", 'k:{"p":80}', 'k:{"p":443}', 'k:{"p":8080}', "v:9", "v:10", 'v:"b"']


SHOWN: dict[str, Any] = {
    '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]': (
        "f:spec",
        "f:containers",
        'k:{"name":"c"}',
        "f:ports",
        'k:{"containerPort":80,"protocol":"TCP"}',
    ),
    '.metadata.finalizers[="x/y"]': ("f:metadata", "f:finalizers", 'v:"x/y"'),
    ".a[3]": ("f:a", "i:3"),
}


@pytest.mark.parametrize(("shown", "path"), SHOWN.items(), ids=SHOWN)
def test_paths_read_as_upstream_prints_them(shown: str, path: tuple[str, ...]) -> None:
    assert elements.show_path(path) == shown
