"""Services end to end: from the host, from pods of either node, by address and by name."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from kubectls import Kubectl, deployment, nginx, pod, service

pytestmark = pytest.mark.e2e

# Answers with the address the request came from and the pod that answers.
WHO = r"""mkdir -p /www/cgi-bin
printf '#!/bin/sh\necho\necho $REMOTE_ADDR $HOSTNAME\n' >/www/cgi-bin/who
chmod +x /www/cgi-bin/who
exec httpd -f -p 8080 -h /www"""


def server(name: str, app: str, node: str, **spec: Any) -> dict[str, Any]:
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    container = {"ports": [{"name": "web", "containerPort": 8080}], "readinessProbe": probe}
    place = {"kubernetes.io/hostname": node}
    return pod(name, WHO, labels={"app": app}, container=container, nodeSelector=place, **spec)


@dataclass(frozen=True, slots=True)
class Answer:
    source: str
    pod: str


def read(text: str) -> Answer:
    source, name = text.split()
    return Answer(source.strip("[]").removeprefix("::ffff:"), name)


@dataclass(frozen=True, slots=True)
class Town:
    """``who-1`` and ``who-2`` serve on their node, ``client-1`` and ``client-2`` ask from there."""

    kubectl: Kubectl
    nodes: dict[str, str]

    def ip(self, name: str) -> str:
        return str(self.kubectl.get(f"pod {name}", ".status.podIP"))

    def ask(self, address: str, *, client: str = "", port: int = 80) -> Answer:
        """From the host, or from a pod."""
        if client:
            url = f"http://{address}:{port}/cgi-bin/who"
            return read(self.kubectl("exec", client, "--", "timeout", "5", "wget", "-q", "-O", "-", url))
        connection = http.client.HTTPConnection(address, port, timeout=5)
        try:
            connection.request("GET", "/cgi-bin/who")
            return read(connection.getresponse().read().decode())
        finally:
            connection.close()

    def service(self, name: str, app: str = "who", **spec: Any) -> dict[str, Any]:
        """The Service, when every node has heard of it: a change of its rules is seen within milliseconds."""
        self.kubectl.apply(service(name, app, 80, "web", **spec))
        return dict(self.kubectl.get(f"service {name}")["spec"])


def eventually(condition: Any, patience: float = 10.0) -> None:
    """What a proxy or a DNS agent does has no condition that could be waited for."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if condition():
                return
            problem: object = "it is not so"
        except (OSError, AssertionError, http.client.HTTPException) as error:
            problem = error
        assert time.monotonic() < deadline, problem
        threading.Event().wait(0.05)


@pytest.fixture(scope="module")
def town(admin: Kubectl) -> Town:
    admin.apply(
        server("who-1", "who", "node-1"),
        server("who-2", "who", "node-2"),
        server("lonely", "lonely", "node-1"),
        *(pod(f"client-{n}", nodeSelector={"kubernetes.io/hostname": f"node-{n}"}) for n in (1, 2)),
    )
    admin.wait_ready("who-1", "who-2", "lonely", "client-1", "client-2")
    nodes = admin.get("nodes")["items"]
    return Town(admin, {node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in nodes})


def test_pods_reach_each_other_across_nodes_as_themselves(town: Town) -> None:
    for client, target in (("client-1", "who-2"), ("client-2", "who-1"), ("client-1", "who-1")):
        assert town.ask(town.ip(target), client=client, port=8080) == Answer(town.ip(client), target)


def test_a_cluster_ip_spreads_over_every_endpoint(town: Town) -> None:
    ip = town.service("spread")["clusterIP"]
    eventually(lambda: town.ask(ip))
    assert {town.ask(ip).pod for _ in range(24)} == {"who-1", "who-2"}
    # A pod keeps its address when it asks.
    assert town.ask(ip, client="client-1").source == town.ip("client-1")


def test_a_pod_reaches_itself_through_its_service(town: Town) -> None:
    ip = town.service("mirror", "lonely")["clusterIP"]
    eventually(lambda: town.ask(ip, client="lonely").pod == "lonely")


def test_a_node_port_is_open_on_every_node(town: Town) -> None:
    port = town.service("port", "lonely", type="NodePort")["ports"][0]["nodePort"]
    for address in town.nodes.values():
        eventually(lambda address=address: town.ask(address, port=port).pod == "lonely")
    assert town.ask(town.nodes["node-2"], client="client-1", port=port).pod == "lonely"


def test_session_affinity_keeps_a_client_with_its_pod(town: Town) -> None:
    ip = town.service("sticky", sessionAffinity="ClientIP")["clusterIP"]
    eventually(lambda: town.ask(ip, client="client-1"))
    assert len({town.ask(ip, client="client-1").pod for _ in range(6)}) == 1


def test_external_policy_local_keeps_the_source_and_the_node(town: Town) -> None:
    port = town.service("outside", type="NodePort", externalTrafficPolicy="Local")["ports"][0]["nodePort"]
    host = re.sub(r"\d+$", "1", town.nodes["node-1"])
    for name, address in town.nodes.items():
        own = f"who-{name[-1]}"
        eventually(lambda address=address, own=own: town.ask(address, port=port) == Answer(host, own))
        assert {town.ask(address, port=port).pod for _ in range(6)} == {own}


def test_external_policy_local_drops_where_nothing_is(town: Town) -> None:
    port = town.service("nowhere", "lonely", type="NodePort", externalTrafficPolicy="Local")["ports"][0]["nodePort"]
    eventually(lambda: town.ask(town.nodes["node-1"], port=port).pod == "lonely")
    with pytest.raises(TimeoutError), socket.create_connection((town.nodes["node-2"], port), timeout=0.5):
        pass


def test_internal_policy_local_stays_on_the_node(town: Town) -> None:
    ip = town.service("inside", internalTrafficPolicy="Local")["clusterIP"]
    for number in (1, 2):
        eventually(lambda number=number: town.ask(ip, client=f"client-{number}").pod == f"who-{number}")
        assert {town.ask(ip, client=f"client-{number}").pod for _ in range(4)} == {f"who-{number}"}


def test_a_service_without_endpoints_refuses_at_once(town: Town) -> None:
    spec = town.service("empty", "nobody", type="NodePort")
    targets = [(spec["clusterIP"], 80), (town.nodes["node-1"], spec["ports"][0]["nodePort"])]

    def refuses(address: str, port: int) -> bool:
        try:
            socket.create_connection((address, port), timeout=2).close()
        except ConnectionRefusedError:
            return True
        return False

    for address, port in targets:
        eventually(lambda address=address, port=port: refuses(address, port))
    began = time.monotonic()
    # Each attempt of many, not one a second.
    assert all(refuses(address, port) for address, port in targets for _ in range(20))
    told = town.kubectl.run("exec", "client-1", "--", "wget", "-q", "-O", "-", f"http://{spec['clusterIP']}/")
    assert "Connection refused" in told.err
    assert time.monotonic() - began < 2


def test_endpoints_come_and_go(town: Town) -> None:
    ip = town.service("coming", "guest")["clusterIP"]
    town.kubectl.apply(server("guest", "guest", "node-2"))
    town.kubectl.wait_ready("guest")
    eventually(lambda: town.ask(ip).pod == "guest")
    town.kubectl("delete pod guest --grace-period=1")
    with pytest.raises(ConnectionRefusedError):
        town.ask(ip)


def test_a_pod_on_the_host_network_has_its_nodes_address(town: Town) -> None:
    town.kubectl.apply(server("hosted", "hosted", "node-2", hostNetwork=True))
    town.kubectl.wait_ready("hosted")
    assert town.ip("hosted") == town.nodes["node-2"]
    assert town.ask(town.nodes["node-2"], port=8080).source.endswith(".1")
    ip = town.service("hosted", "hosted")["clusterIP"]
    eventually(lambda: town.ask(ip, client="client-1"))
    town.kubectl("delete pod hosted --wait=false")


def lookup(town: Town, name: str, kind: str = "") -> str:
    words = ["nslookup", *([f"-type={kind}"] if kind else []), name]
    return town.kubectl.run("exec", "client-1", "--", *words).out


def test_names_lead_to_services(town: Town) -> None:
    ns = town.kubectl.namespace
    ip = town.service("named")["clusterIP"]
    for name in ("named", f"named.{ns}", f"named.{ns}.svc", f"named.{ns}.svc.cluster.local"):
        eventually(lambda name=name: town.ask(name, client="client-1"))
        assert town.ask(name, client="client-2").pod in ("who-1", "who-2")
    full = f"named.{ns}.svc.cluster.local"
    assert ip in lookup(town, full)
    assert re.search(rf"service = \d+ \d+ 80 {re.escape(full)}", lookup(town, f"_http._tcp.{full}", "srv"))
    assert f"name = {full}" in lookup(town, ip)
    assert "NXDOMAIN" in lookup(town, f"none.{ns}.svc.cluster.local")


def test_a_headless_service_names_its_pods(town: Town) -> None:
    ns = town.kubectl.namespace
    town.kubectl.apply(
        service("headless", "fellow", 80, "web", clusterIP="None"),
        server("fellow", "fellow", "node-1", hostname="fred", subdomain="headless"),
    )
    town.kubectl.wait_ready("fellow")
    full = f"headless.{ns}.svc.cluster.local"
    eventually(lambda: town.ip("fellow") in lookup(town, full))
    assert town.ip("fellow") in lookup(town, f"fred.{full}")
    assert re.search(rf"service = \d+ \d+ 8080 fred\.{re.escape(full)}", lookup(town, f"_http._tcp.{full}", "srv"))
    assert town.kubectl("exec fellow -- hostname -f").strip() == f"fred.{full}"
    assert town.ask(f"fred.headless.{ns}", client="client-2", port=8080).pod == "fred"
    town.service("both")
    headless = service("everyone", "who", 80, "web", clusterIP="None")
    town.kubectl.apply(headless)
    both = f"everyone.{ns}.svc.cluster.local"
    eventually(lambda: all(town.ip(name) in lookup(town, both) for name in ("who-1", "who-2")))


def test_an_external_name_is_an_alias(town: Town) -> None:
    ns = town.kubectl.namespace
    target = f"named.{ns}.svc.cluster.local"
    town.service("named")
    alias = {"type": "ExternalName", "externalName": target}
    town.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias"}, "spec": alias})
    eventually(lambda: f"canonical name = {target}" in lookup(town, f"alias.{ns}.svc.cluster.local"))
    eventually(lambda: town.ask("alias", client="client-1"))


def test_a_rolling_update_loses_no_request(town: Town) -> None:
    # Long enough for every proxy to have heard before nginx stops to listen.
    linger = {"preStop": {"sleep": {"seconds": 1}}}
    kubectl = town.kubectl
    kubectl.apply(
        deployment("rolled", 2, nginx("rolled", lifecycle=linger), strategy={"rollingUpdate": {"maxUnavailable": 0}}),
        service("rolled", "rolled", 80, 80),
    )
    kubectl("rollout status deployment/rolled --timeout=30s")
    ip = kubectl.get("service rolled", ".spec.clusterIP")
    failures: list[str] = []
    counted = 0
    over = threading.Event()

    def fetch() -> bool:
        connection = http.client.HTTPConnection(ip, 80, timeout=5)
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status == 200

    def load() -> None:
        nonlocal counted
        while not over.wait(0.005):
            try:
                assert fetch()
            except (OSError, AssertionError, http.client.HTTPException) as error:
                failures.append(repr(error))
            counted += 1

    eventually(fetch)
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        kubectl("set image deployment/rolled nginx=docker.io/library/nginx:1")
        kubectl("rollout status deployment/rolled --timeout=60s")
        kubectl("rollout restart deployment/rolled")
        kubectl("rollout status deployment/rolled --timeout=60s")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert counted > 100
