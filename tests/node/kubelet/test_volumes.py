"""Volumes: atomic updates, what is in them, safe sub-paths, host path checks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kijabi.node.kubelet.volumes import atomic, content, setup, subpath

POD: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "main"}]},
}
SOURCES = content.Sources(
    config_map={"settings": {"a": b"1", "b": b"2"}}.get,
    secret={"keys": {"t": b"s"}}.get,
    token=lambda request: f"token for {request.audience}",
)


def file(text: str, mode: int = 0o644) -> atomic.File:
    return atomic.File(text.encode(), mode)


def test_files_appear_through_the_data_link(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {"key": file("one"), "deep/er": file("x", 0o400)})
    assert (tmp_path / "key").read_text() == "one"
    assert os.readlink(tmp_path / "key") == "..data/key"
    assert (tmp_path / "deep" / "er").stat().st_mode & 0o777 == 0o400


def test_an_update_replaces_the_whole_set(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"key": file("one"), "old": file("x")})
    before = os.readlink(tmp_path / "..data")
    assert atomic.write(tmp_path, {"key": file("two"), "new": file("y")})
    assert (tmp_path / "key").read_text() == "two"
    assert not os.path.lexists(tmp_path / "old")
    assert (tmp_path / "new").read_text() == "y"
    assert not (tmp_path / before).exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"key": file("one")}, False, id="the same"),
        pytest.param({"key": file("two")}, True, id="content"),
        pytest.param({"key": file("one", 0o600)}, True, id="mode"),
        pytest.param({"key": file("one"), "more": file("")}, True, id="another file"),
        pytest.param({}, True, id="nothing left"),
    ],
)
def test_write_tells_whether_anything_changed(tmp_path: Path, change: dict[str, atomic.File], expected: bool) -> None:
    atomic.write(tmp_path, {"key": file("one")})
    assert atomic.write(tmp_path, change) is expected


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        pytest.param({"configMap": {"name": "settings"}}, {"a": ("1", 0o644), "b": ("2", 0o644)}, id="config map"),
        pytest.param(
            {
                "configMap": {
                    "name": "settings",
                    "defaultMode": 0o400,
                    "items": [{"key": "a", "path": "x/y", "mode": 0o440}],
                }
            },
            {"x/y": ("1", 0o440)},
            id="items",
        ),
        pytest.param({"configMap": {"name": "none", "optional": True}}, {}, id="optional"),
        pytest.param({"secret": {"secretName": "keys", "defaultMode": 0o400}}, {"t": ("s", 0o400)}, id="secret"),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"labels": ('app="web"', 0o644)},
            id="downward",
        ),
        pytest.param(
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "audience": "api"}},
                        {"configMap": {"name": "settings", "items": [{"key": "a", "path": "ca.crt"}]}},
                    ]
                }
            },
            {"token": ("token for api", 0o644), "ca.crt": ("1", 0o644)},
            id="projected",
        ),
    ],
)
def test_content(volume: dict[str, Any], expected: dict[str, tuple[str, int]]) -> None:
    made = content.payload(POD, volume, SOURCES)
    assert {path: (found.data.decode(), found.mode) for path, found in made.items()} == expected


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        (
            {"configMap": {"name": "settings", "items": [{"key": "z", "path": "z"}]}},
            "configmap references non-existent config key: z",
        ),
        (
            {"secret": {"secretName": "keys", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent secret key: z",
        ),
    ],
)
def test_missing_content(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(content.Missing, match=message):
        content.payload(POD, volume, SOURCES)


def test_token_belongs_to_whom_the_pod_runs_as() -> None:
    pod = {**POD, "spec": {"containers": [{"name": "main"}], "securityContext": {"runAsUser": 1000}}}
    volume = {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    made = content.payload(pod, volume, SOURCES)["token"]
    assert (made.mode, made.uid) == (0o600, 1000)


@pytest.mark.parametrize("path", ["../outside", "link/secret", "inside/../../outside", "absolute"])
def test_sub_path_cannot_leave_its_volume(tmp_path: Path, path: str) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    (volume / "inside").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("x")
    (volume / "link").symlink_to("../outside")
    (volume / "absolute").symlink_to(outside)
    with pytest.raises(subpath.Escapes):
        os.close(subpath.open_inside(volume, path))


def test_sub_path_follows_links_within_its_volume(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = subpath.open_inside(tmp_path, "link/made", create_mode=0o750)
    assert os.readlink(f"/proc/self/fd/{found}") == str(tmp_path / "real" / "made")
    os.close(found)


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        ("Directory", "is not a directory"),
        ("File", "is not a file"),
        ("Socket", "is not a socket file"),
        ("CharDevice", "is not a character device"),
        ("BlockDevice", "is not a block device"),
    ],
)
def test_host_path_of_the_wrong_type(tmp_path: Path, type_: str, message: str) -> None:
    with pytest.raises(content.Missing, match=message):
        setup.prepare_host_path(str(tmp_path / "absent"), type_)


def test_host_path_is_made_when_asked_for(tmp_path: Path) -> None:
    setup.prepare_host_path(str(tmp_path / "a" / "b"), "DirectoryOrCreate")
    setup.prepare_host_path(str(tmp_path / "file"), "FileOrCreate")
    assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "file").is_file()
