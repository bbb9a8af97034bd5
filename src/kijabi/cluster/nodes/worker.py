"""Make one local node ready for its agents: namespace, cable, containerd, the sandbox image."""

from __future__ import annotations

from kijabi.cluster import components, network, paths, state
from kijabi.cluster.images import build, recipe
from kijabi.cluster.nodes import cni, containerd, containers
from kijabi.cluster.supervisor import control
from kijabi.kit import jsons


def make(cluster: state.Cluster, node: state.Node, supervisor: control.Control) -> None:
    """Returns when containerd serves and the sandbox image is there. Nothing to do for a hollow node."""
    if not cluster.in_namespaces:
        return
    place = cluster.paths.node(node.name)
    connect(cluster, node)
    configuration = containerd.toml(containerd.settings(place, containerd.abilities())).encode()
    paths.write(place.containerd_config, configuration, mode=0o644)
    pods = cluster.plan.node_pods(node.number)
    paths.write(place.cni / cni.FILE, jsons.dumps(cni.configuration(place, pods, host_ports=cni.can_map_host_ports())))
    supervisor.keep([components.containerd(cluster, node)])
    pause = build.build(recipe.built_in("pause"))
    containers.wait_up(place)
    if not containers.has_image(place, containerd.PAUSE):
        containers.load(place, pause)


def connect(cluster: state.Cluster, node: state.Node) -> None:
    """Its namespace, its cable, and routes to the pods of every other node."""
    everyone = [other.number for other in cluster.nodes]
    network.make_node(cluster.plan, node.number, cluster.paths.node(node.name), everyone)
