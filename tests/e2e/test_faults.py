"""Components are killed and nodes lost: everything is repaired, and nothing that ran is disturbed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from kijabi.cluster import assembly, membership, state
from kijabi.cluster.nodes import sweep
from kijabi.cluster.supervisor import control
from kubectls import Kubectl, deployment, nginx, pod, service

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Ground:
    kubectl: Kubectl
    record: state.Cluster

    def components(self) -> dict[str, control.Status]:
        return {one.name: one for one in control.Control(self.record.paths).status()}

    def kill(self, name: str) -> None:
        """SIGKILL; returns when the supervisor has another one running."""
        before = self.components()[name]
        os.kill(before.pid, signal.SIGKILL)
        until(lambda: self._is_back(name, before.pid), f"{name} is back")

    def _is_back(self, name: str, pid: int) -> bool:
        now = self.components()[name]
        return now.phase == "running" and now.pid != pid

    def containers(self) -> dict[str, tuple[str, int]]:
        """Pod → container id and restarts."""
        found = {}
        for one in self.kubectl.get("pods")["items"]:
            status = one["status"]["containerStatuses"][0]
            found[one["metadata"]["name"]] = (status["containerID"], status["restartCount"])
        return found


def until(condition: Any, what: str, patience: float = 20.0) -> None:
    """For what no API tells of."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not so: {what}"
        threading.Event().wait(0.02)


@pytest.fixture(scope="module")
def ground(own_cluster: Any) -> Ground:
    """Two nginx pods behind a Service, and one on each node that would not forgive a restart."""
    kubectl = own_cluster.kubectl()
    kubectl.apply(
        deployment("web", 2, nginx("web")),
        service("web", "web", 80, 80),
        *(pod(f"steady-{n}", nodeSelector={"kubernetes.io/hostname": f"node-{n}"}) for n in (1, 2)),
    )
    kubectl("rollout status deployment/web --timeout=30s")
    kubectl.wait_ready("steady-1", "steady-2")
    return Ground(kubectl, own_cluster.record)


def works(ground: Ground, name: str) -> None:
    """A new pod gets all the way: through every component once."""
    ground.kubectl.apply(deployment(name, 1, pod(name)))
    ground.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
    ground.kubectl("delete", "deployment", name)
    gone = ("wait", "--for=delete", "pod", "-l", f"app={name}", "--timeout=30s")
    ground.kubectl.run(*gone)


@pytest.mark.parametrize("name", ["scheduler", "controller-manager", "apiserver"])
def test_a_killed_control_plane_component_comes_back(ground: Ground, name: str) -> None:
    before = ground.containers()
    ground.kill(name)
    if name == "apiserver":
        until(lambda: ground.kubectl.run("get", "--raw", "/readyz").code == 0, "the API server is ready")
    works(ground, f"after-{name}")
    now = ground.containers()
    assert {pod: now[pod] for pod in before} == before


@pytest.mark.parametrize("kind", ["kubelet", "containerd", "proxy", "dns"])
def test_a_killed_agent_comes_back_and_adopts_what_runs(ground: Ground, kind: str) -> None:
    before = ground.containers()
    ground.kill(f"{kind}-node-1")
    ground.kubectl("wait --for=condition=Ready node/node-1 --timeout=30s")
    pinned = pod(f"new-{kind}", nodeSelector={"kubernetes.io/hostname": "node-1"})
    ground.kubectl.apply(pinned)
    ground.kubectl.wait_ready(f"new-{kind}")
    web = ground.kubectl.get("service web", ".spec.clusterIP")
    fetch = ("exec", f"new-{kind}", "--", "wget", "-q", "-O", "-", f"http://{web}/")
    until(lambda: ground.kubectl.run(*fetch).code == 0, "the Service is served")
    assert "Welcome to nginx!" in ground.kubectl("exec", f"new-{kind}", "--", "wget", "-q", "-O", "-", "http://web/")
    assert ground.kubectl("exec steady-1 -- echo alive") == "alive\n"
    ground.kubectl("delete", "pod", f"new-{kind}")
    assert ground.containers() == before


def test_a_killed_shim_is_a_container_that_ended(ground: Ground) -> None:
    kubectl = ground.kubectl
    kubectl.apply(pod("shimmed", nodeSelector={"kubernetes.io/hostname": "node-2"}))
    kubectl.wait_ready("shimmed")
    others = {name: ids for name, ids in ground.containers().items() if name != "shimmed"}
    sandbox = _sandbox(ground, "shimmed")
    shim = next(
        process.pid
        for process in sweep.list_processes()
        if "containerd-shim" in process.arguments[0] and sandbox in process.arguments
    )
    os.kill(shim, signal.SIGKILL)
    with kubectl.talk(
        "get", "pod", "shimmed", "-w", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"
    ) as watch:
        watch.expect("[1-9]")
    kubectl.wait_ready("shimmed")
    kubectl("delete pod shimmed")
    assert ground.containers() == others


def _sandbox(ground: Ground, name: str) -> str:
    """The id of a pod's sandbox, out of the command line of its shim's runtime state."""
    uid = ground.kubectl.get(f"pod {name}", ".metadata.uid")
    place = ground.record.paths.node("node-2").containerd_state / "io.containerd.runtime.v2.task/k8s.io"
    for directory in place.iterdir():
        config = (directory / "config.json").read_text()
        if uid in config and '"io.kubernetes.cri.container-type":"sandbox"' in config:
            return directory.name
    raise AssertionError(f"no sandbox of {uid}")


def test_an_api_server_killed_in_a_rollout_loses_nothing(ground: Ground) -> None:
    kubectl = ground.kubectl
    web = kubectl.get("service web", ".spec.clusterIP")
    served: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.wait(0.01):
            try:
                connection = http.client.HTTPConnection(web, 80, timeout=5)
                connection.request("GET", "/")
                served.append(connection.getresponse().status)
                connection.close()
            except OSError:
                served.append(0)

    linger = {"preStop": {"sleep": {"seconds": 2}}}
    settled = {"rollingUpdate": {"maxUnavailable": 0}}
    kubectl.apply(deployment("web", 2, nginx("web", lifecycle=linger), strategy=settled))
    kubectl("rollout status deployment/web --timeout=60s")
    thread = threading.Thread(target=load)
    thread.start()
    try:
        made = [f"made-{number}" for number in range(5)]
        for name in made:
            kubectl("create", "configmap", name)
        kubectl("set image deployment/web nginx=docker.io/library/nginx:1")
        ground.kill("apiserver")
        until(lambda: kubectl.run("get", "--raw", "/readyz").code == 0, "the API server is ready")
        kubectl("rollout status deployment/web --timeout=60s")
    finally:
        over.set()
        thread.join()
    images = ("pods -l app=web", ".items[*].spec.containers[0].image")
    until(lambda: set(kubectl.get(*images).split()) == {"docker.io/library/nginx:1"}, "every pod is new")
    assert set(made) <= set(kubectl.get("cm", ".items[*].metadata.name").split())
    assert set(served) == {200}


def test_a_killed_supervisor_leaves_containers_alone(ground: Ground) -> None:
    before = ground.containers()
    socket = str(ground.record.paths.socket)
    # Its children carry the same command line; itself was started by this process.
    daemon = next(
        process.pid
        for process in sweep.list_processes()
        if socket in process.arguments and process.parent in (1, os.getpid())
    )
    os.kill(daemon, signal.SIGKILL)
    assembly.up(assembly.Wish(ground.record.name, 2), lambda step: None)
    assert {name: one.phase for name, one in ground.components().items()} == dict.fromkeys(
        ground.components(), "running"
    )
    ground.kubectl("wait --for=condition=Ready node --all --timeout=30s")
    assert ground.containers() == before


def test_a_lost_node_is_noticed_and_comes_back(ground: Ground) -> None:
    kubectl = ground.kubectl
    began = time.monotonic()
    with kubectl.talk("get", "node", "node-2", "-w", "--no-headers") as watch:
        membership.stop_node(ground.record.name, "node-2", lambda step: None, kill=True)
        watch.expect("node-2 +NotReady", patience=60)
    assert time.monotonic() - began < 60
    with kubectl.talk("get", "node", "node-2", "-w", "-o", "jsonpath={.spec.taints[*].effect}{'\\n'}") as watch:
        watch.expect("NoExecute")
    taints = kubectl.get("node node-2", ".spec.taints[*].key").split()
    assert "node.kubernetes.io/unreachable" in taints
    assert kubectl.get("pod steady-2", ".status.conditions[?(@.type=='Ready')].status") == "False"

    def only_living() -> bool:
        listed = kubectl.get("endpointslices -l kubernetes.io/service-name=web")["items"]
        ready = [e["nodeName"] for one in listed for e in one["endpoints"] or () if e["conditions"]["ready"]]
        return "node-2" not in ready

    until(only_living, "the Service leads to the living node only")
    membership.start_node(ground.record.name, "node-2", lambda step: None)
    kubectl("wait --for=condition=Ready node/node-2 --timeout=30s")
    with kubectl.talk("get", "node", "node-2", "-w", "-o", "jsonpath={'taints:'}{.spec.taints}{'\\n'}") as watch:
        watch.expect("^taints:$")
    kubectl.wait_ready("steady-2")
    kubectl("rollout status deployment/web --timeout=60s")
    assert re.match("node-2 +Ready", kubectl("get node node-2 --no-headers"))
