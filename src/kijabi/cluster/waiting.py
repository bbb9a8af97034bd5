"""Wait until a cluster is what it shall be, or say why it does not become so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from kijabi.api import errors as api_errors
from kijabi.api import kinds
from kijabi.api.resource import Object
from kijabi.cluster import direct, errors, state
from kijabi.cluster.supervisor import control

READY_PATIENCE = 30.0
_POLL = 0.02


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


def last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "none"
    return "none"
