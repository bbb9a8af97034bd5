"""The catalog and the table of what is served."""

import ast
import importlib.util
import pathlib

import pytest

from kijabi.api import catalog, kinds, resource, schema, served

CATALOG = catalog.default_catalog()
# autoscaling serves two versions; lightkube's data is of v1.37, and internal groups have other names in it.
GROUPS = {
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
}


def test_all_groups_are_served_core_first() -> None:
    groups = CATALOG.groups()
    assert {group.name for group in groups} == GROUPS
    assert groups[0].name == ""
    assert next(group for group in groups if group.name == "autoscaling").versions == ("v2", "v1")


def test_kinds_and_paths_lead_to_the_same_strategy() -> None:
    for strategy in CATALOG.strategies():
        row = strategy.resource
        assert CATALOG.by_path(row.group, row.version, row.plural) is strategy
        assert CATALOG.by_kind(row.group, row.version, row.kind) is strategy
    assert CATALOG.by_path("", "v1", "nothing") is None


def test_addresses_of_components_are_served() -> None:
    for value in vars(kinds).values():
        if isinstance(value, resource.Resource):
            strategy = CATALOG.by_path(value.group, value.version, value.plural)
            assert strategy is not None
            assert (strategy.resource.kind, strategy.resource.namespaced) == (value.kind, value.namespaced)


def _lightkube() -> dict[tuple[str, str, str], tuple[str, bool]]:
    """(group, version, kind) → (plural, namespaced) out of the package's sources, which cannot be imported alone."""
    spec = importlib.util.find_spec("lightkube.resources")
    assert spec is not None
    assert spec.submodule_search_locations
    found = {}
    for path in pathlib.Path(spec.submodule_search_locations[0]).glob("*_v*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                for call in ast.walk(node):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "res.ApiInfo":
                        words = {word.arg: word.value for word in call.keywords}
                        if "parent" in words or "plural" not in words or "action" in words:
                            continue
                        group, version, kind = (ast.literal_eval(a) for a in words["resource"].args)  # type: ignore[attr-defined]
                        scoped = "Namespaced" in ast.unparse(node.bases[0])
                        found[group, version, kind] = (ast.literal_eval(words["plural"]), scoped)
    return found


def test_plurals_and_scopes_agree_with_lightkubes_data() -> None:
    known = _lightkube()
    compared = 0
    for row in served.RESOURCES:
        entry = known.get((row.group, row.version, row.kind))
        if entry is not None:
            assert entry == (row.plural, row.namespaced)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    ("path", "name", "kind", "group"),
    [
        ("pods", "exec", "PodExecOptions", ""),
        ("pods", "eviction", "Eviction", "policy"),
        ("serviceaccounts", "token", "TokenRequest", "authentication.k8s.io"),
        ("pods", "status", "Pod", ""),
        ("replicationcontrollers", "scale", "Scale", "autoscaling"),
    ],
)
def test_subresources_say_their_kind(path: str, name: str, kind: str, group: str) -> None:
    sub = served.subresource(served.find("v1", path), name)
    assert sub is not None
    assert (sub.kind, sub.group) == (kind, group)


def test_what_is_no_subresource_is_none() -> None:
    assert served.subresource(served.find("v1", "secrets"), "status") is None


def test_tables_have_as_many_cells_as_columns() -> None:
    for strategy in CATALOG.strategies():
        row = strategy.resource
        if strategy.columns is None or row.verbs == ("create",):
            continue
        obj = {"apiVersion": row.api_version, "kind": row.kind, "metadata": {"name": "a", "namespace": "b"}}
        strategy.default(obj)
        assert len(strategy.columns(obj, 0.0)) == len(strategy.column_names), row.kind


def test_defaults_fit_the_schema() -> None:
    schemas = schema.Schemas.load()
    for strategy in CATALOG.strategies():
        row = strategy.resource
        obj = {"apiVersion": row.api_version, "kind": row.kind, "metadata": {"name": "a"}}
        strategy.default(obj)
        assert [str(p) for p in schemas.check((row.group, row.version, row.kind), obj)] == [], row.kind


def test_selectable_fields_need_no_status() -> None:
    for strategy in CATALOG.strategies():
        for name, value in strategy.fields({"metadata": {"name": "a"}}).items():
            assert isinstance(value, str), (strategy.resource.kind, name)


def test_no_kind_stumbles_over_an_empty_object() -> None:
    for strategy in CATALOG.strategies():
        row = strategy.resource
        for meta in ({}, {"name": "a", "namespace": "b"}):
            new, old = ({"apiVersion": row.api_version, "kind": row.kind, "metadata": dict(meta)} for _ in range(2))
            for obj in (new, old):
                strategy.default(obj)
                strategy.prepare_create(obj)
                assert all(str(problem) for problem in strategy.validate_create(obj))
            strategy.prepare_update(new, old)
            strategy.prepare_status(new, old)
            assert all(str(problem) for problem in strategy.validate_update(new, old))
            assert all(str(problem) for problem in strategy.validate_status(new, old))
            assert strategy.columns is not None
            assert len(strategy.columns(new, 0.0)) == len(strategy.column_names)


def test_every_stored_kind_has_a_file() -> None:
    generic = {s.resource.kind for s in CATALOG.strategies() if s.column_names is catalog.NAME_AND_CREATED}
    assert {kind for kind in generic if not kind.endswith("Review")} == {"Binding", "CSIStorageCapacity"}
