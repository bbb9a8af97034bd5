"""kubectl get and describe: what is printed, by every version, in every format."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from kubectls import BUSYBOX, NGINX, Kubectl, deployment, nginx, pod, service

pytestmark = pytest.mark.e2e

WEB = r"web-\w{8,10}-\w{5}"


@pytest.fixture(scope="module")
def shop(kubectl: Kubectl) -> Kubectl:
    """A namespace with something of everything that is looked at."""
    probe = nginx("web", env=[{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "plain", "key": "colour"}}}])
    probe["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "10m", "memory": "8Mi"}}
    meta = {"labels": {"app": "web", "tier": "front"}}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"colour": "blue"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"password": "hunter2"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}},
        deployment("web", 2, probe),
        service("web", "web", 80, 80, type="NodePort"),
        pod("idle", labels={"app": "idle", "tier": "back"}),
        {**pod("done", "echo bye; exit 3"), "spec": {**pod("x", "exit 3")["spec"], "restartPolicy": "Never"}},
    )
    kubectl("label", "deployment/web", *(f"{key}={value}" for key, value in meta["labels"].items()), "--overwrite")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl.wait_ready("idle")
    with kubectl.talk("get", "pod", "done", "-w", "-o", "jsonpath={.status.phase}{'\\n'}") as watch:
        watch.expect("Failed")
    return kubectl


READS = [
    (
        "pods",
        "get pods",
        r"^NAME +READY +STATUS +RESTARTS +AGE\n",
        rf"^{WEB} +1/1 +Running +0 +\d+s$",
        "^done +0/1 +Error",
    ),
    ("no headers", "get pods idle --no-headers", r"\Aidle +1/1 +Running +0 +\d+s\n\Z"),
    (
        "pods wide",
        "get pods -l app=web -o wide",
        "IP +NODE +NOMINATED NODE +READINESS GATES",
        rf"^{WEB} .* 10\.\d+\.\d+\.\d+ +node-[12] +<none> +<none>$",
    ),
    ("short name and slash", "get po/idle", "^idle "),
    (
        "several kinds",
        "get deploy,svc,cm",
        "^deployment.apps/web +2/2 +2 +2",
        "^service/web +NodePort",
        "^configmap/plain +1",
    ),
    ("all", "get all", "^pod/idle", "^service/web", "^deployment.apps/web", r"^replicaset.apps/web-\w+ +2 +2 +2"),
    ("deployments wide", "get deploy web -o wide", "CONTAINERS +IMAGES +SELECTOR", f"nginx +{NGINX} +app=web"),
    ("replica sets", "get rs", "DESIRED +CURRENT +READY +AGE", r"^web-\w+ +2 +2 +2"),
    (
        "services",
        "get svc web",
        r"TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\)",
        r"^web +NodePort +10\.\d.* +<none> +80:3\d{4}/TCP",
    ),
    ("endpoint slices", "get endpointslices", "ADDRESSTYPE +PORTS +ENDPOINTS", r"^web-\w+ +IPv4 +80 +10\.[\d.]+,10\."),
    ("config maps", "get cm plain", r"DATA +AGE\nplain +1 "),
    ("secrets", "get secret hidden", r"TYPE +DATA +AGE\nhidden +Opaque +1 "),
    ("service accounts", "get sa", "^default ", "^robot "),
    ("nodes", "get nodes", "^NAME +STATUS +ROLES +AGE +VERSION\n", r"^node-1 +Ready +<none> +\w+ +v1\.36"),
    ("nodes wide", "get nodes -o wide", "INTERNAL-IP", r"node-2 .* 172\.29\.\d+\.3 .* containerd://"),
    ("namespaces", "get ns default", "^default +Active +"),
    ("every namespace", "get pods -A", "^NAMESPACE +NAME", r"^kubectl-get-\S+ +idle +1/1"),
    ("names", "get pods -l app=idle -o name", r"\Apod/idle\n\Z"),
    ("labels shown", "get pods idle --show-labels", "LABELS", "app=idle,tier=back"),
    ("a label's column", "get pods -L tier", "TIER", "^idle .* back$"),
    ("selector equality", "get pods -l tier=back,app!=web -o name", r"\Apod/idle\n\Z"),
    ("selector sets", "get pods -l 'app in (idle, done),tier' -o name", r"\Apod/idle\n\Z"),
    ("field selector", "get pods --field-selector=status.phase=Failed -o name", r"\Apod/done\n\Z"),
    (
        "field selector not",
        "get pods --field-selector=metadata.name!=done,spec.nodeName!=x -l app=idle -o name",
        "pod/idle",
    ),
    (
        "custom columns",
        "get pods -l app=idle -o custom-columns=N:.metadata.name,P:.status.phase",
        r"\AN +P\nidle +Running\n",
    ),
    ("jsonpath", "get pods -l app=web -o jsonpath='{.items[*].status.phase}'", r"\ARunning Running\Z"),
    ("go template", "get deploy web -o go-template='{{.status.readyReplicas}}'", r"\A2\Z"),
    ("sorted", "get pods --sort-by=.metadata.name -o name", r"\Apod/done\npod/idle\npod/web"),
    ("sorted table", "get pods --sort-by=.metadata.name", r"\ANAME .*\ndone .*\nidle .*\nweb"),
    ("chunks", "get pods --chunk-size=1 -o name", "pod/done", "pod/idle"),
    ("raw", "get --raw /healthz", r"\Aok\Z"),
    ("ignored absence", "get pod nobody --ignore-not-found", r"\A\Z"),
    (
        "events",
        "get events --field-selector=involvedObject.name=idle",
        "LAST SEEN +TYPE +REASON +OBJECT +MESSAGE",
        "Started +pod/idle",
    ),
]

DESCRIBED = [
    (
        "pod",
        "describe pod idle",
        r"^Name: +idle$",
        r"^Node: +node-[12]/172\.29",
        r"^Status: +Running",
        "Container ID: +containerd://",
        r"State: +Running",
        r"Ready +True",
        r"Scheduled .* default-scheduler +Successfully assigned \S+/idle to node-[12]",
        r"Pulled .* kubelet .*Container image \"\S+\" already present",
    ),
    (
        "pod that failed",
        "describe pod done",
        "^Status: +Failed",
        "State: +Terminated",
        "Reason: +Error",
        "Exit Code: +3",
    ),
    (
        "node",
        "describe node node-1",
        "^Name: +node-1$",
        "MemoryPressure +False",
        "KubeletReady",
        "InternalIP: +172.29",
        "^Non-terminated Pods:",
        r"^Allocated resources:",
    ),
    (
        "deployment",
        "describe deploy web",
        "^Replicas: +2 desired | 2 updated | 2 total | 2 available | 0 unavailable",
        "StrategyType: +RollingUpdate",
        "Available +True +MinimumReplicasAvailable",
        r"NewReplicaSet: +web-\w+ \(2/2 replicas created\)",
        r"ScalingReplicaSet .* deployment-controller +Scaled up replica set web-\w+",
    ),
    (
        "replica set",
        "describe rs",
        "^Controlled By: +Deployment/web",
        "Pods Status: +2 Running / 0 Waiting",
        "SuccessfulCreate",
    ),
    ("service", "describe svc web", "^Type: +NodePort", r"^Endpoints: +10\.[\d.]+:80,10\.", "^Session Affinity: +None"),
    ("config map", "describe cm plain", "^Name: +plain", "blue"),
    ("secret", "describe secret hidden", "^Type: +Opaque", "password: +7 bytes"),
    ("service account", "describe sa robot", "^Name: +robot"),
    ("namespace", "describe ns default", "^Status: +Active", "No resource quota."),
    ("by selector", "describe pods -l app=idle", "^Name: +idle"),
    ("cluster role", "describe clusterrole view", r"pods/log +\[\] +\[\] +\[get list watch\]"),
]


@pytest.mark.parametrize("case", READS + DESCRIBED, ids=lambda case: case[0] if case[1].startswith("get") else case[1])
def test_prints(shop: Kubectl, case: tuple[str, ...]) -> None:
    shown = shop(case[1])
    for pattern in case[2:]:
        assert re.search(pattern, shown, re.M), f"{pattern!r} is not in\n{shown}"


def test_yaml_and_json_say_the_same(shop: Kubectl) -> None:
    as_yaml = yaml.safe_load(shop("get deploy web -o yaml"))
    as_json = json.loads(shop("get deploy web -o json"))
    assert as_yaml["kind"] == as_json["kind"] == "Deployment"
    assert as_yaml["spec"] == as_json["spec"]
    assert as_json["spec"]["template"]["spec"]["containers"][0]["image"] == NGINX


def test_describes_endpoint_slices(shop: Kubectl) -> None:
    if shop.version < (1, 21):
        # It knows v1beta1 alone, which 1.25 has removed.
        assert "the server could not find the requested resource" in shop.fails("describe endpointslice")
        return
    shown = shop("describe endpointslice")
    for pattern in ("^AddressType: +IPv4", "Ready: +true", "NodeName: +node-"):
        assert re.search(pattern, shown, re.M), shown


def test_a_watch_shows_what_happens(shop: Kubectl) -> None:
    with shop.talk("get", "pods", "-l", "app=watched", "-w", "--output-watch-events") as watch:
        shop("run", "watched", f"--image={BUSYBOX}", "--labels=app=watched", "--restart=Never", "--", "true")
        watch.expect(r"^EVENT +NAME +READY")
        # It may begin to watch a little after the pod was made.
        watch.expect(r"^ADDED +watched +0/1 +(Pending|ContainerCreating)")
        watch.expect(r"^MODIFIED +watched +0/1 +Completed")
        shop("delete", "pod", "watched", "--wait=false")
        watch.expect(r"^DELETED +watched")


def test_watch_only_begins_with_the_next_change(shop: Kubectl) -> None:
    with shop.talk("get", "cm", "--watch-only", "-o", "name") as watch:
        # Nothing is printed when it has begun: go on until it sees one.
        for number in range(50):
            shop("create", "cm", f"tick-{number}")
            if watch.poll("configmap/tick-"):
                break
        assert "plain" not in watch.text
    shop("delete", "cm", *[f"tick-{each}" for each in range(number + 1)])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("get pod nobody", 'Error from server (NotFound): pods "nobody" not found'),
        ("get wombats", 'error: the server doesn\'t have a resource type "wombats"'),
        ("get pods -l a=b=c", "Error from server (BadRequest): "),
        ("get pods --field-selector=spec.colour=x", "field label not supported: spec.colour"),
        ("describe pod nobody", 'Error from server (NotFound): pods "nobody" not found'),
        ("get --raw /nothing", "Error from server (NotFound): the server could not find the requested resource"),
    ],
    ids=lambda value: value if value.startswith(("get", "describe")) else "",
)
def test_says_what_is_wrong(shop: Kubectl, command: str, message: str) -> None:
    assert message in shop.fails(command)


def test_a_stranger_is_turned_away(shop: Kubectl) -> None:
    told = shop.fails("get pods --as=stranger")
    assert 'pods is forbidden: User "stranger" cannot list resource "pods" in API group "" in the namespace' in told
