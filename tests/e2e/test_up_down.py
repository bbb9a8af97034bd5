"""A real cluster comes up, serves kubectl, survives what may happen to it, and leaves nothing behind."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kijabi.cluster import packages, paths, state
from kijabi.cluster.nodes import sweep
from machine import kijabi, remains, traces

pytestmark = pytest.mark.e2e


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Short: a socket's path must fit into 107 bytes.
    root = Path(f"/tmp/kj{os.getpid()}")
    packages.install(packages.missing(packages.FOR_NODES))
    monkeypatch.setenv("KIJABI_STATE", str(root))
    monkeypatch.setenv("KUBECONFIG", str(root / "kubeconfig"))
    yield root
    for name in state.names():
        kijabi("down", "--name", name, "--quiet")
    shutil.rmtree(root, ignore_errors=True)


def test_down_leaves_nothing_behind(home: Path) -> None:
    before = traces()
    kijabi("up", "--name", "one", "--nodes", "2")
    status = json.loads(kijabi("status", "--name", "one", "-o", "json"))[0]
    assert [node["state"] for node in status["nodes"]] == ["Ready", "Ready"]
    assert {component["phase"] for component in status["components"]} == {"running"}
    kijabi("down", "--name", "one")
    assert traces() == before
    place = paths.cluster("one")
    assert not place.state.exists()
    assert not place.run.exists()
    assert remains(home) == []


def test_two_clusters_live_side_by_side(home: Path) -> None:
    kijabi("up", "--name", "one")
    kijabi("up", "--name", "two")
    for name in ("one", "two"):
        status = json.loads(kijabi("status", "--name", name, "-o", "json"))[0]
        assert status["healthy"], status
    kijabi("down", "--name", "one")
    assert json.loads(kijabi("status", "--name", "two", "-o", "json"))[0]["healthy"]


def test_down_needs_no_record(home: Path) -> None:
    before = traces()
    kijabi("up", "--name", "one")
    paths.cluster("one").record.write_text("{")
    kijabi("down", "--name", "one")
    assert traces() == before
    assert state.names() == []


def test_up_repairs_what_lost_its_supervisor(home: Path) -> None:
    kijabi("up", "--name", "one")
    place = paths.cluster("one")
    daemon = next(
        process.pid
        for process in sweep.list_processes()
        if str(place.socket) in process.arguments and process.parent == 1
    )
    os.kill(daemon, signal.SIGKILL)
    kijabi("up", "--name", "one")
    assert json.loads(kijabi("status", "--name", "one", "-o", "json"))[0]["healthy"]


def test_a_node_is_added_killed_and_removed(home: Path) -> None:
    kijabi("up", "--name", "one")
    assert kijabi("node", "add", "--name", "one").strip() == "node-2"
    kijabi("node", "kill", "node-2", "--name", "one")
    cluster = state.must_load("one")
    assert [node.stopped for node in cluster.nodes] == [False, True]
    kijabi("node", "start", "node-2", "--name", "one")
    kijabi("node", "rm", "node-2", "--name", "one")
    assert [node.name for node in state.must_load("one").nodes] == ["node-1"]
