import stat
from pathlib import Path
from typing import Any

import pytest

from kijabi.cluster import errors, kubeconfig
from kijabi.kit import yamls


def config(name: str, server: str = "https://127.0.0.1:6443") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": "secret"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def names(document: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in document["contexts"]]


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        pytest.param(None, ["kijabi-a"], id="no file yet"),
        pytest.param({}, ["kijabi-a"], id="an empty file"),
        pytest.param({"contexts": None, "clusters": None, "users": None}, ["kijabi-a"], id="null sections"),
        pytest.param(config("work"), ["work", "kijabi-a"], id="beside others"),
        pytest.param(config("kijabi-a", "https://old:1"), ["kijabi-a"], id="instead of an older self"),
    ],
)
def test_our_context_is_merged_in_and_made_current(old: dict[str, Any] | None, expected: list[str]) -> None:
    result = kubeconfig.merged(old, config("kijabi-a"))
    assert names(result) == expected
    assert result["current-context"] == "kijabi-a"
    assert result["clusters"][-1]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_merging_keeps_what_it_does_not_know() -> None:
    old = {**config("work"), "preferences": {"colors": True}, "extensions": [{"name": "x"}]}
    result = kubeconfig.merged(old, config("kijabi-a"))
    assert result["preferences"] == {"colors": True}
    assert result["extensions"] == [{"name": "x"}]


def test_removing_takes_only_ours_and_unsets_it_as_current() -> None:
    both = kubeconfig.merged(config("work"), config("kijabi-a"))
    rest = kubeconfig.without(both, "kijabi-a")
    assert rest is not None
    assert names(rest) == ["work"]
    assert rest["current-context"] == ""


def test_removing_leaves_another_current_context_alone() -> None:
    both = {**kubeconfig.merged(config("work"), config("kijabi-a")), "current-context": "work"}
    rest = kubeconfig.without(both, "kijabi-a")
    assert rest is not None
    assert rest["current-context"] == "work"


@pytest.mark.parametrize("old", [None, {}, config("work")], ids=["none", "empty", "strangers only"])
def test_there_is_nothing_to_remove(old: dict[str, Any] | None) -> None:
    assert kubeconfig.without(old, "kijabi-a") is None


def test_the_variable_lists_files_and_the_first_that_exists_gets_the_new_context(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    listed = kubeconfig.files({"KUBECONFIG": f"{first}::{second}:{first}"}, tmp_path)
    assert listed == [first, second]
    assert kubeconfig.file_for_new(listed) == second
    second.write_text("")
    assert kubeconfig.file_for_new(listed) == second
    first.write_text("")
    assert kubeconfig.file_for_new(listed) == first


def test_without_the_variable_it_is_the_one_at_home(tmp_path: Path) -> None:
    assert kubeconfig.files({}, tmp_path) == [tmp_path / ".kube/config"]


def test_a_file_is_written_for_its_owner_alone_and_no_lock_stays(tmp_path: Path) -> None:
    path = kubeconfig.add(config("kijabi-a"), [tmp_path / ".kube/config"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["config"]
    assert kubeconfig.remove("kijabi-a", [path]) == [path]
    assert yamls.loads(path.read_bytes())["contexts"] == []


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles", tmp_path / "config"
    target.write_text(yamls.dumps(config("work")))
    link.symlink_to(target)
    kubeconfig.add(config("kijabi-a"), [link])
    assert link.is_symlink()
    assert names(yamls.loads(target.read_bytes())) == ["work", "kijabi-a"]


def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("a: [")
    with pytest.raises(errors.ClusterError, match="is not a kubeconfig"):
        kubeconfig.add(config("kijabi-a"), [path])
    assert path.read_text() == "a: ["
