"""A cluster whose store is etcd, by its plan: nothing is started."""

from pathlib import Path

import pytest

from kijabi.cluster import allotment, authority, components, etcd, state


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> state.Cluster:
    monkeypatch.setenv("KIJABI_STATE", str(tmp_path))
    return allotment.allot("x", "hollow", "etcd")


def test_only_the_api_server_is_let_in(cluster: state.Cluster) -> None:
    authority.ensure(cluster)
    command = etcd.component(cluster, Path("/usr/bin/etcd")).command
    assert "--client-cert-auth" in command
    client = command[command.index("--listen-client-urls") + 1]
    assert client == f"https://127.0.0.1:{cluster.ports['etcd']}"
    chosen = components.apiserver(cluster).options
    assert chosen["etcd_servers"] == (client,)
    for flag in ("etcd_cafile", "etcd_certfile", "etcd_keyfile"):
        assert Path(chosen[flag]).exists()
    assert "store" not in chosen


def test_two_such_clusters_have_ports_of_their_own(cluster: state.Cluster) -> None:
    state.save(cluster)
    other = allotment.allot("y", "hollow", "etcd")
    assert not set(cluster.ports.values()) & set(other.ports.values())
