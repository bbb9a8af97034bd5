"""The nodes of a cluster that runs: add, start, stop, kill, remove."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from kijabi.api import kinds
from kijabi.cluster import addons, allotment, authority, components, direct, errors, network, state, waiting
from kijabi.cluster.nodes import sweep, worker
from kijabi.cluster.supervisor import control

Report = Callable[[str], None]
"""Called as a step begins, with what it does."""


def add_node(name: str, node_name: str, report: Report) -> state.Node:
    with state.locked(name):
        cluster = state.must_load(name)
        with state.allotting():
            node = allotment.add_node(cluster, node_name)
            state.save(cluster)
        report(f"starting {node.name}")
        _start_node(cluster, node)
        return node


def start_node(name: str, node_name: str, report: Report) -> None:
    with state.locked(name):
        cluster = state.must_load(name)
        node = cluster.node(node_name)
        node.stopped = False
        state.save(cluster)
        report(f"starting {node.name}")
        _start_node(cluster, node)


def stop_node(name: str, node_name: str, report: Report, *, kill: bool = False) -> None:
    """As a machine that is shut down, or (``kill``) one that loses its power. Its Node object and its disk stay."""
    with state.locked(name):
        cluster = state.must_load(name)
        node = cluster.node(node_name)
        node.stopped = True
        state.save(cluster)
        report(f"{'killing' if kill else 'stopping'} {node.name}")
        _halt(cluster, node, kill=kill)
        settle_routes(cluster)
        _tell_dns(cluster)


def remove_node(name: str, node_name: str, report: Report) -> None:
    with state.locked(name):
        cluster = state.must_load(name)
        node = cluster.node(node_name)
        report(f"removing {node.name}")
        _halt(cluster, node, kill=True)
        cluster.nodes.remove(node)
        state.save(cluster)
        settle_routes(cluster, gone=[node.number])
        _tell_dns(cluster)
        with contextlib.suppress(errors.NotRunning):
            direct.Api(cluster.paths.kubeconfig("admin")).delete(kinds.NODES, node.name)
        place = cluster.paths.node(node.name)
        sweep.remove_files([place.run, place.state])
        authority.forget_node(cluster, node)


def settle_routes(cluster: state.Cluster, gone: Iterable[int] = ()) -> None:
    """The host's routes for exactly the nodes that are not stopped."""
    if not cluster.in_namespaces:
        return
    running = [node.number for node in cluster.nodes if not node.stopped]
    network.set_routes(cluster.plan, running, [*gone, *(node.number for node in cluster.nodes if node.stopped)])


def _start_node(cluster: state.Cluster, node: state.Node) -> None:
    supervisor = control.Control(cluster.paths)
    api = waiting.wait_ready(cluster, supervisor)
    authority.ensure(cluster)
    if api.get(kinds.NODES, node.name) is None:
        api.ensure(kinds.NODES, addons.node(cluster, node))
    worker.make(cluster, node, supervisor)
    for other in cluster.nodes:
        # The others learn the way to its pods.
        if other is not node and not other.stopped and cluster.in_namespaces:
            worker.connect(cluster, other)
    supervisor.keep(components.agents(cluster, node))
    settle_routes(cluster)
    _tell_dns(cluster)
    waiting.wait_nodes(cluster, api, [node.name])


def _halt(cluster: state.Cluster, node: state.Node, *, kill: bool) -> None:
    if kill and cluster.in_namespaces:
        network.remove_node(cluster.plan, node.number)
    with contextlib.suppress(errors.NotRunning):
        control.Control(cluster.paths).remove(components.names_of_node(node), grace=0.0 if kill else 5.0)
    if cluster.in_namespaces:
        sweep.sweep([cluster.paths.node(node.name)], components.cgroup(cluster, node))
        # The namespace is gone, and its end of the cable will be when the kernel gets to it; a start must not see it.
        network.remove_node(cluster.plan, node.number)


def _tell_dns(cluster: state.Cluster) -> None:
    running = [node for node in cluster.nodes if not node.stopped]
    with contextlib.suppress(errors.NotRunning):
        if cluster.in_namespaces:
            api = direct.Api(cluster.paths.kubeconfig("admin"))
            api.ensure(kinds.ENDPOINT_SLICES, addons.dns_slice(cluster, running))
