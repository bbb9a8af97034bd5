"""kubectl top: what nodes, pods and containers use, as their kubelets tell."""

import re
import time

import pytest

from kubectls import BUSYBOX, Kubectl

pytestmark = pytest.mark.e2e

BUSY = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "busy", "labels": {"app": "busy"}},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "burner",
                "image": BUSYBOX,
                "command": ["sh", "-c", "while :; do :; done"],
                "resources": {"limits": {"cpu": "200m"}},
            },
            {"name": "idler", "image": BUSYBOX, "command": ["sleep", "3600"]},
        ],
    },
}


def test_top_of_nodes_pods_and_containers(kubectl: Kubectl) -> None:
    kubectl.apply(BUSY)
    kubectl.wait_ready("busy")
    # A node that other tests have just ended and started is told of after two looks at it.
    deadline = time.monotonic() + 60
    while not _all_told(nodes := kubectl("top", "nodes", "--no-headers").splitlines()):
        assert time.monotonic() < deadline, nodes
        time.sleep(1)
    rows = _containers(kubectl)
    assert rows.keys() == {"burner", "idler"}
    assert 100 <= rows["burner"] <= 300
    assert rows["idler"] < 50
    assert "busy" in kubectl("top", "pods", "-l", "app=busy", "--no-headers")
    kubectl("delete", "pod", "busy")


def _all_told(lines: list[str]) -> bool:
    row = re.compile(r"\S+\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%\s*")
    return bool(lines) and all(row.fullmatch(line) for line in lines)


def _containers(kubectl: Kubectl) -> dict[str, int]:
    """Millicores by container; a pod is told of when its kubelet has been looked at since it runs."""
    deadline = time.monotonic() + 40
    while True:
        told = kubectl.run("top", "pod", "busy", "--containers", "--no-headers")
        rows = [line.split() for line in told.out.splitlines()]
        if len(rows) == 2 or time.monotonic() > deadline:
            return {row[1]: int(row[2].removesuffix("m")) for row in rows}
        time.sleep(0.5)
