"""Bring a cluster up and take it down: the order of the steps.

Up: record → packages → bridge → keys → supervisor with the API server and every containerd, side by side → when the
API server is ready: controllers, scheduler, first objects, agents → wait until the nodes are Ready. Each step looks at
what is there and does what is missing, so ``up`` also repairs and extends.

Down trusts nothing: it asks the supervisor to end, then sweeps the machine for whatever carries the cluster's name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

from kijabi.api import kinds
from kijabi.cluster import (
    addons,
    addresses,
    allotment,
    authority,
    components,
    direct,
    errors,
    etcd,
    kubeconfig,
    membership,
    network,
    packages,
    paths,
    programs,
    state,
    waiting,
)
from kijabi.cluster.nodes import sweep, worker
from kijabi.cluster.supervisor import control

Report = Callable[[str], None]
"""Called as a step begins, with what it does."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What ``up`` is asked for. ``nodes`` is how many there shall be at least."""

    name: str = state.DEFAULT_NAME
    nodes: int = 1
    runtime: state.Runtime = "containerd"
    # ``sqlite`` or ``etcd``; empty for what the cluster has, sqlite where there is none yet.
    store: str = ""
    # Flags by component and name (``{"apiserver": {"audit-log-path": "/tmp/audit.log"}}``); empty: as they are.
    arguments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def up(wish: Wish, report: Report) -> state.Cluster:
    """Raises ``errors.ClusterError`` with what failed; what was reached stays, and another ``up`` goes on from it."""
    state.check_name(wish.name)
    for component, arguments in wish.arguments.items():
        # Said before anything is started; a component with a flag it does not have would only keep dying.
        programs.read_arguments(programs.load(component), arguments)
    if wish.runtime == "containerd":
        if os.geteuid() != 0:
            raise errors.NeedsRoot("a cluster with containers")
        packages.install(packages.missing(packages.FOR_NODES), report)
    with state.locked(wish.name):
        cluster = _record(wish)
        report("keys and certificates")
        if cluster.in_namespaces:
            network.make_bridge(cluster.plan, cluster.name)
        authority.ensure(cluster)
        running = [node for node in cluster.nodes if not node.stopped]
        api = _start(cluster, running, control.Control(cluster.paths), report)
        membership.settle_routes(cluster)
        path = kubeconfig.add(authority.for_user(cluster), kubeconfig.files(os.environ, Path.home()))
        report("waiting for the nodes to be Ready")
        waiting.wait_nodes(cluster, api, [node.name for node in running])
        report(f"context {kubeconfig.context_name(cluster.name)} in {path}")
        return cluster


def _start(
    cluster: state.Cluster, running: list[state.Node], supervisor: control.Control, report: Report
) -> direct.Api:
    """Every process, the nodes' containerds while the API server starts."""
    report("control plane")
    supervisor.start()
    if cluster.store == "etcd":
        supervisor.keep([etcd.component(cluster, etcd.program(report))])
    supervisor.keep([components.apiserver(cluster)])
    with futures.ThreadPoolExecutor(max_workers=8) as pool:
        made = [pool.submit(worker.make, cluster, node, supervisor) for node in running]
        api = waiting.wait_ready(cluster, supervisor)
        supervisor.keep([components.controller_manager(cluster), components.scheduler(cluster)])
        _first_objects(cluster, api, running)
        report(f"{len(running)} node{'s' if len(running) != 1 else ''}")
        for future in made:
            future.result()
    for node in running:
        supervisor.keep(components.agents(cluster, node))
    return api


def down(name: str, report: Report) -> bool:
    """Whether there was anything. Works on what is half made, and on a record that cannot be read."""
    state.check_name(name)
    place = paths.cluster(name)
    if not place.state.exists() and not place.run.exists():
        kubeconfig.remove(kubeconfig.context_name(name), kubeconfig.files(os.environ, Path.home()))
        return False
    with state.locked(name):
        try:
            cluster = state.load(name)
        except errors.ClusterError:
            cluster = None
        report("ending the components")
        control.Control(place).shutdown(grace=3.0)
        needs_root = cluster is None or cluster.in_namespaces
        if os.geteuid() == 0 and needs_root:
            report("removing containers, namespaces and links")
            sweep.sweep([place.node(node) for node in _node_names(place)], f"/kijabi/{name}")
            index = cluster.index if cluster is not None else network.index_of(name)
            if index is not None:
                network.remove_bridge(addresses.Plan(index))
        kubeconfig.remove(kubeconfig.context_name(name), kubeconfig.files(os.environ, Path.home()))
        sweep.remove_files([place.run, place.state])
    place.lock.unlink(missing_ok=True)
    for directory in (place.run.parent, place.run.parent.parent):
        with contextlib.suppress(OSError):
            directory.rmdir()
    return True


def _record(wish: Wish) -> state.Cluster:
    with state.allotting():
        cluster = state.load(wish.name)
        if cluster is None:
            cluster = allotment.allot(wish.name, wish.runtime, wish.store or "sqlite")
        elif cluster.runtime != wish.runtime:
            raise errors.ClusterError(
                f"cluster {wish.name} exists with runtime {cluster.runtime}: `kijabi down --name {wish.name}` first"
            )
        elif cluster.store != wish.store and wish.store:
            raise errors.ClusterError(
                f"cluster {wish.name} exists with store {cluster.store}: `kijabi down --name {wish.name}` first"
            )
        cluster.arguments.update({who: dict(arguments) for who, arguments in wish.arguments.items() if arguments})
        while len(cluster.nodes) < wish.nodes:
            allotment.add_node(cluster)
        state.save(cluster)
        return cluster


def _first_objects(cluster: state.Cluster, api: direct.Api, running: Iterable[state.Node]) -> None:
    nodes = list(running)
    for node in nodes:
        if api.get(kinds.NODES, node.name) is None:
            api.ensure(kinds.NODES, addons.node(cluster, node))
    api.ensure(kinds.CLUSTER_ROLES, addons.dns_role())
    api.ensure(kinds.CLUSTER_ROLE_BINDINGS, addons.dns_binding())
    api.ensure(kinds.SERVICES, addons.dns_service(cluster))
    if cluster.in_namespaces:
        api.ensure(kinds.ENDPOINT_SLICES, addons.dns_slice(cluster, nodes))


def _node_names(place: paths.Cluster) -> set[str]:
    """Every node that left a trace, on record or not."""
    roots = (place.state / "nodes", place.run / "nodes")
    return {entry.name for root in roots if root.is_dir() for entry in root.iterdir()}
