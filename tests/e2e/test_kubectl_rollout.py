"""kubectl rollout, scale, wait and delete: what happens to what runs."""

from __future__ import annotations

import json
import re

import pytest

from kubectls import Kubectl, deployment, nginx, pod

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def web(kubectl: Kubectl) -> Kubectl:
    """A Deployment ``web`` of two nginx pods with one revision."""
    kubectl.apply(deployment("web", 2, nginx("web")))
    done = kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert 'deployment "web" successfully rolled out' in done
    return kubectl


def settled(web: Kubectl) -> None:
    assert "successfully rolled out" in web("rollout status deployment/web --timeout=40s")


def test_rollout_to_another_image_and_back(web: Kubectl) -> None:
    web("annotate deployment/web kubernetes.io/change-cause=first --overwrite")
    web("set image deployment/web nginx=docker.io/library/nginx:1")
    web("annotate deployment/web kubernetes.io/change-cause=second --overwrite")
    settled(web)
    history = web("rollout history deployment/web")
    assert re.search(r"^1 +first\n2 +second$", history, re.M), history
    shown = web("rollout history deployment/web --revision=2")
    assert "docker.io/library/nginx:1" in shown
    assert "deployment.apps/web rolled back" in web("rollout undo deployment/web")
    settled(web)
    assert web.get("deployment web", ".spec.template.spec.containers[0].image") == "docker.io/library/nginx:stable"
    assert re.search(r"^2 +second\n3 +first$", web("rollout history deployment/web"), re.M)
    assert "deployment.apps/web rolled back" in web("rollout undo deployment/web --to-revision=2")
    settled(web)
    assert "unable to find specified revision" in web.fails("rollout undo deployment/web --to-revision=77")


def test_rollout_restart_replaces_every_pod(web: Kubectl) -> None:
    before = set(web("get pods -l app=web -o name").split())
    assert "deployment.apps/web restarted" in web("rollout restart deployment/web")
    settled(web)
    web("wait", "--for=delete", "--timeout=30s", *before)
    after = set(web("get pods -l app=web -o name").split())
    assert len(after) == 2


def test_rollout_waits_while_paused(web: Kubectl) -> None:
    assert "deployment.apps/web paused" in web("rollout pause deployment/web")
    hash_before = web.get("rs -l app=web", ".items[*].metadata.name")
    web("set env deployment/web PAUSED=1")
    assert web.get("rs -l app=web", ".items[*].metadata.name") == hash_before
    assert "can't restart paused deployment" in web.fails("rollout restart deployment/web")
    assert "deployment.apps/web resumed" in web("rollout resume deployment/web")
    settled(web)
    assert web.get("deployment web", ".status.updatedReplicas") == "2"


def test_rollout_status_tells_of_no_progress(kubectl: Kubectl) -> None:
    broken = pod("stuck", container={"image": "localhost/none/such:1", "imagePullPolicy": "Never"})
    kubectl.apply(deployment("stuck", 1, broken, progressDeadlineSeconds=1))
    told = kubectl.fails("rollout status deployment/stuck")
    assert 'deployment "stuck" exceeded its progress deadline' in told
    assert (
        kubectl.get("pods -l app=stuck", ".items[0].status.containerStatuses[0].state.waiting.reason")
        == "ErrImageNeverPull"
    )
    kubectl("delete deployment stuck --wait=false")


def test_scale_up_and_down(web: Kubectl) -> None:
    assert "deployment.apps/web scaled" in web("scale deployment/web --replicas=3")
    settled(web)
    assert len(web("get pods -l app=web -o name").split()) >= 3
    web("scale --current-replicas=3 --replicas=1 deployment/web")
    settled(web)
    assert web.get("deployment web", ".status.replicas") == "1"
    web("scale deployment/web --replicas=2")
    settled(web)


def test_wait_for_conditions(kubectl: Kubectl) -> None:
    kubectl.apply(pod("waited"))
    assert "pod/waited condition met" in kubectl("wait --for=condition=Ready pod/waited --timeout=30s")
    kubectl("wait --for=condition=Ready=True pod -l app=waited --timeout=30s")
    assert "timed out waiting for the condition" in kubectl.fails(
        "wait --for=condition=Nonsense pod/waited --timeout=1s"
    )
    if kubectl.version >= (1, 23):
        kubectl("wait --for=jsonpath={.status.phase}=Running pod/waited --timeout=30s")
    with kubectl.talk("wait", "--for=delete", "pod/waited", "--timeout=30s") as waiting:
        kubectl("delete pod waited --wait=false")
        assert waiting.wait() == 0
    assert 'pods "nobody" not found' in kubectl.fails("wait --for=condition=Ready pod/nobody --timeout=1s")
    kubectl("wait --for=condition=Available deployment/web --timeout=30s")


def test_delete_grants_the_pods_its_time(kubectl: Kubectl) -> None:
    script = "trap 'echo told; usleep 300000; exit 0' TERM; echo up; while true; do usleep 20000; done"
    kubectl.apply(pod("graceful", script))
    kubectl.wait_ready("graceful")
    with kubectl.talk("logs", "-f", "graceful") as log:
        log.expect("up")
        assert 'pod "graceful" deleted' in kubectl("delete pod graceful")
        log.expect("told")
    assert "NotFound" in kubectl.fails("get pod graceful")


@pytest.mark.parametrize("options", ["--now", "--force --grace-period=0", "--grace-period=1"])
def test_delete_in_a_hurry(kubectl: Kubectl, options: str) -> None:
    name = "hurry" + re.sub(r"\W", "", options)
    deaf = pod(name, "trap '' TERM; while true; do sleep 60; done", terminationGracePeriodSeconds=60)
    kubectl.apply(deaf)
    kubectl.wait_ready(name)
    kubectl("delete", "pod", name, *options.split(), timeout=20)
    assert "NotFound" in kubectl.fails(f"get pod {name}")


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_delete_cascades(kubectl: Kubectl, cascade: str) -> None:
    name = f"cascade-{cascade}"
    kubectl.apply(deployment(name, 1, pod(name)))
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
    kubectl("delete", "deployment", name, f"--cascade={cascade}")
    assert "NotFound" in kubectl.fails(f"get deployment {name}")
    if cascade == "orphan":
        assert kubectl.get(f"rs -l app={name}", ".items[*].metadata.ownerReferences") == ""
        assert kubectl.get(f"rs -l app={name}", ".items[*].status.replicas") == "1"
        kubectl("delete", "rs", "-l", f"app={name}")
    if cascade == "foreground":
        # When it returns, the dependants are gone.
        assert kubectl(f"get rs,pods -l app={name} -o name") == ""
    # Old versions call it a failure that they are gone already.
    kubectl.run("wait", "--for=delete", "pod", "-l", f"app={name}", "--timeout=30s")
    assert kubectl(f"get rs,pods -l app={name} -o name") == ""


def test_delete_by_selector_and_all(kubectl: Kubectl) -> None:
    for number in range(3):
        labels = {"set": "odd" if number % 2 else "even", "of": "three"}
        meta = {"name": f"number-{number}", "labels": labels}
        kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta})
    assert kubectl("delete secrets -l set=even -o name").split() == ["secret/number-0", "secret/number-2"]
    assert "secret/number-1" in kubectl("delete secrets --all -o name")
    assert kubectl("get secrets -o name") == ""
    again = kubectl.run("delete", "secrets", "--all")
    assert "No resources found" in again.out + again.err


def test_delete_by_file_and_in_a_dry_run(kubectl: Kubectl) -> None:
    one = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "filed"}})
    kubectl("create -f -", stdin=one)
    kubectl("delete --dry-run=server -f -", stdin=one)
    assert kubectl("get cm filed -o name") == "configmap/filed\n"
    assert 'configmap "filed" deleted' in kubectl("delete -f -", stdin=one)
    assert "NotFound" in kubectl.fails("delete -f -", stdin=one)
    assert kubectl("delete --ignore-not-found -f -", stdin=one) == ""


def test_delete_a_namespace_with_all_there_is(kubectl: Kubectl) -> None:
    inner = kubectl.within(f"{kubectl.namespace}-inner")
    kubectl("create", "namespace", inner.namespace)
    inner.apply(deployment("web", 1, pod("web")), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    inner("rollout status deployment/web --timeout=30s")
    kubectl("delete", "namespace", inner.namespace, "--timeout=30s")
    assert "NotFound" in kubectl.fails(f"get ns {inner.namespace}")
