from pathlib import Path

import pytest

from kijabi.cluster import addons, components, programs, state
from kijabi.cluster.supervisor import plan


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIJABI_STATE", str(tmp_path))


def a_cluster(runtime: state.Runtime, index: int = 0) -> state.Cluster:
    ports = {"apiserver": 6443, "scheduler": 10259, "controller-manager": 10257}
    nodes = [state.Node("node-1", 1, ports={"kubelet": 40001}), state.Node("node-2", 2, ports={"kubelet": 40002})]
    return state.Cluster(f"c{index}", index, runtime, "sqlite", "172.29.0.1", ports, nodes)


def every_component(cluster: state.Cluster) -> list[plan.Component]:
    made = [components.apiserver(cluster), components.controller_manager(cluster), components.scheduler(cluster)]
    return made + [agent for node in cluster.nodes for agent in components.agents(cluster, node)]


@pytest.mark.parametrize("runtime", ["containerd", "hollow"])
def test_every_program_takes_the_options_it_is_given(runtime: state.Runtime) -> None:
    for component in every_component(a_cluster(runtime)):
        assert programs.options(programs.load(component.program), component.options)


@pytest.mark.parametrize("runtime", ["containerd", "hollow"])
def test_components_of_a_cluster_have_names_and_logs_of_their_own(runtime: state.Runtime) -> None:
    made = every_component(a_cluster(runtime))
    assert len({component.name for component in made}) == len(made)
    assert all(Path(component.log).stem == component.name for component in made)


def test_agents_run_in_their_nodes_namespace_and_the_control_plane_does_not() -> None:
    made = {component.name: component.namespace for component in every_component(a_cluster("containerd"))}
    assert made["apiserver"] == ""
    assert made["proxy-node-2"].endswith("/node-2/netns")


def test_without_containers_only_kubelets_run_on_nodes() -> None:
    made = every_component(a_cluster("hollow"))
    assert [component.name for component in made if component.node] == ["kubelet-node-1", "kubelet-node-2"]
    assert not any(component.namespace for component in made)


def test_what_is_ended_of_a_node_is_what_was_started() -> None:
    cluster = a_cluster("containerd")
    node = cluster.nodes[0]
    started = [*components.agents(cluster, node), components.containerd(cluster, node)]
    assert components.names_of_node(node) == [component.name for component in started]


def test_two_clusters_and_two_nodes_share_no_cgroup() -> None:
    one, two = a_cluster("containerd", 0), a_cluster("containerd", 1)
    found = {components.cgroup(cluster, node) for cluster in (one, two) for node in cluster.nodes}
    assert len(found) == 4


def test_the_dns_service_stands_for_the_running_nodes_agents() -> None:
    cluster = a_cluster("containerd")
    service, made = addons.dns_service(cluster), addons.dns_slice(cluster, cluster.nodes[:1])
    assert service["spec"]["clusterIP"] == "10.96.0.10"
    assert [(one["nodeName"], one["addresses"]) for one in made["endpoints"]] == [("node-1", ["172.29.0.2"])]
    assert [port["name"] for port in made["ports"]] == [port["name"] for port in service["spec"]["ports"]]
