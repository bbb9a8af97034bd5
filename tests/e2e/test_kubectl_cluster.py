"""kubectl on the cluster itself: discovery, authorization, nodes, events, certificates."""

from __future__ import annotations

import json
import re

import pytest

from kubectls import BUSYBOX, Kubectl, deployment, pod

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("command", "patterns"),
    [
        ("version", [r"Server Version: .*v1\.36"]),
        (
            "cluster-info -n kube-system",
            ["Kubernetes control plane.* is running at .*https://172.29", "CoreDNS.* is running at "],
        ),
        ("api-versions", ["^v1$", "^apps/v1$", "^rbac.authorization.k8s.io/v1$", "^discovery.k8s.io/v1$"]),
        (
            "api-resources",
            [
                r"^pods +po +(v1 +)?true +Pod$",
                r"^deployments +deploy +apps/v1 +true +Deployment$",
                r"^nodes +no +(v1 +)?false +Node$",
            ],
        ),
        ("api-resources --namespaced=false -o name", ["^nodes$", "^clusterroles.rbac.authorization.k8s.io$"]),
        ("api-resources --api-group=batch --verbs=list -o name", [r"\Acronjobs.batch\njobs.batch\n\Z"]),
        ("explain pods", [r"^KIND: +Pod", r"^VERSION: +v1", "FIELDS:", r"^ +spec\t<"]),
        (
            "explain deployment.spec.replicas",
            [r"^KIND: +Deployment", r"FIELD: +replicas +<integer>", "Number of desired pods"],
        ),
        ("explain pod.spec.containers.livenessProbe.httpGet", [r"path\t<string>", "-required-"]),
        ("explain cronjob --api-version=batch/v1", [r"^KIND: +CronJob"]),
        ("explain svc.spec --recursive", [r"sessionAffinityConfig", "timeoutSeconds"]),
        ("auth can-i create pods", [r"\Ayes\n"]),
        ("auth can-i '*' '*' --all-namespaces", [r"\Ayes\n"]),
        ("auth can-i --list", [r"\*\.\* +\[\] +\[\] +\[\*\]"]),
        ("config current-context", [r"\Akijabi-e2e-\d+\n\Z"]),
        ("get --raw /readyz?verbose", [r"\[\+\]ping ok", "readyz check passed"]),
        ("get leases -n kube-node-lease", ["^node-1 +node-1"]),
        ("get endpointslices -n default", ["^kubernetes +IPv4 +6443 +172.29"]),
        ("get svc -n kube-system", [r"^kube-dns +ClusterIP +10\.\d+\.0\.10 +<none> +53/UDP,53/TCP,9153/TCP"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_prints(kubectl: Kubectl, command: str, patterns: list[str]) -> None:
    shown = re.sub(r"\x1b\[[\d;]*m", "", kubectl(command))
    for pattern in patterns:
        assert re.search(pattern, shown, re.M), f"{pattern!r} is not in\n{shown}"


def test_explain_refuses_what_there_is_not(kubectl: Kubectl) -> None:
    assert re.search('field "wombat" does not exist', kubectl.fails("explain pods.spec.wombat"))


@pytest.fixture(scope="module")
def robot(kubectl: Kubectl) -> str:
    """A service account that may read pods of its namespace."""
    kubectl("create serviceaccount robot")
    kubectl("create role reads --verb=get,list,watch --resource=pods")
    kubectl("create", "rolebinding", "reads", "--role=reads", f"--serviceaccount={kubectl.namespace}:robot")
    return f"system:serviceaccount:{kubectl.namespace}:robot"


def test_roles_decide_what_one_may(kubectl: Kubectl, robot: str) -> None:
    assert kubectl(f"auth can-i list pods --as={robot}") == "yes\n"
    assert kubectl.run("auth", "can-i", "delete", "pods", f"--as={robot}").out.startswith("no")
    assert kubectl.run("auth", "can-i", "delete", "pods", f"--as={robot}").code == 1
    assert kubectl(f"get pods --as={robot}") == ""
    told = kubectl.fails(f"get secrets --as={robot}")
    assert (
        f'secrets is forbidden: User "{robot}" cannot list resource "secrets" in API group "" in the namespace' in told
    )
    assert re.search(r"^pods +\[\] +\[\] +\[get list watch\]", kubectl(f"auth can-i --list --as={robot}"), re.M)


def test_a_token_is_its_service_account(kubectl: Kubectl, robot: str) -> None:
    if kubectl.version < (1, 27):
        # It has no verb for tokens, nor for who one is.
        assert kubectl.run("create", "token", "robot").code == 1
        return
    token = kubectl("create token robot").strip()
    # The administrator's certificate would win over the token.
    config = json.loads(kubectl("config view --raw --minify -o json"))
    config["users"][0]["user"] = {"token": token}
    file = kubectl.home / "robot.conf"
    file.write_text(json.dumps(config))
    alone = Kubectl(kubectl.binary, file, kubectl.home, kubectl.namespace)
    assert robot in alone("auth whoami")
    assert alone("get pods -o name") == ""
    assert "Forbidden" in alone.fails("get nodes")
    config["users"][0]["user"] = {"token": token[:-8] + "AAAAAAAA"}
    file.write_text(json.dumps(config))
    assert "Unauthorized" in alone.fails("get pods")


def test_whoami(kubectl: Kubectl) -> None:
    if kubectl.version < (1, 27):
        assert "unknown command" in kubectl.run("auth", "whoami").err or kubectl.run("auth", "whoami").code != 0
        return
    assert re.search(r"system:masters", kubectl("auth whoami"))


def test_cordon_keeps_new_pods_away(kubectl: Kubectl) -> None:
    try:
        assert "node/node-2 cordoned" in kubectl("cordon node-2")
        assert "node/node-2 already cordoned" in kubectl("cordon node-2")
        assert re.search("^node-2 +Ready,SchedulingDisabled", kubectl("get nodes"), re.M)
        kubectl.apply(deployment("elsewhere", 2, pod("elsewhere")))
        kubectl("rollout status deployment/elsewhere --timeout=30s")
        assert set(kubectl.get("pods -l app=elsewhere", ".items[*].spec.nodeName").split()) == {"node-1"}
    finally:
        assert "node/node-2 uncordoned" in kubectl("uncordon node-2")
    kubectl("delete deployment elsewhere --wait=false")


def test_drain_evicts(kubectl: Kubectl) -> None:
    bare = pod("bare", nodeName="node-2")
    kubectl.apply(deployment("moved", 2, pod("moved")), bare)
    kubectl("rollout status deployment/moved --timeout=30s")
    kubectl.wait_ready("bare")
    try:
        told = kubectl.fails("drain node-2 --ignore-daemonsets")
        assert re.search("cannot delete Pods (not managed by|that declare no controller)", told)
        result = kubectl.run("drain", "node-2", "--ignore-daemonsets", "--force", "--timeout=60s")
        assert result.code == 0, result.err
        assert re.search("^node/node-2 (drained|evicted)", result.out, re.M)
        assert "pod/bare evicted" in result.out
        assert "NotFound" in kubectl.fails("get pod bare")
        kubectl("rollout status deployment/moved --timeout=30s")
        assert set(kubectl.get("pods -l app=moved", ".items[*].spec.nodeName").split()) == {"node-1"}
    finally:
        kubectl("uncordon node-2")
    kubectl("delete deployment moved --wait=false")


def test_taints_repel_and_evict(kubectl: Kubectl) -> None:
    tolerant = pod(
        "tolerant",
        nodeSelector={"kubernetes.io/hostname": "node-2"},
        tolerations=[{"key": "dedicated", "operator": "Exists"}],
    )
    plain = pod("plain", nodeSelector={"kubernetes.io/hostname": "node-2"})
    try:
        assert "node/node-2 tainted" in kubectl("taint node node-2 dedicated=test:NoSchedule")
        kubectl.apply(tolerant, plain)
        kubectl.wait_ready("tolerant")
        with kubectl.talk("get", "events", "-w", "--field-selector=involvedObject.name=plain") as events:
            events.expect("FailedScheduling.*untolerated taint")
        assert kubectl.get("pod plain", ".status.phase") == "Pending"
        assert re.search("^Taints: +dedicated=test:NoSchedule", kubectl("describe node node-2"), re.M)
    finally:
        assert "node/node-2 untainted" in kubectl("taint node node-2 dedicated-")
    kubectl.wait_ready("plain")
    try:
        kubectl("taint node node-2 dedicated=test:NoExecute")
        kubectl("wait --for=delete pod/plain --timeout=30s")
        assert kubectl.get("pod tolerant", ".status.phase") == "Running"
    finally:
        kubectl("taint node node-2 dedicated:NoExecute-")
    assert "not found" in kubectl.fails("taint node node-2 dedicated-")
    kubectl("delete pod tolerant --wait=false")


def test_events_tell_the_story_of_a_pod(kubectl: Kubectl) -> None:
    kubectl("run", "storied", f"--image={BUSYBOX}", "--restart=Never", "--", "true")
    with kubectl.talk(
        "get", "events", "-w", "--field-selector=involvedObject.name=storied", "-o", "custom-columns=R:.reason"
    ) as told:
        for reason in ("Scheduled", "Pulled", "Created", "Started"):
            told.expect(f"^{reason}$")
    if kubectl.version >= (1, 26):
        shown = kubectl("events --for=pod/storied")
        assert re.search(r"Normal +Scheduled +Pod/storied +Successfully assigned", shown)
    kubectl("delete pod storied --wait=false")


def test_a_pod_that_fits_nowhere_says_why(kubectl: Kubectl) -> None:
    huge = pod("huge", container={"resources": {"requests": {"cpu": "1000"}}})
    kubectl.apply(huge)
    with kubectl.talk("get", "pod", "huge", "-w", "-o", "jsonpath={.status.conditions}{'\\n'}") as watch:
        watch.expect("0/2 nodes are available: 2 Insufficient cpu")
    assert "0/2 nodes are available: 2 Insufficient cpu" in kubectl("describe pod huge")
    kubectl("delete pod huge")
