"""Bring a cluster up and take it down: the order of the steps.

Up: record → packages → bridge → keys → supervisor with the API server and every containerd, side by side → when the
API server is ready: controllers, scheduler, first objects, agents → wait until the nodes are Ready. Each step looks at
what is there and does what is missing, so ``up`` also repairs and extends.

Down trusts nothing: it asks the supervisor to end, then sweeps the machine for whatever carries the cluster's name.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

from kijabi.api import errors as api_errors
from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.cluster import (
    addons,
    addresses,
    allotment,
    authority,
    components,
    direct,
    errors,
    kubeconfig,
    network,
    packages,
    paths,
    state,
)
from kijabi.cluster.nodes import sweep, worker
from kijabi.cluster.supervisor import control

READY_PATIENCE = 30.0
_POLL = 0.02

Report = Callable[[str], None]
"""Called as a step begins, with what it does."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What ``up`` is asked for. ``nodes`` is how many there shall be at least."""

    name: str = state.DEFAULT_NAME
    nodes: int = 1
    runtime: state.Runtime = "containerd"
    store: str = "sqlite"


def up(wish: Wish, report: Report) -> state.Cluster:
    """Raises ``errors.ClusterError`` with what failed; what was reached stays, and another ``up`` goes on from it."""
    state.check_name(wish.name)
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
        supervisor = control.Control(cluster.paths)
        report("control plane")
        supervisor.start()
        supervisor.keep([components.apiserver(cluster)])
        with futures.ThreadPoolExecutor(max_workers=8) as pool:
            running = [node for node in cluster.nodes if not node.stopped]
            made = [pool.submit(worker.make, cluster, node, supervisor) for node in running] if running else []
            api = wait_ready(cluster, supervisor)
            _grant(api)
            supervisor.keep([components.controller_manager(cluster), components.scheduler(cluster)])
            _first_objects(cluster, api, running)
            report(f"{len(running)} node{'s' if len(running) != 1 else ''}")
            for future in made:
                future.result()
        for node in running:
            supervisor.keep(components.agents(cluster, node))
        settle_routes(cluster)
        path = kubeconfig.add(authority.for_user(cluster), kubeconfig.files(os.environ, Path.home()))
        report("waiting for the nodes to be Ready")
        wait_nodes(cluster, api, [node.name for node in running])
        report(f"context {kubeconfig.context_name(cluster.name)} in {path}")
        return cluster


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


def wait_ready(cluster: state.Cluster, supervisor: control.Control, patience: float = READY_PATIENCE) -> direct.Api:
    """Until the API server says it is ready; sooner an error when it does not stay alive."""
    api = direct.Api(cluster.paths.kubeconfig("admin"))
    deadline = time.monotonic() + patience
    before = _restarts(supervisor)
    while True:
        try:
            api.request("GET", "/readyz")
            return api
        except (direct.Unreachable, api_errors.ApiError) as error:
            why = str(error)
        dies = _restarts(supervisor) > before + 2
        if dies or time.monotonic() > deadline:
            log = cluster.paths.logs / "apiserver.log"
            detail = f"{'it keeps dying' if dies else why}; last words: {last_line(log)}"
            raise errors.ClusterError(f"the API server is not ready ({detail}): see {log}")
        time.sleep(_POLL)


def _restarts(supervisor: control.Control) -> int:
    return next((one.restarts for one in supervisor.status() if one.name == "apiserver"), 0)


def wait_nodes(cluster: state.Cluster, api: direct.Api, names: Iterable[str], patience: float = READY_PATIENCE) -> None:
    waiting = set(names)
    deadline = time.monotonic() + patience
    while waiting:
        waiting -= {node["metadata"]["name"] for node in api.list(kinds.NODES) if is_ready(node)}
        if waiting and time.monotonic() > deadline:
            one = sorted(waiting)[0]
            raise errors.ClusterError(f"node {one} does not become Ready ({_complaint(cluster, one)})")
        if waiting:
            time.sleep(_POLL)


def _complaint(cluster: state.Cluster, node: str) -> str:
    """Why a node may not become Ready: an agent that does not run, or else the kubelet's last words."""
    for one in control.Control(cluster.paths).status():
        if one.node == node and one.phase != "running":
            return f"{one.name}: {one.last_exit or one.phase}; see {one.log}"
    log = cluster.paths.logs / f"kubelet-{node}.log"
    return f"last words of its kubelet: {last_line(log)}; see {log}"


def is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def settle_routes(cluster: state.Cluster, gone: Iterable[int] = ()) -> None:
    """The host's routes for exactly the nodes that are not stopped."""
    if not cluster.in_namespaces:
        return
    running = [node.number for node in cluster.nodes if not node.stopped]
    network.set_routes(cluster.plan, running, [*gone, *(node.number for node in cluster.nodes if node.stopped)])


def last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "none"
    return "none"


def _record(wish: Wish) -> state.Cluster:
    with state.allotting():
        cluster = state.load(wish.name)
        if cluster is None:
            cluster = allotment.allot(wish.name, wish.runtime, wish.store)
        elif cluster.runtime != wish.runtime:
            raise errors.ClusterError(
                f"cluster {wish.name} exists with runtime {cluster.runtime}: `kijabi down --name {wish.name}` first"
            )
        while len(cluster.nodes) < wish.nodes:
            allotment.add_node(cluster)
        state.save(cluster)
        return cluster


def _grant(api: direct.Api) -> None:
    """Before the controllers start: a refused one would back off."""
    api.ensure(kinds.CLUSTER_ROLES, addons.controller_role(api.list(kinds.CLUSTER_ROLES)))
    api.ensure(kinds.CLUSTER_ROLE_BINDINGS, addons.controller_binding())


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


def _start_node(cluster: state.Cluster, node: state.Node) -> None:
    supervisor = control.Control(cluster.paths)
    api = wait_ready(cluster, supervisor)
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
    wait_nodes(cluster, api, [node.name])


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


def _node_names(place: paths.Cluster) -> set[str]:
    """Every node that left a trace, on record or not."""
    roots = (place.state / "nodes", place.run / "nodes")
    return {entry.name for root in roots if root.is_dir() for entry in root.iterdir()}
