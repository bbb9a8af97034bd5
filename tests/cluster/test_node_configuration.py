import tomllib
from pathlib import Path

from kijabi.cluster import addresses, paths
from kijabi.cluster.nodes import cni, containerd

PLACE = paths.Node(Path("/state/node-1"), Path("/run/node-1"))


def test_the_configuration_is_toml_that_says_the_same() -> None:
    document = containerd.settings(PLACE, containerd.Abilities())
    assert tomllib.loads(containerd.toml(document)) == document


def test_two_nodes_share_no_path() -> None:
    other = paths.Node(Path("/state/node-2"), Path("/run/node-2"))
    text = containerd.toml(containerd.settings(other, containerd.Abilities()))
    assert "node-1" not in text
    assert "/run/containerd" not in text
    assert "/var/lib/containerd" not in text


def test_containerd_is_told_what_the_machine_cannot_do() -> None:
    poor = containerd.Abilities(overlay=False, lower_oom_scores=False, apparmor=False, runtime="crun")
    cri = containerd.settings(PLACE, poor)["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["containerd"]["snapshotter"] == "native"
    assert cri["restrict_oom_score_adj"] is True
    assert cri["disable_apparmor"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "crun"


def test_pods_get_addresses_of_their_node() -> None:
    made = cni.configuration(PLACE, addresses.Plan(0).node_pods(2), host_ports=False)
    assert [plugin["type"] for plugin in made["plugins"]] == ["ptp"]
    assert made["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.2.0/24"}]]


def test_host_ports_need_iptables() -> None:
    made = cni.configuration(PLACE, addresses.Plan(0).node_pods(2), host_ports=True)
    assert [plugin["type"] for plugin in made["plugins"]] == ["ptp", "portmap"]
