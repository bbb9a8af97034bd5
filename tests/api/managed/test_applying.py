"""Server-side apply: merging, taking back, sharing and refusing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kijabi.api import managed
from kijabi.api.managed import comparing, removing, sets, shapes
from kijabi.api.schema import types

Object = dict[str, Any]


class Live:
    """One object and its writers."""

    def __init__(self, view: managed.View) -> None:
        self.view = view
        self.obj: Object = {}
        self.now = 0

    def apply(self, manager: str, spec: Any, force: bool = False, **meta: Any) -> Object:
        self.now += 1
        applied = {"apiVersion": self.view.api_version, "kind": self.view.kind, "metadata": {"name": "a", **meta}}
        if spec is not None:
            applied["spec"] = spec
        before = copy.deepcopy(applied)
        self.obj = managed.apply(self.view, self.obj, applied, manager, force, self.now)
        assert before == applied, "what is applied is left alone"
        self.obj["metadata"]["uid"] = "u"
        return self.spec

    def update(self, manager: str, spec: Object) -> None:
        self.now += 1
        new = {**copy.deepcopy(self.obj), "spec": spec}
        if not self.obj:
            new.update(apiVersion=self.view.api_version, kind=self.view.kind, metadata={"name": "a"})
        managed.update(self.view, self.obj, new, manager, self.now)
        self.obj = new
        self.obj["metadata"]["uid"] = "u"

    @property
    def spec(self) -> Object:
        return self.obj.get("spec", {})

    @property
    def owners(self) -> dict[str, Any]:
        return {entry["manager"]: entry["fieldsV1"] for entry in self.obj["metadata"].get("managedFields", [])}


def custom_view(custom: types.Type) -> managed.View:
    return managed.View(managed.Shapes().of(custom), "x.io/v1", "Custom")


@pytest.fixture
def live(custom: types.Type) -> Live:
    return Live(custom_view(custom))


# (what the first applied, what the second applies, what is there then)
MERGES: dict[str, tuple[Object, Object, Object]] = {
    "a scalar": ({"number": 1}, {"labels": {"a": "b"}}, {"number": 1, "labels": {"a": "b"}}),
    "a granular map": ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
    "a set": ({"tags": ["a", "b"]}, {"tags": ["c", "b"]}, {"tags": ["a", "c", "b"]}),
    "a list with keys": (
        {"keyed": [{"name": "a", "value": 1}, {"name": "b"}]},
        {"keyed": [{"name": "b", "value": 2}, {"name": "c"}]},
        {"keyed": [{"name": "a", "value": 1}, {"name": "b", "value": 2}, {"name": "c"}]},
    ),
    "another order": ({"tags": ["a", "b", "c"]}, {"tags": ["c", "a"]}, {"tags": ["b", "c", "a"]}),
    "free maps": (
        {"free": {"a": {"b": 1}, "l": [1]}},
        {"free": {"a": {"c": 2}, "m": [2]}},
        {"free": {"a": {"b": 1, "c": 2}, "l": [1], "m": [2]}},
    ),
}


@pytest.mark.parametrize("case", MERGES.values(), ids=MERGES)
def test_appliers_share_what_can_be_owned_in_parts(live: Live, case: tuple[Object, Object, Object]) -> None:
    live.apply("one", case[0])
    assert live.apply("two", case[1]) == case[2]


ATOMS: dict[str, tuple[Object, Object, str]] = {
    "a scalar": ({"number": 1}, {"number": 2}, ".spec.number"),
    "an atomic list": ({"atoms": [1]}, {"atoms": [2]}, ".spec.atoms"),
    "an atomic map": ({"selector": {"a": "b"}}, {"selector": {"c": "d"}}, ".spec.selector"),
    "an entry": ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}, ".spec.labels.a"),
    "an element's field": (
        {"keyed": [{"name": "a", "value": 1}]},
        {"keyed": [{"name": "a", "value": 2}]},
        '.spec.keyed[name="a"].value',
    ),
    "a free list": ({"free": {"l": [1]}}, {"free": {"l": [2]}}, ".spec.free.l"),
}


@pytest.mark.parametrize("case", ATOMS.values(), ids=ATOMS)
def test_what_another_applied_otherwise_is_a_conflict(live: Live, case: tuple[Object, Object, str]) -> None:
    live.apply("one", case[0])
    assert live.apply("two", case[0]) == case[0], "the same value is shared"
    live.apply("two", None)
    with pytest.raises(managed.ApplyConflict) as refused:
        live.apply("two", case[1])
    assert refused.value.message == f'Apply failed with 1 conflict: conflict with "one": {case[2]}'
    assert refused.value.status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": case[2]}
    ]
    assert live.apply("two", case[1], force=True) == case[1]


@pytest.mark.parametrize("case", ATOMS.values(), ids=ATOMS)
def test_what_is_applied_no_more_is_taken_away(live: Live, case: tuple[Object, Object, str]) -> None:
    live.apply("one", {**case[0], "number": 7})
    left = live.apply("one", {"number": 7})
    assert {key: value for key, value in left.items() if key != "number"} == {}


def test_what_another_owns_too_stays(live: Live) -> None:
    live.apply("one", {"labels": {"a": "1", "b": "2"}, "tags": ["x", "y"]})
    live.apply("two", {"labels": {"a": "1"}, "tags": ["x"]})
    assert live.apply("one", {"number": 1}) == {"labels": {"a": "1"}, "tags": ["x"], "number": 1}
    assert set(live.owners) == {"one", "two"}


def test_an_element_goes_with_its_applier_whatever_others_set_in_it(live: Live) -> None:
    live.apply("one", {"keyed": [{"name": "a"}, {"name": "b"}]})
    live.update("two", {"keyed": [{"name": "a", "value": 1}, {"name": "b"}]})
    assert live.apply("one", {"number": 1, "keyed": [{"name": "b"}]}) == {"keyed": [{"name": "b"}], "number": 1}


def test_conflicts_of_several_are_listed_by_manager(live: Live) -> None:
    live.apply("one", {"number": 1})
    live.update("two", {"number": 1, "labels": {"a": "b"}, "tags": ["x"]})
    with pytest.raises(managed.ApplyConflict) as refused:
        live.apply("three", {"number": 2, "labels": {"a": "c"}})
    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.number\n'
        'conflicts with "two" using x.io/v1:\n- .spec.labels.a'
    )


def test_an_object_nobody_was_asked_about_belongs_to_its_past(live: Live) -> None:
    live.obj = {"apiVersion": "x.io/v1", "kind": "Custom", "metadata": {"name": "a", "uid": "u"}, "spec": {"number": 1}}
    with pytest.raises(managed.ApplyConflict, match=r'"before-first-apply" using x\.io/v1: \.spec\.number'):
        live.apply("one", {"number": 2})
    live.apply("one", {"tags": ["x"]})
    assert live.owners["before-first-apply"] == {"f:spec": {".": {}, "f:number": {}}}


def test_times_change_with_the_object_alone(live: Live) -> None:
    live.apply("one", {"number": 1})
    first = live.obj["metadata"]["managedFields"]
    live.apply("one", {"number": 1})
    assert live.obj["metadata"]["managedFields"] == first
    live.apply("one", {"number": 2})
    assert live.obj["metadata"]["managedFields"][0]["time"] == "1970-01-01T00:00:03Z"


BAD: dict[str, tuple[Any, str]] = {
    "an unknown field": ({"nothing": 1}, ".spec.nothing: field not declared in schema"),
    "a wrong scalar": ({"number": "x"}, ".spec.number: expected numeric (int or float), got string"),
    "a wrong text": ({"tags": [1]}, ".spec.tags[=1]: expected string, got &value.valueUnstructured{Value:1}"),
    "no map": ({"labels": 1}, ".spec.labels: expected map, got &{1}"),
    "no list": ({"tags": {}}, ".spec.tags: expected list, got &{map[]}"),
    "twice in a set": ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
    "twice by key": (
        {"keyed": [{"name": "a"}, {"name": "a"}]},
        '.spec.keyed: duplicate entries for key [name="a"]',
    ),
    "no key": (
        {"keyed": [{"value": 1}]},
        '.spec.keyed: element 0: associative list with keys has an element that omits all key fields ["name"] (and '
        "doesn't have default values for any key fields)",
    ),
    "two things": (
        {"number": "x", "labels": 1},
        "errors:\n  .spec.number: expected numeric (int or float), got string\n  .spec.labels: expected map, got &{1}",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_does_not_fit_the_type_is_refused(live: Live, case: tuple[Any, str]) -> None:
    with pytest.raises(managed.Unusable) as refused:
        live.apply("one", case[0])
    assert str(refused.value) == f"failed to create typed patch object (/a; x.io/v1, Kind=Custom): {case[1]}"


def test_keys_that_are_left_out_have_their_default(view: Any) -> None:
    service = Live(view("v1", "Service"))
    service.apply("one", {"ports": [{"port": 80}]})
    service.update("two", {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 1}]})
    spec = service.apply("one", {"ports": [{"port": 80, "name": "web"}, {"port": 80, "protocol": "UDP"}]})
    assert spec["ports"] == [
        {"port": 80, "protocol": "TCP", "nodePort": 1, "name": "web"},
        {"port": 80, "protocol": "UDP"},
    ]


LAST = "kubectl.kubernetes.io/last-applied-configuration"
APPLIED = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}}'


def past(view: managed.View, last: str) -> Object:
    meta = {"name": "a", "annotations": {LAST: last}}
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"x": "1", "y": "1"}}
    managed.update(view, {}, obj, "kubectl-client-side-apply", 1)
    return obj


def test_kubectl_takes_over_what_it_applied_on_its_side(view: Any) -> None:
    of = view("v1", "ConfigMap")
    live, applied = past(of, APPLIED), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    after = managed.apply(of, live, {**applied, "data": {"x": "2"}}, "kubectl", False, 2)
    assert after["data"] == {"x": "2", "y": "1"}
    assert after["metadata"]["annotations"][LAST] == (
        '{"apiVersion":"v1","data":{"x":"2"},"kind":"ConfigMap","metadata":{"name":"a"}}\n'
    )
    for manager, data in (("other", {"x": "2"}), ("kubectl", {"x": "2", "y": "2"})):
        with pytest.raises(managed.ApplyConflict) as refused:
            managed.apply(of, live, {**applied, "data": data}, manager, False, 2)
        assert [one.field for one in refused.value.conflicts] == [f".data.{'y' if 'y' in data else 'x'}"]


# --- what holds for all

_NAMES = st.sampled_from(["a", "b", "c"])
_LABELS = st.dictionaries(_NAMES, _NAMES, min_size=1, max_size=3)
_ELEMENTS = st.dictionaries(_NAMES, st.integers(0, 2), min_size=1, max_size=3).map(
    lambda made: [{"name": name, "value": value} for name, value in made.items()]
)
_FREE = st.recursive(
    st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(_NAMES, inner, min_size=1, max_size=3),
    max_leaves=5,
)
_SPECS = st.fixed_dictionaries(
    {},
    optional={
        "number": st.integers(0, 3),
        "labels": _LABELS,
        "selector": _LABELS,
        "atoms": st.lists(st.integers(0, 2), min_size=1, max_size=3),
        "tags": st.lists(_NAMES, unique=True, min_size=1, max_size=3),
        "keyed": _ELEMENTS,
        "free": st.dictionaries(_NAMES, _FREE, min_size=1, max_size=2),
    },
)
_WRITES = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.booleans(), _SPECS), min_size=1, max_size=6)


def _view() -> managed.View:
    text, number = types.Type(types.STRING, "string"), types.Type(types.INT64, "int64")
    element = types.Type(types.STRUCT, "E", fields={"name": types.Field("name", text)})
    element.fields["value"] = types.Field("value", number)
    lists = {
        "atoms": types.Field("atoms", types.Type(types.LIST, "[]", item=number)),
        "tags": types.Field("tags", types.Type(types.LIST, "[]", item=text), list_type="set"),
        "keyed": types.Field("keyed", types.Type(types.LIST, "[]", item=element), (), "", "map", ("name",)),
    }
    maps = types.Type(types.MAP, "map", item=text)
    spec = types.Type(types.STRUCT, "Spec", fields=lists)
    spec.fields["number"] = types.Field("number", number)
    spec.fields["labels"] = types.Field("labels", maps)
    spec.fields["selector"] = types.Field("selector", maps, map_type="atomic")
    spec.fields["free"] = types.Field("free", types.Type(types.ANY, "any"))
    root = types.Type(types.STRUCT, "Root", fields={"spec": types.Field("spec", spec)})
    for name in ("apiVersion", "kind", "metadata"):
        root.fields[name] = types.Field(name, types.Type(types.ANY, "any"))
    return managed.View(managed.Shapes().of(root), "x.io/v1", "Custom")


_VIEW = _view()


def _run(writes: list[tuple[str, bool, Object]]) -> Live:
    live = Live(_VIEW)
    for manager, applies, spec in writes:
        if applies:
            live.apply(manager, spec or None, force=True)
        else:
            live.update(manager, spec)
    return live


@settings(max_examples=80, deadline=None)
@given(_WRITES, _SPECS)
def test_applying_twice_is_applying_once(writes: list[tuple[str, bool, Object]], spec: Object) -> None:
    live = _run(writes)
    live.apply("me", spec, force=True)
    once = copy.deepcopy(live.obj)
    live.apply("me", spec)
    assert live.obj == once


@settings(max_examples=80, deadline=None)
@given(_WRITES, _SPECS)
def test_what_is_applied_is_there_and_owned(writes: list[tuple[str, bool, Object]], spec: Object) -> None:
    live = _run(writes)
    live.apply("me", spec, force=True)
    mine = comparing.collect(_VIEW.shape, {"spec": spec} if spec else {})
    assert not spec or live.owners["me"] == mine
    there = removing.extract(_VIEW.shape, live.obj, mine)
    changed, removed = comparing.compare(_VIEW.shape, {"spec": spec} if spec else {}, there)
    assert (changed, removed) == ({}, {})


@settings(max_examples=80, deadline=None)
@given(_WRITES)
def test_nobody_owns_what_is_not_there(writes: list[tuple[str, bool, Object]]) -> None:
    live = _run(writes)
    there = set(sets.paths(comparing.whole(_VIEW.shape, {key: live.obj[key] for key in ("spec",) if key in live.obj})))
    for fields in live.owners.values():
        owned = {path for path in sets.paths(fields) if path[0] == "f:spec"}
        assert owned <= there


@settings(max_examples=80, deadline=None)
@given(_WRITES, _SPECS, _SPECS)
def test_appliers_never_disagree_about_what_both_own(
    writes: list[tuple[str, bool, Object]], one: Object, two: Object
) -> None:
    live = _run(writes)
    live.apply("left", one, force=True)
    refused = _refused(live, "right", two)
    if refused is not None:
        assert all(sets.has(each.owner.fields, each.path) for each in refused.conflicts)
        return
    changed, _ = comparing.compare(_VIEW.shape, {"spec": one}, {"spec": two})
    both = sets.intersection(live.owners.get("left", {}), live.owners.get("right", {}))
    leaves = [path for path in sets.paths(sets.intersection(both, changed)) if not shapes_below(path)]
    assert leaves == []


def _refused(live: Live, manager: str, spec: Object) -> managed.ApplyConflict | None:
    try:
        live.apply(manager, spec)
    except managed.ApplyConflict as conflict:
        return conflict
    return None


def shapes_below(path: tuple[str, ...]) -> bool:
    """Whether what is at a path can be owned in parts, so that owning the node is no claim to its content."""
    shape: shapes.Shape = _VIEW.shape
    for element in path:
        shape = shape.below(element)
    return not shape.leaf


@settings(max_examples=80, deadline=None)
@given(_SPECS, _SPECS)
def test_a_change_names_what_must_be_merged_to_make_it(old: Object, new: Object) -> None:
    changed, removed = comparing.compare(_VIEW.shape, {"spec": old}, {"spec": new})
    assert (not changed and not removed) == (old == new) or _same_but_for_order(old, new)


def _same_but_for_order(old: Object, new: Object) -> bool:
    def plain(spec: Object) -> Object:
        return {key: sorted(value, key=str) if key in ("tags", "keyed") else value for key, value in spec.items()}

    return plain(old) == plain(new)
