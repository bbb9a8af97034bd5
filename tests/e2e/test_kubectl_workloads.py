"""kubectl on jobs, cron jobs, daemon sets and stateful sets."""

from __future__ import annotations

import re

import pytest

from kubectls import BUSYBOX, OBEDIENT, Kubectl, deployment, pod

pytestmark = pytest.mark.e2e


def test_a_job_runs_to_completion(kubectl: Kubectl) -> None:
    kubectl("create", "job", "once", f"--image={BUSYBOX}", "--", "echo", "did it")
    assert "job.batch/once condition met" in kubectl("wait --for=condition=Complete job/once --timeout=30s")
    assert kubectl("logs job/once") == "did it\n"
    assert re.search(r"^once +(Complete +)?1/1", kubectl("get job once"), re.M)


def test_a_daemon_set_runs_on_every_node(kubectl: Kubectl) -> None:
    made = deployment("everywhere", 0, pod("everywhere", OBEDIENT))
    made["kind"] = "DaemonSet"
    del made["spec"]["replicas"]
    kubectl.apply(made)
    assert "successfully rolled out" in kubectl("rollout status daemonset/everywhere --timeout=30s")
    assert set(kubectl.get("pods -l app=everywhere", ".items[*].spec.nodeName").split()) == {"node-1", "node-2"}
    kubectl("rollout restart daemonset/everywhere")
    assert "successfully rolled out" in kubectl("rollout status daemonset/everywhere --timeout=60s")
    kubectl("delete ds everywhere --wait=false")


def test_a_stateful_set_counts_its_pods(kubectl: Kubectl) -> None:
    made = deployment("ordered", 2, pod("ordered", OBEDIENT), serviceName="ordered")
    made["kind"] = "StatefulSet"
    kubectl.apply(made)
    assert "2 pods" in kubectl("rollout status statefulset/ordered --timeout=30s")
    kubectl.wait_ready("ordered-0", "ordered-1")
    kubectl("scale statefulset/ordered --replicas=1")
    kubectl("wait --for=delete pod/ordered-1 --timeout=30s")
    kubectl("delete statefulset ordered --wait=false")
