from pathlib import Path

import pytest

from kijabi.cluster import allotment, authority, errors, packages, state
from kijabi.kit import pki, yamls


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIJABI_STATE", str(tmp_path))


def hollow(name: str, nodes: int = 1) -> state.Cluster:
    with state.allotting():
        cluster = allotment.allot(name, "hollow", "sqlite")
        for _ in range(nodes):
            allotment.add_node(cluster)
        state.save(cluster)
    return cluster


def test_what_is_saved_is_loaded() -> None:
    assert state.load("a") is None
    made = hollow("a", nodes=2)
    assert state.load("a") == made
    assert state.names() == ["a"]


def test_two_clusters_share_no_index_and_no_port() -> None:
    one, two = hollow("a", nodes=3), hollow("b", nodes=3)
    assert one.index != two.index
    ports = [
        port
        for made in (one, two)
        for port in (*made.ports.values(), *(p for n in made.nodes for p in n.ports.values()))
    ]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a" * 33, "../a", "a/b"])
def test_a_name_that_could_not_be_a_directory_or_a_context_is_refused(name: str) -> None:
    with pytest.raises(errors.ClusterError, match="cannot be a name"):
        state.check_name(name)


def test_a_record_that_cannot_be_read_says_how_to_go_on() -> None:
    made = hollow("a")
    made.paths.record.write_text("{")
    with pytest.raises(errors.ClusterError, match="kijabi down --name a"):
        state.load("a")


def test_nodes_are_named_and_numbered() -> None:
    cluster = hollow("a", nodes=2)
    cluster.nodes.pop(0)
    assert allotment.add_node(cluster).name == "node-1"
    assert allotment.add_node(cluster, "gpu").number == 3
    with pytest.raises(errors.ClusterError, match="already has a node gpu"):
        allotment.add_node(cluster, "gpu")


def test_keys_are_made_once_and_under_upstreams_names() -> None:
    cluster = hollow("a")
    authority.ensure(cluster)
    place = cluster.paths
    before = {path: path.read_bytes() for path in [*place.pki.iterdir(), *place.state.glob("*.conf")]}
    authority.ensure(cluster)
    assert before == {path: path.read_bytes() for path in before}
    assert {path.name for path in before} >= {
        "ca.crt", "ca.key", "apiserver.crt", "apiserver.key", "apiserver-kubelet-client.crt", "front-proxy-ca.crt",
        "front-proxy-client.crt", "sa.key", "sa.pub", "admin.conf", "controller-manager.conf", "scheduler.conf",
        "kubelet-node-1.conf",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in before if path.suffix in (".key", ".conf"))


def test_a_kubelet_is_its_node_in_the_group_of_nodes() -> None:
    cluster = hollow("a")
    authority.ensure(cluster)
    assert authority.users(cluster)["kubelet-node-1"] == authority.User("system:node:node-1", ("system:nodes",))
    certificate = pki.read(cluster.paths.pki, "kubelet-node-1").certificate
    assert certificate.subject.rfc4514_string() == "CN=system:node:node-1"


def test_the_users_kubeconfig_goes_by_the_contexts_name() -> None:
    cluster = hollow("a")
    authority.ensure(cluster)
    made = authority.for_user(cluster)
    names = [made[section][0]["name"] for section in ("clusters", "users", "contexts")]
    assert [*names, made["current-context"]] == ["kijabi-a"] * 4
    assert yamls.loads(yamls.dumps(made))["clusters"][0]["cluster"]["server"] == cluster.server


def test_only_missing_packages_are_installed_and_each_once() -> None:
    there = {"runc"}
    assert packages.missing({"runc": "runc", "containerd": "containerd", "ctr": "containerd"}, there.__contains__) == [
        "containerd"
    ]
